"""The password grant: off unless an administrator switched it on, and no way round lockout, disabling or MFA."""

import pytest
from sqlalchemy import update
from tests.authorization_server.oauth_service import CONSOLE, claims_of, error_of, response_parts

from roomkey.authorization_server.accounts.service_accounts.commands import ChangeServiceAccount
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.identity.commands import DeleteUser, DisableUser
from roomkey.authorization_server.identity.passwords import TooManySignIns
from roomkey.authorization_server.schema.identity import users as users_table

REFUSED = (400, "invalid_grant")


def test_the_password_grant_is_off_by_default(oauth):  # auth service 21
    oauth.add_user()
    assert error_of(oauth.sign_in(oauth.add_account())) == (400, "unauthorized_client")


def test_the_token_names_the_user_and_the_client(oauth):
    oauth.act(CreateTenant, name="acme")
    alice = oauth.add_user(tenant="acme", roles=("buyer",))
    made = oauth.tokens(oauth.add_app())
    claims = claims_of(made["access_token"])
    assert claims["sub"] == alice.id
    assert claims["username"] == "alice"
    assert claims["client_id"] == "app"
    assert claims["tenant"] == "acme"
    assert claims["roles"] == ["buyer"]
    told_of = oauth.introspect(oauth.api, made["access_token"]).json()
    assert {told_of[name] == claims[name] for name in ("sub", "username", "client_id", "tenant", "roles")} == {True}


def test_whatever_is_wrong_with_a_user_the_response_is_the_same(oauth_on_each_database):  # auth service 9, 21
    app = oauth_on_each_database.add_app()
    for name in ("alice", "disabled", "gone", "second-factor", "unknown-enrolment"):
        oauth_on_each_database.add_user(name, roles=("approver",) if name == "unknown-enrolment" else ())
    oauth_on_each_database.act(DisableUser("disabled"))
    oauth_on_each_database.act(DeleteUser("gone"))
    second_factor(oauth_on_each_database, "second-factor")
    answers = {name: oauth_on_each_database.sign_in(app, name) for name in ("disabled", "gone", "second-factor")}
    answers["must enrol"] = oauth_on_each_database.sign_in(app, "unknown-enrolment")
    answers["nobody"] = oauth_on_each_database.sign_in(app, "nobody")
    answers["wrong"] = oauth_on_each_database.sign_in(app, "alice", "wrong wrong wrong")
    answers["nul"] = oauth_on_each_database.sign_in(app, "ali\x00ce", "a\x00b")
    answers["long"] = oauth_on_each_database.sign_in(app, "a" * 5000, "p" * 20_000)
    assert len({response_parts(answer) for answer in answers.values()}) == 1, {k: v.text for k, v in answers.items()}
    assert error_of(answers["wrong"]) == REFUSED


def second_factor(oauth, name):
    with oauth.service.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(
            update(users_table).where(users_table.c.username == name).values(totp_seed=b"x", totp_confirmed_at=uow.now)
        )


def test_a_user_with_a_second_factor_is_rejected_unless_the_client_allows_it(oauth):  # auth service 21
    oauth.add_user()
    second_factor(oauth, "alice")
    app = oauth.add_app()
    assert error_of(oauth.sign_in(app)) == REFUSED
    oauth.act(ChangeServiceAccount, "app", allows_password_with_mfa=True)
    assert oauth.sign_in(app).status_code == 200
    oauth.act(ChangeServiceAccount, "app", allows_password_with_mfa=False)
    assert error_of(oauth.sign_in(app)) == REFUSED


@pytest.mark.slow
def test_lockout_applies_and_ends_by_itself(oauth, clock):  # auth service 21
    oauth.add_user()
    app = oauth.add_app()
    for _ in range(5):
        assert error_of(oauth.sign_in(app, password="wrong wrong wrong")) == REFUSED
    assert error_of(oauth.sign_in(app)) == REFUSED
    clock.advance(30)
    assert oauth.sign_in(app).status_code == 200


@pytest.mark.parametrize("grants", [("password",), ("password", "refresh_token")])
def test_there_is_a_refresh_token_where_the_client_may_refresh(oauth, grants):
    oauth.add_user()
    app = oauth.add_account("app", grants=grants)
    assert ("refresh_token" in oauth.tokens(app)) == ("refresh_token" in grants)


def test_the_scopes_of_a_user_bound_those_of_the_token(oauth):
    oauth.add_user(scopes=["orders:read"])
    app = oauth.add_app()
    assert error_of(oauth.sign_in(app, scope="orders:read orders:write")) == (400, "invalid_scope")
    assert oauth.tokens(app, scope="orders:read")["scope"] == "orders:read"


def test_a_disabled_user_has_no_valid_token(oauth_on_each_database):  # auth service 9
    oauth_on_each_database.add_user()
    made = oauth_on_each_database.tokens(oauth_on_each_database.add_app())
    assert oauth_on_each_database.active(oauth_on_each_database.api, made["access_token"])
    oauth_on_each_database.act(DisableUser("alice"))
    assert not oauth_on_each_database.active(oauth_on_each_database.api, made["access_token"])


def test_more_sign_ins_than_can_be_checked_are_a_temporary_outage(oauth, monkeypatch):
    """A client that sees a bad request would never try again."""
    app = oauth.add_app()

    async def too_many(*_):
        raise TooManySignIns("Too many passwords wait.")

    monkeypatch.setattr(type(oauth._hashing), "matches_async", too_many)
    answer = oauth.sign_in(app)
    assert error_of(answer) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "2"


@pytest.mark.parametrize("missing", ["username", "password"])
def test_a_missing_parameter_is_named(oauth, missing):
    fields = {"username": "alice", "password": "x", missing: ""}
    answer = oauth.token(oauth.add_app(), "password", **fields)
    assert error_of(answer) == (400, "invalid_request")
    assert missing in answer.json()["error_description"]


def test_the_password_is_in_no_log(oauth, caplog, leaks):
    oauth.add_user()
    caplog.set_level(0)
    oauth.sign_in(oauth.add_app(), password="a secret nobody sees")
    assert "a secret nobody sees" not in caplog.text
