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
from tests.authorization_server.interop.front_desk import BACK, FrontDesk
from tests.authorization_server.oauth_world import PASSWORD, Login

APP_SCOPE = "orders:read"
WELL_KNOWN = ["oauth-authorization-server", "openid-configuration"]


def session(desk: FrontDesk, login: Login, **settings: Any) -> OAuth2Session:
    chosen = {"token_endpoint": desk.at("token"), "scope": APP_SCOPE} | settings
    return OAuth2Session(login.client_id, login.secret or None, **chosen)


def signing(client: Any, desk: FrontDesk, **claims: int) -> Any:
    """``client``, which proves itself by a JWT of its key; Authlib takes one ``jti`` for all that it signs this way."""
    client.register_client_auth_method(PrivateKeyJWT(desk.at("token"), claims=claims or None, alg="ES256"))
    return client


def in_a_minute() -> int:
    return int(time.time()) + 60


@pytest.mark.parametrize("name", WELL_KNOWN)
def test_the_metadata_is_right_and_promises_no_id_token(
    desk: FrontDesk, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AUTHLIB_INSECURE_TRANSPORT", "1")
    found = rfc8414.AuthorizationServerMetadata(httpx2.get(f"{desk.issuer}/.well-known/{name}").json())
    found.validate(metadata_classes=[rfc9207.AuthorizationServerMetadata, rfc9101.AuthorizationServerMetadata])
    assert found["issuer"] == desk.issuer
    assert not {"userinfo_endpoint", "claims_supported"} & found.keys()
    assert [member for member in found if "id_token" in member] == []


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_an_app_proves_itself_by_its_secret(desk: FrontDesk, method: str) -> None:
    login = desk.by_post if method == "client_secret_post" else desk.by_basic
    with session(desk, login, token_endpoint_auth_method=method) as client:
        token = client.fetch_token(desk.at("token"), grant_type="client_credentials", resource="orders-api")
    assert (token["token_type"], token["scope"], token["expires_in"]) == ("Bearer", APP_SCOPE, 300)
    assert "refresh_token" not in token
    assert desk.introspected(token["access_token"])["client_id"] == login.client_id


def test_an_app_that_proves_itself_in_another_way_is_told_so(desk: FrontDesk) -> None:
    with (
        session(desk, desk.by_post, token_endpoint_auth_method="client_secret_basic") as client,
        pytest.raises(OAuthError, match="invalid_client"),
    ):
        client.fetch_token(desk.at("token"), grant_type="client_credentials")


def test_an_app_proves_itself_by_its_key_once_with_each_assertion(desk: FrontDesk) -> None:  # auth service 5
    asked = {"url": desk.at("token"), "grant_type": "client_credentials"}
    with OAuth2Session("by-key", desk.key, token_endpoint_auth_method="private_key_jwt", scope=APP_SCOPE) as client:
        token = signing(client, desk, exp=in_a_minute()).fetch_token(**asked)
        assert desk.introspected(token["access_token"])["client_id"] == "by-key"
        with pytest.raises(OAuthError, match="invalid_client"):
            client.fetch_token(**asked)
        signing(client, desk, exp=in_a_minute()).fetch_token(**asked)


def test_an_assertion_that_is_good_for_an_hour_is_refused(desk: FrontDesk) -> None:  # auth service 5
    method = "private_key_jwt"  # whose assertions Authlib makes that long where nobody says otherwise
    with (
        OAuth2Session("by-key", desk.key, token_endpoint_auth_method=method) as client,
        pytest.raises(OAuthError, match="invalid_client"),
    ):
        signing(client, desk).fetch_token(desk.at("token"), grant_type="client_credentials")


def test_a_person_signs_in_and_the_token_is_refreshed_introspected_and_revoked(desk: FrontDesk) -> None:
    with session(desk, desk.by_basic) as client:
        first = dict(client.fetch_token(desk.at("token"), username="alice", password=PASSWORD, resource="orders-api"))
        assert desk.introspected(first["access_token"])["username"] == "alice"
        second = dict(client.refresh_token(desk.at("token")))
        assert second["refresh_token"] != first["refresh_token"]
        assert second["access_token"] != first["access_token"]
        with session(desk, desk.api) as api:
            told = api.introspect_token(desk.at("introspect"), token=second["access_token"]).json()
            assert (told["active"], told["scope"], told["aud"]) == (True, APP_SCOPE, "orders-api")
            gone = client.revoke_token(desk.at("revoke"), second["refresh_token"], token_type_hint="refresh_token")
            assert (gone.status_code, gone.content) == (200, b"")
            told = api.introspect_token(desk.at("introspect"), token=second["access_token"]).json()
            assert told == {"active": False}
        with pytest.raises(OAuthError, match="invalid_grant"):
            client.refresh_token(desk.at("token"), second["refresh_token"])


def test_a_wrong_password_is_an_invalid_grant(desk: FrontDesk) -> None:
    with session(desk, desk.by_basic) as client, pytest.raises(OAuthError, match="invalid_grant"):
        client.fetch_token(desk.at("token"), username="alice", password="another", resource="orders-api")


def test_a_client_that_finds_its_token_old_refreshes_it_by_itself(desk: FrontDesk) -> None:
    renewed: list[str] = []
    with session(desk, desk.by_basic, update_token=lambda token, **_: renewed.append(token["access_token"])) as client:
        token = client.fetch_token(desk.at("token"), username="alice", password=PASSWORD, resource="orders-api")
        client.token = token | {"expires_at": int(time.time()) - 1}
        sent = client.get(desk.at("jwks")).request.headers["Authorization"]
    assert sent == f"Bearer {renewed[0]}"
    assert len(renewed) == 1
    assert desk.introspected(renewed[0])["active"]


@pytest.mark.parametrize("app", ["phone", "site"])
def test_a_person_allows_an_app_by_way_of_their_browser(desk: FrontDesk, app: str) -> None:
    login: Login = getattr(desk, app)
    verifier = generate_token(48)
    with session(desk, login, redirect_uri=BACK, code_challenge_method="S256") as client:
        address, state = client.create_authorization_url(desk.at("authorize"), code_verifier=verifier)
        back = desk.allowed(address)
        token = client.fetch_token(
            desk.at("token"), authorization_response=back, state=state, code_verifier=verifier, redirect_uri=BACK
        )
        told = desk.introspected(token["access_token"])
        assert (told["username"], told["client_id"], told["scope"]) == ("alice", app, APP_SCOPE)
        assert client.refresh_token(desk.at("token"))["refresh_token"] != token["refresh_token"]


def test_the_asynchronous_client_gets_refreshes_introspects_and_revokes(desk: FrontDesk) -> None:
    async def whole_life() -> None:
        named = {"token_endpoint": desk.at("token"), "scope": APP_SCOPE}
        async with (
            AsyncOAuth2Client(desk.by_basic.client_id, desk.by_basic.secret, **named) as client,
            AsyncOAuth2Client(desk.api.client_id, desk.api.secret) as api,
        ):
            first = dict(await client.fetch_token(username="alice", password=PASSWORD, resource="orders-api"))
            second = dict(await client.refresh_token())
            assert second["refresh_token"] != first["refresh_token"]
            told = await api.introspect_token(desk.at("introspect"), token=second["access_token"])
            assert told.json()["username"] == "alice"
            await client.revoke_token(desk.at("revoke"), token=second["access_token"])
            told = await api.introspect_token(desk.at("introspect"), token=second["access_token"])
            assert told.json() == {"active": False}
            with pytest.raises(OAuthError, match="invalid_grant"):
                await client.refresh_token(refresh_token=second["refresh_token"])

    asyncio.run(whole_life())


def test_the_asynchronous_client_proves_itself_by_its_key(desk: FrontDesk) -> None:
    async def asked() -> dict[str, Any]:
        method = "private_key_jwt"
        async with AsyncOAuth2Client("by-key", desk.key, token_endpoint_auth_method=method, scope=APP_SCOPE) as client:
            return dict(
                await signing(client, desk, exp=in_a_minute()).fetch_token(
                    desk.at("token"), grant_type="client_credentials"
                )
            )

    assert desk.introspected(asyncio.run(asked())["access_token"])["client_id"] == "by-key"
