"""Revocation: a client gives up its own tokens, both of a pair, and learns nothing of others'."""

import pytest
from sqlalchemy import select
from tests.authorization_server.oauth_world import CONSOLE, Login, error_of, told

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts import app_tokens
from roomkey.authorization_server.schema.tokens import token_families

REFUSED = (400, "invalid_grant")


@pytest.mark.parametrize("given_up", ["access_token", "refresh_token"])
def test_of_a_pair_the_one_ends_with_the_other(any_world, given_up):  # auth service 19
    any_world.add_user()
    app = any_world.add_app()
    first = any_world.tokens(app)
    second = any_world.refresh(app, first["refresh_token"]).json()
    answer = any_world.revoke(app, second[given_up])
    assert answer.status_code == 200
    assert answer.content == b""
    for one in (first, second):
        assert not any_world.active(any_world.api, one["access_token"])
        assert error_of(any_world.refresh(app, one["refresh_token"])) == REFUSED
    assert any_world.actions().count("token_family.revoked") == 1
    with any_world.service.look(CONSOLE) as uow:
        assert uow.connection.scalar(select(token_families.c.reason)) == "revoked_by_client"


def test_even_the_first_refresh_token_gives_the_family_up(any_world):  # auth service 19
    any_world.add_user()
    app = any_world.add_app()
    first = any_world.tokens(app)
    second = any_world.refresh(app, first["refresh_token"]).json()
    any_world.revoke(app, first["refresh_token"])
    assert not any_world.active(any_world.api, second["access_token"])


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "pat", "\x00"])
def test_a_wrong_hint_ends_the_token_all_the_same(world, hint):  # auth service 19
    world.add_user()
    app = world.add_app()
    for kind in ("access_token", "refresh_token"):
        made = world.tokens(app)
        world.revoke(app, made[kind], token_type_hint=hint)
        assert not world.active(world.api, made["access_token"])


def test_a_foreign_token_stays_and_nothing_is_told(any_world):  # auth service 19
    any_world.add_user()
    app, other = any_world.add_app(), any_world.add_app("other")
    made = any_world.tokens(app)
    unknown = any_world.revoke(other, secret_format.new(secret_format.Kind.REFRESH_TOKEN).value)
    before = any_world.actions()
    for kind in ("access_token", "refresh_token"):
        assert told(any_world.revoke(other, made[kind])) == told(unknown)
        assert told(any_world.revoke(any_world.api, made[kind])) == told(unknown)
    assert unknown.status_code == 200
    assert any_world.active(any_world.api, made["access_token"])
    assert any_world.refresh(app, made["refresh_token"]).status_code == 200
    assert any_world.actions() == before


@pytest.mark.parametrize("token", ["x", "\x00", "é", "..", "a.b.c", "rkrt_" + "0" * 49, "a" * 60_000])
def test_what_is_no_token_is_ended_already(any_world, token):
    assert any_world.revoke(any_world.add_account(), token).status_code == 200


def test_a_token_of_its_own_ends_once(any_world):
    reports = any_world.add_account()
    token = any_world.token(reports).json()["access_token"]
    for _ in range(2):
        assert any_world.revoke(reports, token).status_code == 200
    assert not any_world.active(any_world.api, token)
    assert any_world.actions().count("access_token.revoked") == 1


def test_an_app_token_that_is_given_up_is_given_up_in_the_backoffice_too(world):
    reports = world.add_account()
    made = world.act(
        app_tokens.create, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=3600
    )
    world.revoke(reports, made.minted.value)
    assert not world.active(world.api, made.minted.value)
    assert world.act(app_tokens.get, made.app_token.id).revoked_at == int(world.service.clock.wall())


def test_a_public_client_gives_its_token_up_by_its_name(world):
    world.add_account("phone", grants=["refresh_token"], authentication="none")
    fields = {"client_id": "phone", "token": secret_format.new(secret_format.Kind.REFRESH_TOKEN).value}
    assert world.post("/oauth2/revoke", fields).status_code == 200


def test_a_stranger_ends_nothing(world):
    reports = world.add_account()
    token = world.token(reports).json()["access_token"]
    assert error_of(world.revoke(Login("reports", "wrong"), token)) == (401, "invalid_client")
    assert error_of(world.post("/oauth2/revoke", {"token": token})) == (401, "invalid_client")
    assert error_of(world.revoke(reports, "")) == (400, "invalid_request")
    assert world.active(world.api, token)
