"""Passkeys as a real browser makes and uses them, with Chromium's own authenticator in software."""

import shutil
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

PASSWORD = "seven green lanterns hum"
CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium on this machine")]


@pytest.fixture
def issuer(tmp_path: Path) -> Iterator[str]:
    """A service on loopback with an administrator, under a name, for an IP address has no passkeys."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    hashing = PasswordHashing(Cost(memory=8, passes=1))
    issuer = f"http://localhost:{port}"
    with Service.open(Settings.at(tmp_path / "service", port=port, issuer=issuer)) as service:
        with service.unit_of_work(Actor.console()) as uow:
            hashed = hashing.hash_new(PASSWORD, username="boss")
            CreateUser(username="boss", roles=["administrator"], password=hashed)(uow)
        app = create_app(service, hashing=hashing)
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            end = time.monotonic() + 10.0
            while not server.started and time.monotonic() < end:
                time.sleep(0.005)
            yield issuer
        finally:
            server.should_exit = True
            thread.join()
            listener.close()
            hashing.close()


def test_a_passkey_is_made_and_used_in_a_browser(issuer: str) -> None:  # auth service 41
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page()
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text) if message.type == "error" else None)
        tools = page.context.new_cdp_session(page)
        tools.send("WebAuthn.enable")
        options = {"protocol": "ctap2", "transport": "internal", "hasUserVerification": True, "isUserVerified": True}
        tools.send("WebAuthn.addVirtualAuthenticator", {"options": options | {"hasResidentKey": True}})

        def name_and_password() -> None:
            page.goto(f"{issuer}/sign-in?next=/account")
            page.get_by_label("Name").fill("boss")
            page.get_by_label("Password").fill(PASSWORD)
            page.get_by_role("button", name="Sign in").click()

        name_and_password()
        page.get_by_label("Name of the passkey").fill("laptop")
        page.get_by_role("button", name="Create a passkey").click()
        page.get_by_role("heading", name="Recovery codes").wait_for()
        page.get_by_role("link", name="I have saved them").click()
        page.wait_for_url(f"{issuer}/account")
        page.get_by_role("button", name="Sign out").first.click()
        page.wait_for_url(f"{issuer}/sign-in")
        name_and_password()
        page.get_by_role("button", name="Use a passkey").click()
        page.wait_for_url(f"{issuer}/account")
        assert "laptop" in page.inner_text("main")
        assert refused == []  # the policy of the pages forbids nothing that they do
        browser.close()
