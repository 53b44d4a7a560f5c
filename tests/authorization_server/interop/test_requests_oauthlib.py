"""requests-oauthlib's OAuth 2 client, and the token that it gets at a protected API."""

from collections.abc import Iterator
from typing import Any

import pytest
from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient, WebApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidGrantError, InvalidScopeError, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session
from tests.authorization_server.flows.processes import orders_api
from tests.authorization_server.interop.auth_service import BACK, InteropService
from tests.authorization_server.oauth_service import PASSWORD, Login

pytestmark = pytest.mark.slow

SCOPE = ["orders:read"]


@pytest.fixture(autouse=True)
def loopback_is_secure_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


@pytest.fixture(scope="module", params=["jwks", "introspection"])
def orders(
    request: pytest.FixtureRequest, service: InteropService, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A protected API, by its address."""
    folder = tmp_path_factory.mktemp("orders")
    with orders_api(service.service, request.param, service.api.secret, folder) as address:
        yield address


def proof(login: Login) -> HTTPBasicAuth:
    return HTTPBasicAuth(login.client_id, login.secret)


def as_user(service: InteropService, **settings: Any) -> OAuth2Session:
    """A session with a token for alice."""
    client = LegacyApplicationClient(service.by_basic.client_id, scope=SCOPE)
    session = OAuth2Session(client=client, scope=SCOPE, **settings)
    named = {"username": "alice", "password": PASSWORD, "resource": "orders-api"}
    session.fetch_token(service.at("token"), auth=proof(service.by_basic), **named)
    return session


def test_a_client_calls_the_api_with_its_own_token(service: InteropService, orders: str) -> None:
    client = BackendApplicationClient(service.by_basic.client_id, scope=SCOPE)
    with OAuth2Session(client=client, scope=SCOPE) as session:
        token = session.fetch_token(service.at("token"), client_secret=service.by_basic.secret, resource="orders-api")
        assert token["scope"] == SCOPE
        answer = session.get(f"{orders}/orders")
        assert (answer.status_code, answer.json()["for"]) == (200, "by-basic")


def test_a_client_authenticates_in_the_form(service: InteropService) -> None:
    client = BackendApplicationClient(service.by_post.client_id, scope=SCOPE)
    with OAuth2Session(client=client, scope=SCOPE) as session:
        token = session.fetch_token(service.at("token"), client_secret=service.by_post.secret, include_client_id=True)
    assert service.introspected(token["access_token"])["client_id"] == "by-post"


def test_an_error_response_is_the_exception_of_its_code(service: InteropService) -> None:
    wrong: list[tuple[type[OAuth2Error], dict[str, Any]]] = [
        (InvalidClientError, {"client_secret": service.by_basic.secret[:-1] + "x"}),
        (InvalidScopeError, {"client_secret": service.by_basic.secret, "scope": "orders:delete"}),
    ]
    for error, given in wrong:
        with (
            OAuth2Session(client=BackendApplicationClient(service.by_basic.client_id)) as session,
            pytest.raises(error),
        ):
            session.fetch_token(service.at("token"), **given)


def test_a_user_calls_the_api_through_a_client(service: InteropService, orders: str) -> None:
    with as_user(service) as session:
        assert session.get(f"{orders}/orders").json()["for"] == "by-basic"
        assert service.introspected(session.access_token)["username"] == "alice"


def test_an_expired_token_is_refreshed_on_the_way_to_the_api(service: InteropService, orders: str) -> None:
    kept: list[dict[str, Any]] = []
    with as_user(service, auto_refresh_url=service.at("token"), token_updater=kept.append) as session:
        first = dict(session.token)
        session.token = first | {"expires_in": -1, "expires_at": 1}
        named = {"client_id": service.by_basic.client_id, "client_secret": service.by_basic.secret}
        assert session.get(f"{orders}/orders", **named).status_code == 200
    assert [one["refresh_token"] != first["refresh_token"] for one in kept] == [True]


def test_a_refresh_token_is_used_once_and_revoked(service: InteropService) -> None:
    with as_user(service) as session:
        first = dict(session.token)
        second = dict(session.refresh_token(service.at("token"), auth=proof(service.by_basic)))
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        client = LegacyApplicationClient(service.by_basic.client_id)
        url, headers, body = client.prepare_token_revocation_request(service.at("revoke"), second["refresh_token"])
        assert session.post(url, headers=headers, data=body, auth=proof(service.by_basic)).status_code == 200
        assert service.introspected(second["access_token"]) == {"active": False}
        with pytest.raises(InvalidGrantError):
            session.refresh_token(service.at("token"), second["refresh_token"], auth=proof(service.by_basic))


@pytest.mark.parametrize("app", ["phone", "site"])
def test_a_user_authorizes_a_client_in_a_browser(service: InteropService, orders: str, app: str) -> None:
    login: Login = getattr(service, app)
    client = WebApplicationClient(login.client_id)
    with OAuth2Session(client=client, redirect_uri=BACK, scope=SCOPE, pkce="S256") as session:
        address, _ = session.authorization_url(service.at("authorize"))
        back = service.allowed(address)
        proven: dict[str, Any] = {"client_secret": login.secret} if login.secret else {"include_client_id": True}
        session.fetch_token(service.at("token"), authorization_response=back, **proven)
        assert session.get(f"{orders}/orders").json()["for"] == app
