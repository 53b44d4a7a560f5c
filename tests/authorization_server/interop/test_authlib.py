"""Authlib's OAuth 2 clients, synchronous on requests and asynchronous on httpx."""

import asyncio
import time
from typing import Any

import httpx2
import pytest
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2 import rfc8414, rfc9101, rfc9207
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from tests.authorization_server.interop.auth_service import BACK, InteropService
from tests.authorization_server.oauth_service import PASSWORD, Login

pytestmark = pytest.mark.slow

APP_SCOPE = "orders:read"
WELL_KNOWN = ["oauth-authorization-server", "openid-configuration"]


def session(service: InteropService, login: Login, **settings: Any) -> OAuth2Session:
    chosen = {"token_endpoint": service.at("token"), "scope": APP_SCOPE} | settings
    return OAuth2Session(login.client_id, login.secret or None, **chosen)


def signing(client: Any, service: InteropService, **claims: int) -> Any:
    """``client``, which proves itself by a JWT of its key; Authlib takes one ``jti`` for all that it signs this way."""
    client.register_client_auth_method(PrivateKeyJWT(service.at("token"), claims=claims or None, alg="ES256"))
    return client


def in_a_minute() -> int:
    return int(time.time()) + 60


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_the_metadata_is_right_and_promises_no_id_token(
    service: InteropService, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    found = rfc8414.AuthorizationServerMetadata(httpx2.get(f"{service.issuer}/.well-known/{name}").json())
    found.validate(metadata_classes=[rfc9207.AuthorizationServerMetadata, rfc9101.AuthorizationServerMetadata])
    assert found["issuer"] == service.issuer
    assert not {"userinfo_endpoint", "claims_supported"} & found.keys()
    assert [member for member in found if "id_token" in member] == []


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_authenticates_by_its_secret(service: InteropService, method: str) -> None:
    login = service.by_post if method == "client_secret_post" else service.by_basic
    with session(service, login, token_endpoint_auth_method=method) as client:
        token = client.fetch_token(service.at("token"), grant_type="client_credentials", resource="orders-api")
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", APP_SCOPE, 300)
    assert "refresh_token" not in token
    assert service.introspected(token["access_token"])["client_id"] == login.client_id


def test_another_authentication_method_is_an_invalid_client(service: InteropService) -> None:
    with (
        session(service, service.by_post, token_endpoint_auth_method="client_secret_basic") as client,
        pytest.raises(OAuthError, match="invalid_client"),
    ):
        client.fetch_token(service.at("token"), grant_type="client_credentials")


def test_a_client_authenticates_once_by_each_assertion(service: InteropService) -> None:  # auth service 5
    asked = {"url": service.at("token"), "grant_type": "client_credentials"}
    with OAuth2Session("by-key", service.key, token_endpoint_auth_method="private_key_jwt", scope=APP_SCOPE) as client:
        token = signing(client, service, exp=in_a_minute()).fetch_token(**asked)
        assert service.introspected(token["access_token"])["client_id"] == "by-key"
        with pytest.raises(OAuthError, match="invalid_client"):
            client.fetch_token(**asked)
        signing(client, service, exp=in_a_minute()).fetch_token(**asked)


def test_an_assertion_with_a_lifetime_of_an_hour_is_rejected(service: InteropService) -> None:  # auth service 5
    method = "private_key_jwt"  # whose assertions Authlib makes that long where nobody says otherwise
    with (
        OAuth2Session("by-key", service.key, token_endpoint_auth_method=method) as client,
        pytest.raises(OAuthError, match="invalid_client"),
    ):
        signing(client, service).fetch_token(service.at("token"), grant_type="client_credentials")


def test_a_users_token_is_issued_refreshed_introspected_and_revoked(service: InteropService) -> None:
    with session(service, service.by_basic) as client:
        first = dict(
            client.fetch_token(service.at("token"), username="alice", password=PASSWORD, resource="orders-api")
        )
        assert service.introspected(first["access_token"])["username"] == "alice"
        second = dict(client.refresh_token(service.at("token")))
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        with session(service, service.api) as api:
            told = api.introspect_token(service.at("introspect"), token=second["access_token"]).json()
            assert (told["active"], told["scope"], told["aud"]) == (True, APP_SCOPE, "orders-api")
            gone = client.revoke_token(service.at("revoke"), second["refresh_token"], token_type_hint="refresh_token")
            assert (gone.status_code, gone.content) == (200, b"")
            told = api.introspect_token(service.at("introspect"), token=second["access_token"]).json()
            assert told == {"active": False}
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(service.at("token"), second["refresh_token"])


def test_a_wrong_password_is_an_invalid_grant(service: InteropService) -> None:
    with session(service, service.by_basic) as client, pytest.raises(OAuthError, match="invalid_grant"):
        client.fetch_token(service.at("token"), username="alice", password="another", resource="orders-api")


def test_a_client_that_finds_its_token_old_refreshes_it_by_itself(service: InteropService) -> None:
    renewed: list[str] = []
    with session(
        service, service.by_basic, update_token=lambda token, **_: renewed.append(token["access_token"])
    ) as client:
        token = client.fetch_token(service.at("token"), username="alice", password=PASSWORD, resource="orders-api")
        client.token = token | {"expires_at": int(time.time()) - 1}
        sent = client.get(service.at("jwks")).request.headers["Authorization"]
    assert sent == f"Bearer {renewed[0]}"
    assert len(renewed) == 1
    assert service.introspected(renewed[0])["active"]


@pytest.mark.parametrize("app", ["phone", "site"])
def test_a_user_authorizes_a_client_in_a_browser(service: InteropService, app: str) -> None:
    login: Login = getattr(service, app)
    verifier = generate_token(48)
    with session(service, login, redirect_uri=BACK, code_challenge_method="S256") as client:
        address, state = client.create_authorization_url(service.at("authorize"), code_verifier=verifier)
        back = service.allowed(address)
        token = client.fetch_token(
            service.at("token"), authorization_response=back, state=state, code_verifier=verifier, redirect_uri=BACK
        )
        told = service.introspected(token["access_token"])
        assert (told["username"], told["client_id"], told["scope"]) == ("alice", app, APP_SCOPE)
        assert client.refresh_token(service.at("token"))["refresh_token"] != token["refresh_token"]


def test_the_asynchronous_client_gets_refreshes_introspects_and_revokes(service: InteropService) -> None:
    async def whole_life() -> None:
        named = {"token_endpoint": service.at("token"), "scope": APP_SCOPE}
        async with (
            AsyncOAuth2Client(service.by_basic.client_id, service.by_basic.secret, **named) as client,
            AsyncOAuth2Client(service.api.client_id, service.api.secret) as api,
        ):
            first = dict(await client.fetch_token(username="alice", password=PASSWORD, resource="orders-api"))
            second = dict(await client.refresh_token())
            assert second["refresh_token"] != first["refresh_token"]
            told = await api.introspect_token(service.at("introspect"), token=second["access_token"])
            assert told.json()["username"] == "alice"
            await client.revoke_token(service.at("revoke"), token=second["access_token"])
            told = await api.introspect_token(service.at("introspect"), token=second["access_token"])
            assert told.json() == {"active": False}
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.refresh_token(refresh_token=second["refresh_token"])

    asyncio.run(whole_life())


def test_the_asynchronous_client_authenticates_by_its_key(service: InteropService) -> None:
    async def asked() -> dict[str, Any]:
        method = "private_key_jwt"
        async with AsyncOAuth2Client(
            "by-key", service.key, token_endpoint_auth_method=method, scope=APP_SCOPE
        ) as client:
            return dict(
                await signing(client, service, exp=in_a_minute()).fetch_token(
                    service.at("token"), grant_type="client_credentials"
                )
            )

    assert service.introspected(asyncio.run(asked())["access_token"])["client_id"] == "by-key"
