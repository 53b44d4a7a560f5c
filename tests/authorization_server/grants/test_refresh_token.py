"""The refresh token grant: one successor for any number of requests, expiry, and reuse that revokes the family."""

import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import httpx2
import pytest
from sqlalchemy import func, select, update
from tests.authorization_server.oauth_service import (
    CONSOLE,
    Login,
    Node,
    OAuthService,
    both,
    claims_of,
    error_of,
    response_parts,
    second_node,
)
from tests.authorization_server.running_service import running_service

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, DisableApi
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    RotateAccountSecret,
)
from roomkey.authorization_server.identity.commands import ChangeUser, DeleteUser, DisableUser, EnableUser
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.schema.tokens import refresh_tokens, token_families
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.refresh_tokens import RefreshTokenStatus, StoredRefreshToken, encrypt_response

REFUSED = (400, "invalid_grant")
DAY = 86_400


@pytest.fixture
def app(oauth_on_each_database: OAuthService) -> Login:
    oauth_on_each_database.add_user()
    return oauth_on_each_database.add_app()


@pytest.fixture
def small_app(oauth: OAuthService) -> Login:
    oauth.add_user()
    return oauth.add_app()


def tokens_in(service: Service) -> int:
    with service.look(CONSOLE) as uow:
        return uow.connection.scalar(select(func.count()).select_from(refresh_tokens)) or 0


@pytest.mark.parametrize("count", [16, 32])
def test_many_refreshes_at_once_have_one_successor_and_one_response(
    oauth_on_each_database, app, count
):  # auth service 10
    first = oauth_on_each_database.tokens(app)
    answers = oauth_on_each_database.together(
        count, app, grant_type="refresh_token", refresh_token=first["refresh_token"]
    )
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert tokens_in(oauth_on_each_database.service) == 2
    assert oauth_on_each_database.refresh(app, answers[0].json()["refresh_token"]).status_code == 200


@pytest.mark.parametrize("count", [16, 32])
def test_many_refreshes_at_once_on_two_nodes_have_one_successor(oauth_on_each_database, app, count):  # auth service 10
    first = oauth_on_each_database.tokens(app)
    fields = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    with second_node(oauth_on_each_database.service) as other:
        sets = oauth_on_each_database.run(
            both(*(node.all_of(count // 2, app, **fields) for node in (oauth_on_each_database, other)))
        )
    answers = [answer for answers in sets for answer in answers]
    assert [answer.status_code for answer in answers] == [200] * count
    assert len({answer.content for answer in answers}) == 1
    assert tokens_in(oauth_on_each_database.service) == 2


@pytest.mark.slow
def test_many_refreshes_at_once_over_http(tmp_path, clock):  # auth service 10
    with running_service(tmp_path / "data", clock) as service, OAuthService(service) as oauth:
        oauth.api = oauth.add_api()
        oauth.add_user()
        app = oauth.add_app()
        fields = {"grant_type": "refresh_token", "refresh_token": oauth.tokens(app)["refresh_token"]}

        def send(_: int) -> httpx2.Response:
            return httpx2.post(service.settings.issuer + "/oauth2/token", data=fields, headers=app.basic)

        with ThreadPoolExecutor(32) as pool:
            answers = list(pool.map(send, range(32)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1


def test_the_same_response_is_repeated_until_the_grace_time_ends(
    oauth_on_each_database, app, clock
):  # auth service 10, 60
    first = oauth_on_each_database.tokens(app)
    answer = oauth_on_each_database.refresh(app, first["refresh_token"])
    clock.advance(29)
    assert oauth_on_each_database.refresh(app, first["refresh_token"]).content == answer.content
    clock.advance(1)
    assert error_of(oauth_on_each_database.refresh(app, first["refresh_token"])) == REFUSED


@pytest.mark.parametrize("step", [-29, 29])
def test_the_grace_time_holds_on_a_node_with_another_clock(oauth_on_each_database, app, clock, step):
    first = oauth_on_each_database.tokens(app)
    answer = oauth_on_each_database.refresh(app, first["refresh_token"])
    clock.step_wall(step)
    assert oauth_on_each_database.refresh(app, first["refresh_token"]).content == answer.content


def test_the_same_response_is_repeated_after_the_keys_have_changed(oauth, small_app):
    """The response is encrypted with the refresh token, not with the keyring, and signed once."""
    first = oauth.tokens(small_app)
    answer = oauth.refresh(small_app, first["refresh_token"])
    oauth.act(rotate, now=True)
    oauth.act(rotate, now=True)
    assert oauth.refresh(small_app, first["refresh_token"]).content == answer.content


def test_reuse_after_the_grace_time_revokes_the_family_and_its_access_tokens(
    oauth_on_each_database, app, clock, caplog
):  # auth service 11
    first = oauth_on_each_database.tokens(app)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    third = oauth_on_each_database.refresh(app, second["refresh_token"]).json()
    clock.advance(31)
    with caplog.at_level(logging.WARNING, "roomkey.authorization_server"):
        assert error_of(oauth_on_each_database.refresh(app, first["refresh_token"])) == REFUSED
    assert "used a second time" in caplog.text
    assert first["refresh_token"] not in caplog.text
    for one in (first, second, third):
        assert not oauth_on_each_database.active(oauth_on_each_database.api, one["access_token"])
        assert error_of(oauth_on_each_database.refresh(app, one["refresh_token"])) == REFUSED
    assert oauth_on_each_database.actions().count("refresh_token.reused") == 1


def test_reuse_is_detected_after_a_restart(tmp_path, clock):  # auth service 11
    data = tmp_path / "data"
    with running_service(data, clock) as service, OAuthService(service) as oauth:
        oauth.api = oauth.add_api()
        oauth.add_user()
        app, api = oauth.add_app(), oauth.api
        first = oauth.tokens(app)
        second = oauth.refresh(app, first["refresh_token"]).json()
    clock.advance(31)
    with running_service(data, clock) as service, Node(service) as node:
        assert error_of(node.refresh(app, first["refresh_token"])) == REFUSED
        assert not node.active(api, second["access_token"])
        assert error_of(node.refresh(app, second["refresh_token"])) == REFUSED


def test_a_revoked_token_is_invalid_within_the_grace_time(oauth_on_each_database, app):  # auth service 12
    first = oauth_on_each_database.tokens(app)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    assert oauth_on_each_database.revoke(app, second["refresh_token"]).status_code == 200
    for one in (first, second):
        assert error_of(oauth_on_each_database.refresh(app, one["refresh_token"])) == REFUSED


def test_a_grandparent_within_the_grace_time_revokes_the_family(oauth_on_each_database, app):  # auth service 12
    first = oauth_on_each_database.tokens(app)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    third = oauth_on_each_database.refresh(app, second["refresh_token"]).json()
    assert error_of(oauth_on_each_database.refresh(app, first["refresh_token"])) == REFUSED
    assert error_of(oauth_on_each_database.refresh(app, third["refresh_token"])) == REFUSED
    assert not oauth_on_each_database.active(oauth_on_each_database.api, third["access_token"])


def test_another_client_gets_nothing_and_revokes_nothing(oauth_on_each_database, app, clock):  # auth service 13
    other = oauth_on_each_database.add_app("other")
    first = oauth_on_each_database.tokens(app)
    unknown = oauth_on_each_database.refresh(
        other, secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN).value
    )
    assert response_parts(oauth_on_each_database.refresh(other, first["refresh_token"])) == response_parts(unknown)
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    for seconds in (0, 31):
        clock.advance(seconds)
        assert response_parts(oauth_on_each_database.refresh(other, first["refresh_token"])) == response_parts(unknown)
    assert oauth_on_each_database.active(oauth_on_each_database.api, second["access_token"])
    assert oauth_on_each_database.refresh(app, second["refresh_token"]).status_code == 200


def test_a_refresh_narrows_the_access_token_and_never_widens(oauth_on_each_database, app):  # auth service 14
    first = oauth_on_each_database.tokens(app, scope="orders:read orders:write")
    second = oauth_on_each_database.refresh(app, first["refresh_token"], scope="orders:read").json()
    assert second["scope"] == "orders:read" == claims_of(second["access_token"])["scope"]
    third = oauth_on_each_database.refresh(app, second["refresh_token"]).json()
    assert third["scope"] == "orders:read orders:write"  # RFC 6749 section 6: the refresh token's own is the same
    narrow = oauth_on_each_database.tokens(app, scope="orders:read")
    for scope in ("orders:write", "orders:read orders:write", "unknown"):
        assert error_of(oauth_on_each_database.refresh(app, narrow["refresh_token"], scope=scope)) == (
            400,
            "invalid_scope",
        )
    assert oauth_on_each_database.refresh(app, narrow["refresh_token"]).json()["scope"] == "orders:read"


def test_audience_and_tenant_cannot_be_changed_by_a_refresh(oauth, small_app):  # auth service 14
    oauth.add_api("billing-api", "orders:read")
    both_apis = [Access("orders-api", ("orders:read",)), Access("billing-api", ("orders:read",))]
    oauth.act(ChangeServiceAccount, "app", apis=both_apis)
    first = oauth.tokens(small_app, resource="orders-api", scope="orders:read")
    fields = {"resource": "billing-api", "audience": "billing-api", "tenant": "acme", "sub": "root"}
    claims = claims_of(oauth.refresh(small_app, first["refresh_token"], **fields).json()["access_token"])
    assert claims["aud"] == "orders-api"
    assert "tenant" not in claims
    assert claims["sub"] == claims_of(first["access_token"])["sub"]


@pytest.mark.parametrize("loser", ["client", "api", "user"])
def test_scopes_that_were_taken_away_are_gone_at_the_next_refresh(
    oauth_on_each_database, app, loser
):  # auth service 14
    first = oauth_on_each_database.tokens(app, scope="orders:read orders:write")
    if loser == "client":
        oauth_on_each_database.act(ChangeServiceAccount, "app", apis=[Access("orders-api", ("orders:read",))])
    elif loser == "api":
        oauth_on_each_database.act(ChangeApi, "orders-api", remove_scopes=["orders:write"])
    else:
        oauth_on_each_database.act(ChangeUser("alice", scopes=["orders:read"]))
    second = oauth_on_each_database.refresh(app, first["refresh_token"]).json()
    assert second["scope"] == claims_of(second["access_token"])["scope"] == "orders:read"
    if loser == "client":
        everything = [Access("orders-api", ("orders:read", "orders:write"))]
        oauth_on_each_database.act(ChangeServiceAccount, "app", apis=everything)
        assert oauth_on_each_database.refresh(app, second["refresh_token"]).json()["scope"] == "orders:read"


@pytest.mark.parametrize("lost", ["access", "api", "user", "gone", "grant", "account"])
def test_a_client_or_user_that_lost_access_gets_no_token_by_refreshing(
    oauth_on_each_database, app, lost
):  # auth service 9
    first = oauth_on_each_database.tokens(app)
    assert oauth_on_each_database.refresh(app, first["refresh_token"]).status_code == 200
    second = oauth_on_each_database.tokens(app)
    match lost:
        case "access":
            oauth_on_each_database.act(ChangeServiceAccount, "app", apis=[])
        case "api":
            oauth_on_each_database.act(DisableApi, "orders-api")
        case "user":
            oauth_on_each_database.act(DisableUser("alice"))
        case "gone":
            oauth_on_each_database.act(DeleteUser("alice"))
        case "grant":
            oauth_on_each_database.act(ChangeServiceAccount, "app", grants=["client_credentials"])
        case "account":
            oauth_on_each_database.act(DisableServiceAccount, "app")
    expected = {"grant": (400, "unauthorized_client"), "account": (401, "invalid_client")}.get(lost, REFUSED)
    assert error_of(oauth_on_each_database.refresh(app, second["refresh_token"])) == expected


def test_a_user_who_is_enabled_again_has_no_old_tokens(oauth_on_each_database, app):  # auth service 9
    first = oauth_on_each_database.tokens(app)
    oauth_on_each_database.act(DisableUser("alice"))
    oauth_on_each_database.act(EnableUser("alice"))
    assert error_of(oauth_on_each_database.refresh(app, first["refresh_token"])) == REFUSED


def test_the_idle_expiry_comes_on_its_second(oauth_on_each_database, app, clock):  # auth service 15, 60
    first, second = oauth_on_each_database.tokens(app), oauth_on_each_database.tokens(app)
    clock.advance(14 * DAY - 1)
    assert oauth_on_each_database.refresh(app, first["refresh_token"]).status_code == 200
    clock.advance(1)
    assert error_of(oauth_on_each_database.refresh(app, second["refresh_token"])) == REFUSED


def test_the_absolute_expiry_comes_however_often_the_client_refreshes(
    oauth_on_each_database, app, clock
):  # auth service 15, 60
    token = oauth_on_each_database.tokens(app)["refresh_token"]
    for _ in range(8):
        clock.advance(11 * DAY)
        token = oauth_on_each_database.refresh(app, token).json()["refresh_token"]
    clock.advance(2 * DAY - 1)
    answer = oauth_on_each_database.refresh(app, token)
    assert answer.status_code == 200
    clock.advance(1)
    assert error_of(oauth_on_each_database.refresh(app, token)) == REFUSED  # not even the same answer again
    assert error_of(oauth_on_each_database.refresh(app, answer.json()["refresh_token"])) == REFUSED
    with oauth_on_each_database.service.look(CONSOLE) as uow:  # no cleaner did this
        assert uow.connection.scalar(select(func.count()).select_from(token_families)) == 1


def test_auth_time_and_acr_stay_the_same_at_every_refresh(oauth, small_app, clock):
    """RFC 9068 section 2.2.1: these claims stay as they are."""
    first = oauth.tokens(small_app)
    signed_in = claims_of(first["access_token"])["auth_time"]
    clock.advance(100)
    second = oauth.refresh(small_app, first["refresh_token"]).json()
    assert claims_of(second["access_token"])["auth_time"] == signed_in
    assert oauth.introspect(oauth.api, second["access_token"]).json()["auth_time"] == signed_in


@pytest.mark.parametrize("token", ["", "x", "rkrt_", "\x00", "rkat_" + "a" * 49, "rkrt_" + "é" * 49, "a" * 60_000])
def test_a_malformed_refresh_token_costs_no_query(oauth, small_app, token):
    oauth.token(small_app)
    with oauth.statements() as seen:
        answer = oauth.refresh(small_app, token)
        assert error_of(answer) in (REFUSED, (400, "invalid_request"))
        assert seen == []


def test_a_rotated_client_secret_gets_no_repeated_response(oauth, small_app):
    """This node has cached the old account; what it reads with the token shows that it is outdated."""
    first = oauth.tokens(small_app)
    assert oauth.refresh(small_app, first["refresh_token"]).status_code == 200
    with second_node(oauth.service) as other, other.service.unit_of_work(CONSOLE) as uow:
        RotateAccountSecret("app", overlap=0)(uow)
    assert error_of(oauth.refresh(small_app, first["refresh_token"])) == (401, "invalid_client")


def test_a_damaged_stored_response_is_rejected_and_issues_nothing(oauth, small_app):
    first = oauth.tokens(small_app)
    oauth.refresh(small_app, first["refresh_token"])
    for damaged in (b"x" * 40, encrypt_response("another", b"{}")):
        oauth.act(lambda uow, answer=damaged: uow.connection.execute(update(refresh_tokens).values(answer=answer)))
        assert error_of(oauth.refresh(small_app, first["refresh_token"])) == REFUSED
    assert tokens_in(oauth.service) == 2


def test_no_issued_token_is_in_the_database(oauth, small_app, tmp_path):  # auth service 54
    first = oauth.tokens(small_app)
    second = oauth.refresh(small_app, first["refresh_token"]).json()
    oauth.ask("GET", "/oauth2/jwks")
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("roomkey.db*"))
    for one in (first, second):
        for secret in (one["access_token"], one["refresh_token"], one["access_token"].rpartition(".")[2]):
            assert secret.encode() not in stored
    assert small_app.secret.encode() not in stored


def test_a_grace_time_of_zero_repeats_nothing():
    stored = StoredRefreshToken(
        family_id="f",
        client_id="app",
        user_id=None,
        audience="a",
        authenticated_at=None,
        acr=None,
        scope=(),
        expires_at=100,
        family_expires_at=100,
        revoked_at=None,
        used_at=50,
        successor_used_at=None,
        answer=b"x",
    )
    assert stored.status(client_id="app", now=50, grace=0) is RefreshTokenStatus.REUSED
    assert stored.status(client_id="app", now=50, grace=1) is RefreshTokenStatus.REPEATED
    assert replace(stored, used_at=None).status(client_id="app", now=99, grace=0) is RefreshTokenStatus.VALID
    assert replace(stored, used_at=None).status(client_id="app", now=100, grace=0) is RefreshTokenStatus.INVALID
