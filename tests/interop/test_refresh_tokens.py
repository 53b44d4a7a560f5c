"""A user's sign-in at a certified OpenID server that rotates refresh tokens and rejects used ones."""

import shutil
from pathlib import Path

import pytest
from tests.interop.oidc_provider import OPAQUE_ORDERS, Client, OIDCProvider
from tests.interop.sources import Sources

import roomkey


def test_each_refresh_spends_the_refresh_token_of_the_one_before(
    oidc_provider: OIDCProvider, manager: roomkey.TokenManager, client: Client, sources: Sources
) -> None:  # client 32
    user = manager.credential(sources.user())
    tokens = [user.token(), user.refresh(), user.refresh(), user.refresh()]
    assert len({token.value for token in tokens}) == 4
    assert {token.claims_unverified["sub"] for token in tokens} == {"alice"}
    assert {token.claims_unverified["client_id"] for token in tokens} == {client.client_id}
    assert {token.claims_unverified["aud"] for token in tokens} == {"orders-api"}
    assert oidc_provider.grants(client) == ["password", "refresh_token", "refresh_token", "refresh_token"]


def test_a_refresh_token_from_a_restored_backup_is_rejected_and_a_new_sign_in_follows(
    oidc_provider: OIDCProvider, client: Client, sources: Sources, tmp_path: Path
) -> None:  # client 34
    source, here, backup = sources.user(resource=OPAQUE_ORDERS), tmp_path / "here", tmp_path / "backup"
    with roomkey.TokenManager(roomkey.SQLiteStore(here / "tokens.db")) as manager:
        manager.credential(source).token()
    shutil.copytree(here, backup)
    with roomkey.TokenManager(roomkey.SQLiteStore(here / "tokens.db")) as manager:
        revoked = manager.credential(source).refresh()
    with roomkey.TokenManager(roomkey.SQLiteStore(backup / "tokens.db")) as manager:
        token = manager.credential(source).refresh()
    assert oidc_provider.grants(client) == ["password", "refresh_token", "refresh_token invalid_grant", "password"]
    # RFC 9700, 4.14.2: the server takes the replay for theft and ends the sign-in that it belongs to, and only that.
    assert oidc_provider.introspect(client, revoked.value) == {"active": False}
    assert oidc_provider.introspect(client, token.value)["active"]


def test_a_deleted_user_causes_one_request_and_login_required(
    oidc_provider: OIDCProvider, manager: roomkey.TokenManager, client: Client, sources: Sources
) -> None:  # client 34
    user = manager.credential(sources.user())
    user.reject(user.token())
    oidc_provider.remove_user("alice")
    for _ in range(5):
        with pytest.raises(roomkey.LoginRequired) as caught:
            user.header()
        assert caught.value.reason == "invalid_grant"
    assert oidc_provider.grants(client) == ["password", "refresh_token invalid_grant", "password invalid_grant"]
