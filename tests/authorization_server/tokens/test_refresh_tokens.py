"""Revoking a family costs two statements by an index, and no token that is issued meanwhile escapes."""

import threading
import time

import pytest
from sqlalchemy import insert, select, text, update
from tests.authorization_server.oauth_service import CONSOLE, Login, OAuthService, error_of

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.service_accounts.commands import DisableServiceAccount
from roomkey.authorization_server.clients.client_cache import StaleConfig, require_config_version
from roomkey.authorization_server.identity.commands import DeleteUser, DisableUser
from roomkey.authorization_server.schema.identity import users as users_table
from roomkey.authorization_server.schema.tokens import access_tokens, refresh_tokens, token_families
from roomkey.authorization_server.tokens.issue import TokenGrant, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.tokens.refresh_tokens import consume, find_refresh_token
from roomkey.authorization_server.tokens.revocation import revoke_family
from roomkey.authorization_server.unit_of_work import config_version


def family_of(oauth: OAuthService) -> str:
    with oauth.service.look(CONSOLE) as uow:
        return uow.connection.scalar(select(token_families.c.id))


@pytest.mark.slow
def test_a_family_of_ten_thousand_tokens_is_revoked_in_two_statements_by_an_index(oauth):  # auth service 16
    oauth.add_user()
    app = oauth.add_app()
    made = oauth.tokens(app)
    family = family_of(oauth)
    with oauth.service.unit_of_work(CONSOLE) as uow:
        row = uow.connection.execute(select(access_tokens)).mappings().first()
        for number in range(10_000):
            values = dict(row) | {"digest": number.to_bytes(32), "jti": str(number)}
            uow.connection.execute(insert(access_tokens), values)
    with oauth.statements() as seen:
        begun = time.process_time()
        assert oauth.revoke(app, made["refresh_token"]).status_code == 200
        took = time.process_time() - begun
        updates = [one for one in seen if one.startswith("UPDATE")]
    assert len([one for one in updates if "access_tokens" in one]) == 1
    assert len([one for one in updates if "token_families" in one]) == 1
    assert took < 5.0
    with oauth.service.look(CONSOLE) as uow:
        live = select(access_tokens.c.jti).where(
            access_tokens.c.family_id == family, access_tokens.c.revoked_at.is_(None)
        )
        assert uow.connection.execute(live).all() == []
        for statement in updates:
            plan = " ".join(row[3] for row in uow.connection.execute(text("EXPLAIN QUERY PLAN " + statement)))
            assert "SEARCH" in plan, plan
            assert "SCAN" not in plan, plan


def new_token(uow, **values):
    grant = TokenGrant(**{"client_id": "app", "audience": "orders-api", "scope": ("orders:read",)} | values)
    return create_access_token(grant, issuer="https://auth.example", now=uow.now, lifetime=300, signer=None)


def meanwhile(oauth: OAuthService, act):
    """``act`` in a transaction of its own, in another thread, which may have to wait."""
    done = threading.Event()

    def run():
        oauth.act(act)
        done.set()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, done


@pytest.mark.parametrize("ending", ["family", "account", "user"])
def test_a_token_that_is_issued_during_a_bulk_revocation_is_revoked_too(oauth_on_each_database, ending):
    """On PostgreSQL two transactions run side by side, and neither sees what the other has not committed."""
    alice = oauth_on_each_database.add_user()
    app: Login = oauth_on_each_database.add_app()
    made = oauth_on_each_database.tokens(app)
    family = family_of(oauth_on_each_database)
    digest = secret_format.digest_of(made["refresh_token"])
    act = {
        "family": lambda uow: revoke_family(uow, family, reason="test"),
        "account": DisableServiceAccount("app"),
        "user": DisableUser("alice"),
    }[ending]
    with oauth_on_each_database.service.unit_of_work(CONSOLE) as uow:
        require_config_version(uow.connection, config_version(uow.connection))
        token = new_token(uow, user_id=alice.id, family_id=family)
        if ending == "family":
            presented = find_refresh_token(uow.connection, digest)
            new = secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN)
            assert consume(uow, digest, presented, new, scope=("orders:read",), answer=b"")
        thread, done = meanwhile(oauth_on_each_database, act)
        assert not done.wait(0.3)
        record_tokens(uow.connection, token)
    thread.join(10)
    assert done.is_set()
    assert not oauth_on_each_database.active(oauth_on_each_database.api, token.value)
    expected = (401, "invalid_client") if ending == "account" else (400, "invalid_grant")
    assert error_of(oauth_on_each_database.refresh(app, made["refresh_token"])) == expected


def test_issuing_after_a_revocation_sees_a_new_config_version(oauth_on_each_database):
    oauth_on_each_database.add_user()
    app = oauth_on_each_database.add_app()
    oauth_on_each_database.tokens(app)
    with oauth_on_each_database.service.look(CONSOLE) as uow:
        before = config_version(uow.connection)
    oauth_on_each_database.act(DisableUser("alice"))
    with oauth_on_each_database.service.unit_of_work(CONSOLE) as uow, pytest.raises(StaleConfig):
        require_config_version(uow.connection, before)


def test_a_revoked_family_has_no_successor(oauth_on_each_database):
    oauth_on_each_database.add_user()
    made = oauth_on_each_database.tokens(oauth_on_each_database.add_app())
    digest = secret_format.digest_of(made["refresh_token"])
    with oauth_on_each_database.service.look(CONSOLE) as uow:
        presented = find_refresh_token(uow.connection, digest)
    oauth_on_each_database.act(revoke_family, presented.family_id, reason="test")
    new = secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN)
    assert not oauth_on_each_database.act(consume, digest, presented, new, scope=(), answer=b"")
    with oauth_on_each_database.service.look(CONSOLE) as uow:
        assert len(uow.connection.execute(select(refresh_tokens.c.digest)).all()) == 1


@pytest.mark.parametrize("ending", [DisableUser, DeleteUser])
def test_a_sign_in_and_the_revocation_of_its_user_never_deadlock(oauth_on_each_database, ending):
    """The sign-in holds the user's row before it issues, as ``password_login`` does."""
    alice = oauth_on_each_database.add_user()
    app = oauth_on_each_database.add_app()
    oauth_on_each_database.tokens(app)
    with oauth_on_each_database.service.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(update(users_table).where(users_table.c.id == alice.id).values(last_seen_at=uow.now))
        thread, done = meanwhile(oauth_on_each_database, ending("alice"))
        assert not done.wait(0.3)
        require_config_version(uow.connection, config_version(uow.connection))
        token = new_token(uow, user_id=alice.id)
        record_tokens(uow.connection, token)
    thread.join(10)
    assert done.is_set()
    assert not oauth_on_each_database.active(oauth_on_each_database.api, token.value)
