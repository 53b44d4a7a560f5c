"""The snippets of the pages, taken from them and run as they are pasted, against the running service and an API."""

import html
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from tests.authorization_server.backoffice.backoffice_service import Backoffice, served_backoffice
from tests.authorization_server.backoffice.browser import Browser

from roomkey.authorization_server.permissions import Role
from roomkey.clock import SystemClock

_FIGURE = re.compile(r"<figcaption>([^<]*)<.*?<pre[^>]*>(.*?)</pre>", re.DOTALL)
_SECRET = re.compile(r'<output id="secret"[^>]*>([^<]*)</output>')
_MASKED = {"authorization": "Bearer [the token]"}  # by `roomkey call`
_LOAD = "set -a; . ./.env; set +a\n"


class _Api(BaseHTTPRequestHandler):
    """Says who it was asked by."""

    def do_GET(self) -> None:
        body = json.dumps({"authorization": self.headers["Authorization"]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Be quiet."""


@pytest.fixture
def api() -> Iterator[str]:
    """The URL of an API, which is its audience, too."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Api) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Backoffice]:
    """A service on a port."""
    with served_backoffice(tmp_path / "data", SystemClock()) as backoffice:
        yield backoffice


@pytest.fixture
def browser(live: Backoffice) -> Iterator[Browser]:
    """A browser on the network, in which an administrator is signed in."""
    with Browser(issuer=live.url) as browser:
        browser._client.cookies.set("roomkey", live.cookie(live.user("alice", *Role)))
        yield browser


def _snippets(browser: Browser) -> dict[str, str]:
    found = {title: html.unescape(text) for title, text in _FIGURE.findall(browser.page.text)}
    secret = _SECRET.search(browser.page.text)
    for title, text in found.items():
        assert secret is None or title == ".env" or html.unescape(secret[1]) not in text, title
    return found


class _Shell:
    """A folder in which snippets are pasted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder

    def save(self, snippets: dict[str, str], *names: str) -> None:
        for name in names:
            (self.folder / name).write_text(snippets[name] + "\n")

    def run(self, *command: str) -> str:
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = {"HOME": str(self.folder), "PATH": path}
        done = subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout

    def sh(self, script: str) -> str:
        return self.run("sh", "-ec", script)

    def python(self, code: str) -> str:
        (self.folder / "pasted.py").write_text(code)
        return self.sh(f"{_LOAD}python pasted.py")


def _new_api(browser: Browser, audience: str, **fields: str) -> None:
    browser.get("/apis/~new")
    usual = {"token_lifetime": "300", "longest_app_token": "7776000", "token_format": "jwt", "algorithm": "ES256"}
    scopes = "orders:read  Read all orders\norders:write  Change orders"
    browser.submit("/apis/~new", **(usual | {"audience": audience, "scopes": scopes, "needs_approval": "no"} | fields))
    browser.follow()


@pytest.mark.skipif(shutil.which("curl") is None, reason="NOT RUN: curl is not installed")
def test_snippets_run_as_they_are_pasted(browser: Browser, api: str, tmp_path: Path) -> None:
    # The secret of an API: introspection
    _new_api(browser, api)
    of_api, shell = _snippets(browser), _Shell(tmp_path / "api")
    shell.save(of_api, ".env")
    (shell.folder / "token.txt").write_text("nothing")
    introspect = next(text for title, text in of_api.items() if title.startswith("curl"))
    assert json.loads(shell.sh(introspect)) == {"active": False}
    for title, text in of_api.items():
        if title.startswith("Python"):
            shell.python(text)

    # The secret of a service account: a managed call, and a token by hand
    browser.get("/service-accounts/~new")
    fields = {"client_id": "reports", "grants": "client_credentials", "authentication": "client_secret_basic"}
    browser.submit("/service-accounts/~new", scope=f"{api} orders:read", **fields)
    browser.follow()
    of_account, caller = _snippets(browser), _Shell(tmp_path / "account")
    caller.save(of_account, ".env", "roomkey.toml")
    assert json.loads(caller.sh(of_account["Shell"])) == _MASKED
    assert "Bearer ey" in caller.python(of_account["Python"])
    answer = json.loads(caller.sh(of_account["curl"]))
    assert answer["scope"] == "orders:read"
    (shell.folder / "token.txt").write_text(answer["access_token"])
    assert json.loads(shell.sh(introspect))["client_id"] == "reports"

    # An app token
    browser.get(f"/token-requests/~new?for=reports%20{api}")
    browser.submit(f"/token-requests/~new?for=reports%20{api}", scopes="orders:read", lifetime="86400")
    browser.follow()
    of_token, holder = _snippets(browser), _Shell(tmp_path / "token")
    holder.save(of_token, ".env", "roomkey.toml")
    token = (holder.folder / ".env").read_text().strip().partition("=")[2]
    assert json.loads(holder.sh(of_token["Shell"])) == _MASKED
    for text in (holder.python(of_token["Python"]), holder.sh(of_token["curl"])):
        assert json.loads(text) == {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("fields", [{"algorithm": "HS256"}, {"token_format": "opaque"}])
def test_snippets_of_an_api_run_in_every_format(browser: Browser, tmp_path: Path, fields: dict[str, str]) -> None:
    shell = _Shell(tmp_path / "api")
    _new_api(browser, "orders-api", **fields)
    shell.save(_snippets(browser), ".env")
    if "algorithm" in fields:
        browser.get("/apis/orders-api/shared-secret")
        browser.submit("/apis/orders-api/shared-secret")
        browser.follow()
        env = (shell.folder / ".env").read_text()
        shell.save(_snippets(browser), ".env")
        (shell.folder / ".env").write_text(env + (shell.folder / ".env").read_text())
    browser.get("/apis/orders-api")
    codes = [text for title, text in _snippets(browser).items() if title.startswith("Python")]
    assert codes
    for code in codes:
        shell.python(code)
