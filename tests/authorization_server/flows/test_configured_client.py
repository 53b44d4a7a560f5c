"""roomkey's own client, set up by a roomkey.toml, against the auth service and an API of their own: real processes."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey, KeySet
from tests.authorization_server.flows.processes import ROOMKEY, AuthService, auth_service, orders_api
from tests.authorization_server.oauth_service import PASSWORD, Login, OAuthService, claims_of

import roomkey
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

pytestmark = pytest.mark.slow

TOML = """
[store]
url = "sqlite:///tokens.db"

[credentials.own]
source = "client_credentials"
issuer = "{issuer}"
client_id = "app"
client_secret = {{ env = "APP_SECRET" }}
scope = "orders:read"
base_url = "{api}"

[credentials.keyed]
source = "client_credentials"
issuer = "{issuer}"
client_id = "keyed"
authentication = {{ private_key = {{ file = "keyed.pem" }}, key_id = "one" }}
scope = "orders:read"
base_url = "{api}"

[credentials.posting]
source = "client_credentials"
issuer = "{issuer}"
client_id = "posting"
client_secret = {{ env = "POSTING_SECRET" }}
authentication = "client_secret_post"
scope = "orders:read"
base_url = "{api}"

[credentials.person]
source = "password"
issuer = "{issuer}"
client_id = "app"
client_secret = {{ env = "APP_SECRET" }}
username = "alice"
password = {{ env = "ALICES_PASSWORD" }}
scope = "orders:read"
base_url = "{api}"

[credentials.handed]
source = "service_account_token"
token = {{ file = "app-token" }}
base_url = "{api}"

[credentials.custom]
source = "custom_login"
url = "{issuer}/oauth2/token"
body = "form"
base_url = "{api}"
fields = {{ grant_type = "client_credentials", client_id = "posting", client_secret = {{ env = "POSTING_SECRET" }} }}
"""
SOURCES = {"own": "app", "keyed": "keyed", "posting": "posting", "person": "app", "handed": "app", "custom": "posting"}
"""The app behind each credential."""


@dataclass(frozen=True)
class Registered:
    """The auth service and who is registered there; ``key`` is that of ``keyed``."""

    service: AuthService
    api: Login
    app: Login
    posting: Login
    key: ECKey

    def introspected(self, token: str) -> dict[str, Any]:
        answer = httpx2.post(f"{self.service.issuer}/oauth2/introspect", data={"token": token}, headers=self.api.basic)
        members: dict[str, Any] = answer.raise_for_status().json()
        return members

    def issued(self, grant: str) -> int:
        """How many tokens the service has issued by ``grant``."""
        counted = httpx2.get(f"{self.service.issuer}/metrics").text
        found = re.search(rf'^roomkey_tokens_issued_total{{grant="{grant}"}} (\d+)', counted, re.MULTILINE)
        return 0 if found is None else int(found[1])


@dataclass(frozen=True)
class Home:
    """An app's folder with its roomkey.toml."""

    folder: Path
    environment: dict[str, str]

    def roomkey(self, *arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        command, own = [str(ROOMKEY), *arguments], self.environment | environment
        return subprocess.run(
            command, check=False, cwd=self.folder, env=own, capture_output=True, text=True, timeout=60
        )

    def raw(self, name: str, *options: str) -> str:
        """The token itself."""
        done = self.roomkey("token", name, "--raw", *options)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registered]:
    data = tmp_path_factory.mktemp("configured") / "data"
    key = ECKey.generate_key("P-256", {"kid": "one"}, private=True)
    with auth_service(data) as running:
        with Service.open(Settings.at(data, issuer=running.issuer)) as service, OAuthService(service) as oauth:
            api, app = oauth.add_api(), oauth.add_app()
            posting = oauth.add_account("posting", authentication="client_secret_post")
            jwks = json.dumps(KeySet([key]).as_dict(private=False))
            oauth.add_account("keyed", authentication="private_key_jwt", jwks=jwks)
            oauth.add_user()
        yield Registered(running, api, app, posting, key)


@pytest.fixture(scope="module")
def orders(registered: Registered, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A protected API that asks the service about each token, by its address."""
    folder = tmp_path_factory.mktemp("orders")
    with orders_api(registered.service, "introspection", registered.api.secret, folder) as address:
        yield address


@pytest.fixture
def home(registered: Registered, orders: str, tmp_path: Path) -> Home:
    made = registered.service.admin(
        "app-token", "create", "app", "--api", "orders-api", "--scopes", "orders:read", "--expires", "30d"
    )
    private(tmp_path / "app-token", made["token"])
    private(tmp_path / "keyed.pem", registered.key.as_pem(private=True).decode())
    (tmp_path / "roomkey.toml").write_text(TOML.format(issuer=registered.service.issuer, api=orders))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "APP_SECRET": registered.app.secret,
        "POSTING_SECRET": registered.posting.secret,
        "ALICES_PASSWORD": PASSWORD,
    }
    return Home(tmp_path, environment)


def private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_gets_a_token_that_the_api_takes(home: Home, name: str) -> None:
    called = home.roomkey("call", name, "GET", "/orders")
    assert called.returncode == 0, called.stderr
    assert json.loads(called.stdout)["for"] == SOURCES[name]


def test_a_token_is_reused_by_the_next_process_and_renewed_when_it_is_asked_for(home: Home) -> None:
    first = home.raw("own")
    assert home.raw("own") == first
    assert home.raw("own", "--refresh") != first


def test_a_users_token_is_refreshed_without_another_sign_in(home: Home, registered: Registered) -> None:
    first = home.raw("person")
    before = registered.issued("password"), registered.issued("refresh_token")
    second = home.raw("person", "--refresh")
    assert second != first
    assert registered.introspected(second)["username"] == "alice"
    assert claims_of(second)["auth_time"] == claims_of(first)["auth_time"]
    assert (registered.issued("password"), registered.issued("refresh_token")) == (before[0], before[1] + 1)


def test_a_token_that_was_revoked_meanwhile_is_replaced_on_the_way(home: Home, registered: Registered) -> None:
    token = home.raw("own")
    url = f"{registered.service.issuer}/oauth2/revoke"
    httpx2.post(url, data={"token": token}, headers=registered.app.basic).raise_for_status()
    called = home.roomkey("call", "own", "GET", "/orders")
    assert called.returncode == 0, called.stderr
    assert home.raw("own") != token


def test_a_family_that_was_revoked_begins_anew_with_the_password(home: Home, registered: Registered) -> None:
    first = home.raw("person")
    url = f"{registered.service.issuer}/oauth2/revoke"
    httpx2.post(url, data={"token": first}, headers=registered.app.basic).raise_for_status()
    assert registered.introspected(first) == {"active": False}
    second = home.raw("person", "--refresh")
    assert registered.introspected(second)["username"] == "alice"


def test_the_error_of_a_wrong_secret_names_its_source(home: Home) -> None:
    done = home.roomkey("token", "own", APP_SECRET="rkcs_wrong")
    assert done.returncode != 0
    assert "invalid_client" in done.stderr
    assert "APP_SECRET" in done.stderr
    assert "rkcs_wrong" not in done.stderr


def test_a_validator_finds_the_key_after_a_rotation(registered: Registered) -> None:  # auth service 51
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        own = manager.credential(
            roomkey.ClientCredentials(
                issuer=registered.service.issuer,
                client_id="app",
                client_secret=registered.app.secret,
                scope="orders:read",
            )
        )
        validator = roomkey.TokenValidator(issuer=registered.service.issuer, audience="orders-api")
        before = own.token().value
        assert validator.validate(before).client_id == "app"
        registered.service.admin("keys", "rotate", "--now")
        after = own.refresh().value
        assert validator.validate(after).client_id == "app"
        assert validator.validate(before).client_id == "app"
