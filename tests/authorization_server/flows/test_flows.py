"""The three flows of the pattern, whole: an auth service, an API and an app, each a process of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.authorization_server.flows.processes import AuthService, app, auth_service, orders_api, secrets_in

from roomkey.jose.compact import read_unverified

pytestmark = pytest.mark.slow

PASSWORD = "four unrelated words, whatever they are"
ORDERS = "{'orders': [{'id': 1, 'item': 'a room'}], 'for': 'reports'}\n"


@dataclass(frozen=True)
class OAuthService:
    """The auth service with what an administrator has made in it: an API, an app and a user."""

    service: AuthService
    api_secret: str
    app_secret: str
    user_id: str


@dataclass(frozen=True)
class Orders:
    """A running orders API and how it validates tokens."""

    url: str
    validated_by: str


@pytest.fixture(scope="module")
def oauth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OAuthService]:
    with auth_service(tmp_path_factory.mktemp("auth") / "data") as service:
        api = service.admin("api", "create", "orders-api", "--scopes", "orders:read orders:write")
        grants = "client_credentials,password,refresh_token"
        account = service.admin(
            "service-account",
            "create",
            "reports",
            "--apis",
            "orders-api",
            "--scopes",
            "orders:read",
            "--grants",
            grants,
        )
        service.admin(
            *("service-account", "create", "kiosk", "--apis", "orders-api", "--scopes", "orders:read"),
            *("--authentication", "none", "--grants", "password"),
        )
        user = service.admin("user", "create", "alice", "--password-stdin", stdin=PASSWORD)
        yield OAuthService(service, api["client_secret"], account["client_secret"], user["id"])


@pytest.fixture(scope="module", params=["jwk", "jwks", "introspection"])
def orders(
    request: pytest.FixtureRequest, oauth: OAuthService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Orders]:
    """The orders API, which validates by a configured JWK, by the published JWKS or by introspection."""
    with orders_api(oauth.service, request.param, oauth.api_secret, tmp_path_factory.mktemp("orders")) as address:
        yield Orders(address, request.param)


def test_a_service_account_calls_with_the_app_token_that_the_backoffice_made_for_it(
    oauth: OAuthService, orders: Orders, tmp_path: Path
) -> None:
    # 1 a person asks for an app token, 2 the service makes and signs it, 3 it is shown once
    made = oauth.service.admin(
        "app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read", "--expires", "30d"
    )
    token = made["token"]
    listed = oauth.service.admin("app-token", "list")
    assert token not in str(listed)
    # 4 the app is configured with it, 5 the token manager reads it from its secret setting
    (tmp_path / "token").write_text(token)
    settings = {"ORDERS_URL": orders.url, "ORDERS_TOKEN_FILE": str(tmp_path / "token")}
    # 6 the app calls with the header, 7 the API takes the token from it, 8 verifies it by key or by asking the service,
    # 9 which looks at signature and state, 10 the claims become authorization, 11 the API answers
    assert app("service_account_token.py", settings, tmp_path).stdout == ORDERS
    claims = claims_of(token)
    assert (claims["sub"], claims["client_id"], claims["aud"]) == ("reports", "reports", "orders-api")
    assert claims["scope"] == "orders:read"
    assert called(orders, token).status_code == 200


def test_a_revoked_app_token_is_rejected_by_introspection(oauth: OAuthService, orders: Orders) -> None:
    order = ("app-token", "create", "reports", "--api", "orders-api", "--scopes", "orders:read", "--expires", "30d")
    made = oauth.service.admin(*order)
    oauth.service.admin("app-token", "revoke", made["id"])
    assert introspected(oauth, made["token"]) == {"active": False}
    assert called(orders, made["token"]).status_code == (401 if orders.validated_by == "introspection" else 200)


def test_an_app_calls_with_its_own_credentials(oauth: OAuthService, orders: Orders, tmp_path: Path) -> None:
    settings = {"AUTH_ISSUER": oauth.service.issuer, "ORDERS_SECRET": oauth.app_secret, "ORDERS_URL": orders.url}
    done = app("client_credentials.py", settings, tmp_path)
    assert done.stdout == ORDERS
    assert not secrets_in(done.stdout + done.stderr)
    wrong = settings | {"ORDERS_SECRET": oauth.app_secret[:-1] + "x"}
    refused = app("client_credentials.py", wrong, tmp_path / "other")
    assert refused.returncode != 0
    assert "invalid_client" in refused.stderr
    assert not secrets_in(refused.stdout + refused.stderr)


def test_a_user_calls_with_nothing_but_name_and_password(oauth: OAuthService, orders: Orders, tmp_path: Path) -> None:
    settings = {
        "AUTH_ISSUER": oauth.service.issuer,
        "ORDERS_URL": orders.url,
        "ORDERS_USER": "alice",
        "ORDERS_PASSWORD": PASSWORD,
    }
    done = app("user_alone.py", settings, tmp_path)
    assert done.stdout == ORDERS.replace("reports", "kiosk")
    assert PASSWORD not in done.stderr
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, "scope": "orders:read"}
    answered = httpx2.post(f"{oauth.service.issuer}/oauth2/token", data=form | {"client_id": "kiosk"}).json()
    claims = claims_of(answered["access_token"])
    assert (claims["sub"], claims["username"], claims["client_id"]) == (oauth.user_id, "alice", "kiosk")
    by_itself = {"grant_type": "client_credentials", "client_id": "kiosk", "scope": "orders:read"}
    assert httpx2.post(f"{oauth.service.issuer}/oauth2/token", data=by_itself).status_code == 400


def test_a_user_calls_by_way_of_an_app_and_the_claims_name_both(
    oauth: OAuthService, orders: Orders, tmp_path: Path
) -> None:
    settings = {
        "AUTH_ISSUER": oauth.service.issuer,
        "ORDERS_SECRET": oauth.app_secret,
        "ORDERS_URL": orders.url,
        "ORDERS_USER": "alice",
        "ORDERS_PASSWORD": PASSWORD,
    }
    done = app("user_with_app.py", settings, tmp_path)
    assert done.stdout == ORDERS
    assert PASSWORD not in done.stderr
    form = {"grant_type": "password", "username": "alice", "password": PASSWORD, "scope": "orders:read"}
    answered = httpx2.post(f"{oauth.service.issuer}/oauth2/token", data=form, auth=("reports", oauth.app_secret)).json()
    claims = claims_of(answered["access_token"])
    assert (claims["sub"], claims["username"]) == (oauth.user_id, "alice")
    assert claims["client_id"] == "reports"
    about = introspected(oauth, answered["access_token"])
    assert (about["sub"], about["username"], about["client_id"]) == (oauth.user_id, "alice", "reports")
    wrong = app("user_with_app.py", settings | {"ORDERS_PASSWORD": "not her password"}, tmp_path / "other")
    assert wrong.returncode != 0
    assert "invalid_grant" in wrong.stderr


def test_no_process_has_written_a_token_or_a_secret_to_its_log(oauth: OAuthService, orders: Orders) -> None:
    form = {"grant_type": "client_credentials", "scope": "orders:read"}
    answered = httpx2.post(f"{oauth.service.issuer}/oauth2/token", data=form, auth=("reports", oauth.app_secret)).json()
    assert called(orders, answered["access_token"]).status_code == 200
    logs = [path.read_text() for path in oauth.service.data.parent.parent.rglob("*.log")]
    assert any("/oauth2/token" in text for text in logs)
    for text in logs:
        assert [found for found in secrets_in(text) if not found.startswith("rksu_")] == []  # the one set-up link


def called(orders: Orders, token: str) -> httpx2.Response:
    return httpx2.get(f"{orders.url}/orders", headers={"Authorization": f"Bearer {token}"})


def introspected(oauth: OAuthService, token: str) -> dict[str, Any]:
    answer = httpx2.post(
        f"{oauth.service.issuer}/oauth2/introspect", data={"token": token}, auth=("orders-api", oauth.api_secret)
    )
    members: dict[str, Any] = answer.raise_for_status().json()
    return members


def claims_of(token: str) -> dict[str, Any]:
    seen = read_unverified(token)
    assert seen is not None
    return dict(seen.claims)
