"""From an empty machine to a token that is refused: real processes, two people in a browser, with scripts or not."""

import html
import os
import re
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyotp
import pytest
import uvicorn
from playwright.sync_api import Browser, Page, expect
from tests.authorization_server.backoffice.chromium import PICTURES, chromium, complaints, obstacles
from tests.authorization_server.server.conftest import COMMAND, Serving

import roomkey
from roomkey import Requirements
from roomkey.integrations.asgi import BearerTokenMiddleware

pytestmark = pytest.mark.browser

_PASSWORD = "four unrelated words of mine"
_LINK = re.compile(r"http://\S+/setup\?token=\S+")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Serving]:
    """``roomkey serve`` on an empty folder."""
    serving = Serving(tmp_path, (*COMMAND, "serve", "--data", str(tmp_path / "data"), "--listen", "127.0.0.1:0"))
    try:
        serving.wait_until_it_serves(lambda out: int(out.split(" port ")[1].split()[0]))
        yield serving
    finally:
        serving.stop()


@contextmanager
def orders_api(issuer: str, client_secret: str) -> Iterator[str]:
    """The API that the tokens are for: it checks signatures, and asks the service whether they still count."""

    async def orders(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
        await send({"type": "http.response.body", "body": b'{"orders": ["one", "two"]}'})

    asking = roomkey.Introspection(client_id="orders-api", client_secret=client_secret, mode="both", ttl=0.0)
    validator = roomkey.TokenValidator(issuer=issuer, audience="orders-api", introspection=asking)
    app = BearerTokenMiddleware(orders, validator, requirements=Requirements(scopes="orders:read"))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            while not server.started:
                time.sleep(0.005)
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join()


def call(folder: Path, toml: str, variable: str, token: str) -> tuple[int, str, str]:
    """What ``roomkey call reports GET /orders`` ends with, prints and complains about."""
    (folder / "roomkey.toml").write_text(f'[store]\nurl = "memory:"\n{toml}\n')
    environment = {"HOME": str(folder), "PATH": os.environ["PATH"], "ROOMKEY_CONFIG": str(folder / "roomkey.toml")}
    done = subprocess.run(
        (*COMMAND, "call", "reports", "GET", "/orders"),
        env=environment | {variable: token},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def shown_once(page: Page) -> str:
    """The secret of the page that shows one, which a reload does not show again."""
    secret = page.locator("#secret").inner_text().strip()
    assert len(secret) > 40
    return secret


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_the_way_from_the_first_administrator_to_a_token_that_is_refused(
    browser: Browser, service: Serving, tmp_path: Path, scripts: bool
):
    issuer = f"http://127.0.0.1:{service.port}"
    picture = _pictures(scripts=scripts)
    with (
        browser.new_context(java_script_enabled=scripts, reduced_motion="reduce") as hers,
        browser.new_context(java_script_enabled=scripts, reduced_motion="reduce") as his,
    ):
        admin, developer = hers.new_page(), his.new_page()
        said = [complaints(admin), complaints(developer)]

        # The first administrator, by the link that the console printed
        link = _LINK.search(service.out)
        assert link is not None, service.out
        admin.goto(link[0])
        picture(admin, "set-up")
        admin.get_by_label("Name").fill("alice")
        admin.get_by_label("Password").fill(_PASSWORD)
        admin.get_by_role("button", name="Create the administrator").click()

        # A second factor before anything else
        expect(admin).to_have_url(re.compile("/sign-in/enrol"))
        picture(admin, "second-factor")
        admin.get_by_text("Enter it by hand").click()
        seed = admin.locator("details code").inner_text()
        admin.get_by_label("Code").fill(pyotp.TOTP(seed).now())
        admin.get_by_role("button", name="Confirm").click()
        expect(admin.locator("#codes")).to_be_visible()
        admin.get_by_role("link", name="I have saved them").click()
        expect(admin.get_by_role("heading", name="Steps to the first token")).to_be_visible()
        picture(admin, "front-desk")

        # An API, whose app tokens somebody has to approve
        admin.get_by_role("link", name="New API").click()
        admin.get_by_label("Name", exact=True).fill("orders-api")
        admin.get_by_label("Scopes").fill("orders:read  Read all orders\norders:write  Change and cancel orders")
        admin.get_by_text("With approval").check()
        picture(admin, "new-api")
        admin.get_by_role("button", name="Create the API").click()
        api_secret = shown_once(admin)
        picture(admin, "api-secret")
        admin.reload()
        expect(admin.get_by_role("heading", name="Not found")).to_be_visible()
        assert api_secret not in admin.content()

        # A service account, and a developer
        admin.goto(f"{issuer}/service-accounts/~new")
        admin.get_by_label("Name", exact=True).fill("reports")
        admin.get_by_text("Read all orders").check()
        admin.get_by_role("button", name="Create the account").click()
        shown_once(admin)
        admin.get_by_role("link", name="I have saved it").click()
        expect(admin.get_by_role("heading", name="reports")).to_be_visible()
        picture(admin, "service-account")
        admin.goto(f"{issuer}/users/~new")
        admin.get_by_label("Username", exact=True).fill("carol")
        admin.get_by_label("Password", exact=True).fill(_PASSWORD)
        admin.get_by_text("Developer", exact=True).check()
        admin.get_by_role("button", name="Create the user").click()
        expect(admin.get_by_role("status")).to_have_text("Created.")

        # The developer asks for a token
        developer.goto(f"{issuer}/token-requests/~new")
        developer.get_by_label("Name").fill("carol")
        developer.get_by_label("Password").fill(_PASSWORD)
        developer.get_by_role("button", name="Sign in").click()
        expect(developer.get_by_role("heading", name="Request a token")).to_be_visible()
        developer.get_by_role("button", name="Continue").click()
        developer.get_by_text("Read all orders").check()
        developer.get_by_text("30 days", exact=True).check()
        developer.get_by_label("Purpose").fill("Nightly export")
        picture(developer, "request")
        developer.get_by_role("button", name="Request the token").click()
        expect(developer.get_by_role("status")).to_contain_text("Requested.")

        # The administrator approves
        admin.goto(issuer)
        admin.get_by_role("link", name="Decide").click()
        picture(admin, "approval")
        admin.get_by_role("button", name="Approve").click()
        expect(admin.get_by_role("status")).to_contain_text("Approved.")

        # The developer collects it, once
        developer.reload()
        developer.get_by_role("button", name="Collect the token").click()
        token = shown_once(developer)
        toml = developer.locator("#snippet-2").inner_text()
        variable, _, value = developer.locator("#snippet-1").inner_text().partition("=")
        assert value.strip() == token
        picture(developer, "token-shown-once")
        with his.expect_page() as opened:
            developer.get_by_role("button", name="Test it").click()
        expect(opened.value.get_by_role("heading", name="This token is valid.")).to_be_visible()
        picture(opened.value, "token-tested")
        opened.value.close()
        assert shown_once(developer) == token  # the test left it where it was
        developer.get_by_role("link", name="I have saved it").click()
        one_token = developer.url
        developer.go_back()
        assert token not in developer.content()

        with orders_api(issuer, api_secret) as api:
            # It is used
            toml = re.sub(r'base_url = ".*', f'base_url = "{api}"', html.unescape(toml))
            status, out, err = call(tmp_path, toml, variable, token)
            assert (status, out) == (0, '{"orders": ["one", "two"]}'), err

            # Rotated with an overlap: both are good
            developer.goto(one_token)
            developer.get_by_role("link", name="Rotate").click()
            developer.get_by_text("1 hour").check()
            picture(developer, "rotation")
            developer.get_by_role("button", name="Rotate it").click()
            successor = shown_once(developer)
            developer.get_by_role("link", name="I have saved it").click()
            new_token = developer.url
            assert new_token != one_token
            for good in (token, successor):
                assert call(tmp_path, toml, variable, good)[0] == 0

            # Revoked and refused
            developer.get_by_role("link", name="Revoke").click()
            developer.get_by_label("Reason").fill("It stood in a chat")
            picture(developer, "revocation")
            developer.get_by_role("button", name="Revoke it").click()
            expect(developer.get_by_role("status")).to_have_text("Revoked.")
            picture(developer, "token-revoked")
            status, out, err = call(tmp_path, toml, variable, successor)
            assert status != 0
            assert "orders" not in out
            assert "401" in err
            assert call(tmp_path, toml, variable, token)[0] == 0  # the old one has its hour

        # All of it stands in the audit log, whose chain holds
        admin.goto(f"{issuer}/audit")
        admin.get_by_role("button", name="Verify the chain").click()
        expect(admin.get_by_text("The chain holds")).to_be_visible()
        picture(admin, "audit-log")
        actions = ("user.created", "api.created", "service_account.created", "token_request.made")
        for action in (
            *actions,
            "token_request.approved",
            "app_token.collected",
            "app_token.rotated",
            "app_token.revoked",
        ):
            expect(admin.get_by_text(action).first).to_be_visible()
        for secret in (token, successor, api_secret, _PASSWORD, seed):
            assert secret not in admin.content() + service.out.replace(link[0], "") + service.err
        assert [words for words in (*said[0], *said[1]) if "404" not in words] == []


def _pictures(*, scripts: bool) -> Callable[[Page, str], None]:
    """Takes pictures of pages on the way, and with scripts looks for obstacles there."""
    folder = PICTURES / ("walk" if scripts else "walk-without-scripts")
    folder.mkdir(parents=True, exist_ok=True)
    number = iter(range(1, 100))

    def take(page: Page, what: str) -> None:
        if scripts:
            assert obstacles(page) == [], what
        page.screenshot(path=folder / f"{next(number):02}-{what}.png", full_page=True)

    return take
