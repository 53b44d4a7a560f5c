"""Revocation: a client gives up its own tokens, both of a pair, and learns nothing of others'."""

import pytest
from sqlalchemy import select
from tests.authorization_server.oauth_service import CONSOLE, Login, error_of, response_parts

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, GetAppToken
from roomkey.authorization_server.schema.tokens import token_families

REFUSED = (400, "invalid_grant")


@pytest.mark.parametrize("given_up", ["access_token", "refresh_token"])
def test_of_a_pair_the_one_ends_with_the_other(oauth_on_each_database, given_up):  # auth service 19
    oauth_on_each_database.add_user()
    app = oauth_on_each_database.add_app()
    first = oauth_on_each_database.tokens(app)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    answer = oauth_on_each_database.revoke(app, second[given_up])
    assert answer.status_code == 200
    assert answer.content == b""
    for one in (first, second):
        assert not oauth_on_each_database.active(oauth_on_each_database.api, one["access_token"])
        assert error_of(oauth_on_each_database.refresh(app, one["refresh_token"])) == REFUSED
    assert oauth_on_each_database.actions().count("token_family.revoked") == 1
    with oauth_on_each_database.service.look(CONSOLE) as uow:
        assert uow.connection.scalar(select(token_families.c.reason)) == "revoked_by_client"


def test_even_the_first_refresh_token_gives_the_family_up(oauth_on_each_database):  # auth service 19
    oauth_on_each_database.add_user()
    app = oauth_on_each_database.add_app()
    first = oauth_on_each_database.tokens(app)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    oauth_on_each_database.revoke(app, first["refresh_token"])
    assert not oauth_on_each_database.active(oauth_on_each_database.api, second["access_token"])


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "pat", "\x00"])
def test_a_wrong_hint_ends_the_token_all_the_same(oauth, hint):  # auth service 19
    oauth.add_user()
    app = oauth.add_app()
    for kind in ("access_token", "refresh_token"):
        made = oauth.tokens(app)
        oauth.revoke(app, made[kind], token_type_hint=hint)
        assert not oauth.active(oauth.api, made["access_token"])


def test_a_foreign_token_stays_and_nothing_is_told(oauth_on_each_database):  # auth service 19
    oauth_on_each_database.add_user()
    app, other = oauth_on_each_database.add_app(), oauth_on_each_database.add_app("other")
    made = oauth_on_each_database.tokens(app)
    unknown = oauth_on_each_database.revoke(
        other, secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN).value
    )
    before = oauth_on_each_database.actions()
    for kind in ("access_token", "refresh_token"):
        assert response_parts(oauth_on_each_database.revoke(other, made[kind])) == response_parts(unknown)
        assert response_parts(oauth_on_each_database.revoke(oauth_on_each_database.api, made[kind])) == response_parts(
            unknown
        )
    assert unknown.status_code == 200
    assert oauth_on_each_database.active(oauth_on_each_database.api, made["access_token"])
    assert oauth_on_each_database.refresh(app, made["refresh_token"]).status_code == 200
    assert oauth_on_each_database.actions() == before


@pytest.mark.parametrize("token", ["x", "\x00", "é", "..", "a.b.c", "rkrt_" + "0" * 49, "a" * 60_000])
def test_what_is_no_token_is_ended_already(oauth_on_each_database, token):
    assert oauth_on_each_database.revoke(oauth_on_each_database.add_account(), token).status_code == 200


def test_a_token_of_its_own_ends_once(oauth_on_each_database):
    reports = oauth_on_each_database.add_account()
    token = oauth_on_each_database.token(reports).json()["access_token"]
    for _ in range(2):
        assert oauth_on_each_database.revoke(reports, token).status_code == 200
    assert not oauth_on_each_database.active(oauth_on_each_database.api, token)
    assert oauth_on_each_database.actions().count("access_token.revoked") == 1


def test_an_app_token_that_is_given_up_is_given_up_in_the_backoffice_too(oauth):
    reports = oauth.add_account()
    made = oauth.act(CreateAppToken, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=3600)
    oauth.revoke(reports, made.token.reveal())
    assert not oauth.active(oauth.api, made.token.reveal())
    assert oauth.act(GetAppToken, made.app_token.id).revoked_at == int(oauth.service.clock.wall())


def test_a_public_client_gives_its_token_up_by_its_name(oauth):
    oauth.add_account("phone", grants=["refresh_token"], authentication="none")
    fields = {
        "client_id": "phone",
        "token": secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN).value,
    }
    assert oauth.post("/oauth2/revoke", fields).status_code == 200


def test_a_stranger_ends_nothing(oauth):
    reports = oauth.add_account()
    token = oauth.token(reports).json()["access_token"]
    assert error_of(oauth.revoke(Login("reports", "wrong"), token)) == (401, "invalid_client")
    assert error_of(oauth.post("/oauth2/revoke", {"token": token})) == (401, "invalid_client")
    assert error_of(oauth.revoke(reports, "")) == (400, "invalid_request")
    assert oauth.active(oauth.api, token)
