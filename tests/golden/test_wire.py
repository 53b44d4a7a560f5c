"""The HTTP endpoints that clients and APIs use: requests, and status, headers and body of each response.

``date`` and ``content-length`` are left out; a JWT is shown by its header and claims. Renew with
``pytest tests/golden --update-golden``.
"""

import base64
import json
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.golden.command import Command
from tests.golden.conftest import Golden
from tests.golden.normalise import Normaliser, laid_out

pytestmark = pytest.mark.slow

PASSPHRASE = "seven green lanterns hum"
OMITTED = {"date", "content-length"}
METADATA = ("/.well-known/oauth-authorization-server", "/.well-known/openid-configuration")
LISTS = ("/oauth2/status-list", "/oauth2/deny-list", "/oauth2/deny-list?audience=orders-api")


class Exchanges:
    """Requests and responses as the text of one golden file."""

    def __init__(self, http: httpx2.Client, secrets: dict[str, str]) -> None:
        self._http = http
        self._secrets = secrets
        self._normaliser = Normaliser({"issuer": str(http.base_url).rstrip("/")})
        self._entries: list[str] = []

    def __call__(
        self, method: str, path: str, client: str | None = None, *, headers: dict[str, str] | None = None, **form: str
    ) -> httpx2.Response:
        """Send a request, by ``client`` with HTTP Basic where one is given, and note it with its response."""
        sent = dict(headers or {})
        if client is not None:
            words = f"{client}:{self._secrets.get(client, 'wrong')}"
            sent["authorization"] = f"Basic {base64.b64encode(words.encode()).decode()}"
        response = self._http.request(method, path, headers=sent, data=form or None)
        lines = [f"> {method} {path}"]
        if client is not None:
            lines.append(f"> authorization: Basic {client}:<{'secret' if client in self._secrets else 'wrong'}>")
        lines += [f"> {name}: {self._field(name, value)}" for name, value in (headers or {}).items()]
        lines += [f">   {name}={self._normaliser.text(value)}" for name, value in form.items()]
        lines.append(f"< {response.status_code}")
        for name, value in sorted(response.headers.items()):
            if name.lower() not in OMITTED:
                lines.append(f"< {name.lower()}: {self._field(name.lower(), value)}")
        self._entries.append("\n".join([*lines, *self._body(response)]))
        return response

    def _field(self, name: str, value: str) -> str:
        return str(self._normaliser.value(value, name))

    def _body(self, response: httpx2.Response) -> list[str]:
        if not response.content:
            return []
        if response.headers.get("content-type", "").startswith("text/html"):
            return ["<a page>"]
        body: Any = response.text
        if "json" in response.headers.get("content-type", ""):
            body = json.loads(body)
        body = self._normaliser.value(body)
        return [body if isinstance(body, str) else laid_out(body)]

    def __str__(self) -> str:
        return "\n\n".join(self._entries) + "\n"


def test_what_the_endpoints_answer_is_as_it_was(golden: Golden, tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    secrets = accounts(command)
    app_token = create_app_token(command, "orders-api")
    opaque = create_app_token(command, "opaque-api")
    with command.serve("--data", "data") as issuer, httpx2.Client(base_url=issuer, timeout=30) as http:
        files = {
            name: Exchanges(http, secrets)
            for name in ("token", "token_errors", "introspection", "revocation", "metadata", "lists", "other")
        }
        access, refresh = tokens(files["token"])
        token_errors(files["token_errors"])
        introspection(files["introspection"], access, refresh, app_token, opaque)
        revocation(files["revocation"], access, refresh, opaque)
        for path in (*METADATA, "/oauth2/jwks"):
            published(files["metadata"], path)
        for path in LISTS:
            published(files["lists"], path)
        files["lists"]("GET", "/oauth2/deny-list?audience=none")
        other(files["other"])
    golden.check("wire", {f"{name}.txt": str(exchanges) for name, exchanges in files.items()})


def accounts(command: Command) -> dict[str, str]:
    """Two APIs, two clients and a user; the clients' secrets."""
    admin = ("admin", "--data", "data")
    api = command.json(*admin, "api", "create", "orders-api", "--scopes", "orders:read orders:write")
    opaque = command.json(*admin, "api", "create", "opaque-api", "--scopes", "read", "--format", "opaque")
    command.json(*admin, "user", "create", "alice", "--password-stdin", "--roles", "clerk", stdin=PASSPHRASE)
    scopes = ("--apis", "orders-api,opaque-api", "--scopes", "orders:read orders:write read")
    reports = command.json(*admin, "service-account", "create", "reports", *scopes)
    grants = ("--grants", "password,refresh_token")
    app = command.json(*admin, "service-account", "create", "app", *scopes, *grants)
    made = {"orders-api": api, "opaque-api": opaque, "reports": reports, "app": app}
    return {name: each["client_secret"] for name, each in made.items()}


def create_app_token(command: Command, api: str) -> str:
    """A long-lived token for ``api``."""
    scope = "read" if api == "opaque-api" else "orders:read"
    words = ("app-token", "create", "reports", "--api", api, "--scopes", scope)
    token: str = command.json("admin", "--data", "data", *words)["token"]
    return token


def tokens(ask: Exchanges) -> tuple[str, str]:
    """Every grant once; an access token and a refresh token that are valid."""
    token, orders = ("POST", "/oauth2/token"), {"scope": "orders:read", "resource": "orders-api"}
    access = ask(*token, "reports", grant_type="client_credentials", **orders).json()["access_token"]
    ask(*token, "reports", grant_type="client_credentials", scope="read", resource="opaque-api")
    signed_in = ask(*token, "app", grant_type="password", username="alice", password=PASSPHRASE, **orders)
    refresh = {"grant_type": "refresh_token", "refresh_token": signed_in.json()["refresh_token"]}
    successor: str = ask(*token, "app", **refresh).json()["refresh_token"]
    ask(*token, "app", **refresh)  # at once, as after a lost response
    return access, successor


def token_errors(ask: Exchanges) -> None:
    token, orders = ("POST", "/oauth2/token"), {"scope": "orders:read", "resource": "orders-api"}
    ask("GET", "/oauth2/token")
    ask(*token)
    ask(*token, grant_type="client_credentials")
    ask(*token, "unknown", grant_type="client_credentials")
    ask(*token, grant_type="client_credentials", client_id="reports", client_secret="wrong")
    ask(*token, "reports", grant_type="client_credentials", client_id="app")
    ask(*token, "reports", scope="orders:read")
    ask(*token, "reports", grant_type="magic")
    ask(*token, "reports", grant_type="password", username="alice", password=PASSPHRASE)
    ask(*token, "reports", grant_type="client_credentials", scope="pay")
    ask(*token, "reports", grant_type="client_credentials", scope="orders:read", resource="none")
    ask(*token, "reports", grant_type="client_credentials", scope="orders:read read")
    ask(*token, "app", grant_type="password", username="alice", password="wrong", **orders)
    ask(*token, "app", grant_type="refresh_token")
    ask(*token, "app", grant_type="refresh_token", refresh_token="wrong")
    ask(*token, "reports", headers={"content-type": "application/json"})


def introspection(ask: Exchanges, access: str, refresh: str, app_token: str, opaque: str) -> None:
    endpoint = ("POST", "/oauth2/introspect")
    ask(*endpoint, "orders-api", token=access)
    ask(*endpoint, "orders-api", token=access, headers={"accept": "application/token-introspection+jwt"})
    ask(*endpoint, "orders-api", token=app_token)
    ask(*endpoint, "opaque-api", token=opaque)
    ask(*endpoint, "orders-api", token=refresh)
    ask(*endpoint, "reports", token=access)
    ask(*endpoint, "orders-api", token=opaque)
    ask(*endpoint, "orders-api", token="junk")
    ask(*endpoint, "orders-api", other="junk")
    ask(*endpoint, token=access)
    ask(*endpoint, "unknown", token=access)
    ask("GET", "/oauth2/introspect")


def revocation(ask: Exchanges, access: str, refresh: str, opaque: str) -> None:
    endpoint = ("POST", "/oauth2/revoke")
    ask(*endpoint, "app", token=access)
    ask("POST", "/oauth2/introspect", "orders-api", token=access)
    ask(*endpoint, "reports", token=access, token_type_hint="access_token")
    ask(*endpoint, "app", token=refresh, token_type_hint="refresh_token")
    ask(*endpoint, "reports", token=opaque)
    ask(*endpoint, "reports", token="junk")
    ask(*endpoint, "reports", other="junk")
    ask(*endpoint, token=access)
    ask("POST", "/oauth2/introspect", "orders-api", token=access)
    ask("POST", "/oauth2/token", "app", grant_type="refresh_token", refresh_token=refresh)
    ask("GET", "/oauth2/revoke")


def published(ask: Exchanges, path: str) -> None:
    """A document that anyone may fetch, and once more where it has an entity tag."""
    response = ask("GET", path)
    assert response.status_code == 200, response.text
    if "etag" in response.headers and "?" not in path:
        tag = {"if-none-match": response.headers["etag"]}
        ask("GET", path, headers=tag)
    ask("POST", path)


def other(ask: Exchanges) -> None:
    """Other fixed paths: keys that an API holds, sign-in of users, health, the admin API's errors."""
    ask("POST", "/oauth2/held-keys", "orders-api", kids="none")
    ask("POST", "/oauth2/held-keys", "reports", kids="none")
    ask("GET", "/oauth2/authorize")
    ask("GET", "/.well-known/oauth-protected-resource")
    ask("GET", "/health")
    ask("GET", "/api/v1/apis")
    ask("GET", "/api/v1/apis", headers={"authorization": "Bearer junk"})
    ask("GET", "/api/v1/none")
