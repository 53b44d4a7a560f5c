"""The client credentials grant: claims, scopes, API, lifetime, and what is rejected."""

import re
from dataclasses import replace

import pytest
from sqlalchemy import select
from tests.authorization_server.oauth_service import CONSOLE, Node, claims_of, error_of, second_node

import roomkey
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import DisableApi, RotateApiSecret
from roomkey.authorization_server.accounts.service_accounts.commands import ChangeServiceAccount, DisableServiceAccount
from roomkey.authorization_server.clients.client import TargetApi
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.jose.compact import read_unverified

BOTH = ("orders:read", "orders:write")
SCOPE_REFUSED = (400, "invalid_scope")
TARGET_REFUSED = (400, "invalid_target")


def validator_of(oauth, clock, audience="orders-api"):
    keys = oauth.ask("GET", "/oauth2/jwks").json()
    issuer = oauth.service.settings.issuer
    return roomkey.TokenValidator(issuer=issuer, audience=audience, keys=roomkey.KeySet.static(keys), clock=clock)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA", "HS256"])
def test_a_token_has_the_shape_of_rfc_9068(oauth, clock, algorithm):  # auth service 20
    oauth.add_api("billing-api", "billing:read", algorithm=algorithm, token_lifetime=600)
    access = [Access("billing-api", ("billing:read",), ("billing:read",))]
    reports = oauth.add_account("reports", apis=access, roles=["exporter"])
    answer = oauth.token(reports)
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert {name: body[name] for name in ("token_type", "expires_in", "scope")} == {
        "token_type": "Bearer",
        "expires_in": 600,
        "scope": "billing:read",
    }
    assert "refresh_token" not in body  # RFC 6749 section 4.4.3
    seen = read_unverified(body["access_token"])
    assert seen.header["alg"] == algorithm
    assert seen.header["typ"] == "at+jwt"
    assert algorithm == "HS256" or seen.header["kid"]
    claims = dict(seen.claims)
    now = int(clock.wall())
    assert len(claims.pop("jti")) >= 22  # base64url of 128 bits
    assert claims == {
        "iss": oauth.service.settings.issuer,
        "sub": "reports",
        "client_id": "reports",
        "aud": "billing-api",
        "iat": now,
        "nbf": now,
        "exp": now + 600,
        "scope": "billing:read",
        "roles": ["exporter"],
    }
    assert all(type(claims[name]) is int for name in ("iat", "nbf", "exp"))
    if algorithm != "HS256":
        assert validator_of(oauth, clock, "billing-api").validate(body["access_token"]).subject == "reports"


def test_an_opaque_token_contains_no_claims(oauth):
    oauth.add_api("billing-api", "billing:read", token_format="opaque")
    api = oauth.act(RotateApiSecret, "billing-api")
    reports = oauth.add_account("reports", apis=[Access("billing-api", ("billing:read",), ("billing:read",))])
    token = oauth.token(reports).json()["access_token"]
    assert re.fullmatch(r"rkat_[0-9A-Za-z]{49}", token)
    login = replace(oauth.api, client_id=api.client_id, secret=api.client_secret.value)
    assert oauth.introspect(login, token).json()["sub"] == "reports"


def test_every_token_has_a_different_jti(oauth):  # auth service 20
    reports = oauth.add_account()
    names = {claims_of(oauth.token(reports).json()["access_token"])["jti"] for _ in range(20)}
    assert len(names) == 20


def test_the_algorithm_is_the_keys_own_whatever_is_requested(oauth):  # auth service 20
    reports = oauth.add_account()
    fields = {"alg": "none", "algorithm": "HS256", "kid": "x", "iss": "x", "sub": "root", "exp": "99999999999"}
    token = oauth.token(reports, **fields).json()["access_token"]
    assert read_unverified(token).header["alg"] == "ES256"
    assert claims_of(token)["sub"] == "reports"


def test_no_scope_is_the_accounts_default_and_never_all(oauth):  # auth service 17
    reports = oauth.add_account(
        "reports", apis=[Access("orders-api", ("orders:read", "orders:write"), ("orders:read",))]
    )
    assert oauth.token(reports).json()["scope"] == "orders:read"
    assert oauth.token(reports, scope="").json()["scope"] == "orders:read"
    none = oauth.add_account("none", apis=[Access("orders-api", ("orders:read", "orders:write"), ())])
    assert error_of(oauth.token(none)) == SCOPE_REFUSED
    assert oauth.token(none, scope="orders:write").json()["scope"] == "orders:write"


@pytest.mark.slow
@pytest.mark.parametrize(
    "scope", ["unknown", "orders:read unknown", "ORDERS:READ", 'a"b', "a\\b", "a\x00", "é", "x" * 129, "a\tb", "a\nb"]
)
def test_one_scope_that_the_client_may_not_have_rejects_the_whole_request(
    oauth_on_each_database, scope
):  # auth service 17
    assert error_of(oauth_on_each_database.token(oauth_on_each_database.add_account(), scope=scope)) == SCOPE_REFUSED


def test_scopes_are_each_granted_once_in_the_order_of_the_request(oauth):
    reports = oauth.add_account()
    asked = "orders:write  orders:read orders:write "
    assert oauth.token(reports, scope=asked).json()["scope"] == "orders:write orders:read"
    assert error_of(oauth.token(reports, scope=" ".join(f"s{n}" for n in range(101)))) == SCOPE_REFUSED


def test_the_api_is_the_named_one_or_the_only_possible_one(oauth):
    oauth.add_api("billing-api", "billing:read", "orders:read")
    names = ("orders-api", "billing-api")
    scopes = {"orders-api": ("orders:read", "orders:write"), "billing-api": ("billing:read", "orders:read")}
    reports = oauth.add_account("reports", apis=[Access(name, scopes[name], scopes[name]) for name in names])

    def audience(**fields):
        answer = oauth.token(reports, **fields)
        return claims_of(answer.json()["access_token"])["aud"] if answer.status_code == 200 else error_of(answer)

    for name in names:
        assert audience(resource=name) == audience(audience=name) == audience(resource=name, audience=name) == name
    assert audience(scope="billing:read") == "billing-api"
    assert audience(scope="orders:write") == "orders-api"
    assert audience() == audience(scope="orders:read") == TARGET_REFUSED
    assert audience(scope="billing:read orders:write") == SCOPE_REFUSED
    assert audience(resource="orders-api", audience="billing-api") == TARGET_REFUSED
    for wrong in ("unknown", "roomkey-admin", "orders-api/", "ORDERS-API", "\x00", "orders-api billing-api"):
        assert audience(resource=wrong) == TARGET_REFUSED


def test_a_change_of_an_account_applies_at_once_on_every_node(oauth_on_each_database):
    """A node that has cached the account learns of the change at the next request, on whichever node it was made."""
    reports = oauth_on_each_database.add_account()
    with second_node(oauth_on_each_database.service) as other:
        assert other.token(reports, scope="orders:write").status_code == 200
        oauth_on_each_database.act(ChangeServiceAccount, "reports", apis=[Access("orders-api", BOTH[:1], BOTH[:1])])
        assert error_of(other.token(reports, scope="orders:write")) == SCOPE_REFUSED
        oauth_on_each_database.act(ChangeServiceAccount, "reports", roles=["exporter"])
        assert claims_of(other.token(reports).json()["access_token"])["roles"] == ["exporter"]
        oauth_on_each_database.act(DisableApi, "orders-api")
        assert error_of(other.token(reports, resource="orders-api")) == TARGET_REFUSED
        oauth_on_each_database.act(ChangeServiceAccount, "reports", grants=["refresh_token"])
        assert error_of(other.token(reports)) == (400, "unauthorized_client")


def test_a_scope_that_was_just_granted_works_at_once(oauth_on_each_database):
    """A rejection must not be cached: no other request of this account may come for days."""
    oauth_on_each_database.add_api("billing-api", "billing:read")
    reports = oauth_on_each_database.add_account("reports", "orders:read", grants=["refresh_token"])
    granted = [Access("orders-api", BOTH), Access("billing-api", ("billing:read",), ("billing:read",))]
    assert error_of(oauth_on_each_database.token(reports)) == (400, "unauthorized_client")
    oauth_on_each_database.act(ChangeServiceAccount, "reports", grants=["client_credentials"])
    assert error_of(oauth_on_each_database.token(reports, scope="orders:write")) == SCOPE_REFUSED
    with second_node(oauth_on_each_database.service) as other:
        assert error_of(other.token(reports, resource="billing-api")) == TARGET_REFUSED
        oauth_on_each_database.act(ChangeServiceAccount, "reports", apis=granted)
        assert other.token(reports, resource="billing-api").status_code == 200
    assert oauth_on_each_database.token(reports, scope="orders:write").status_code == 200


def test_a_rotated_key_signs_the_next_token_on_every_node(oauth_on_each_database):
    reports = oauth_on_each_database.add_account()
    with second_node(oauth_on_each_database.service) as other:
        before = read_unverified(other.token(reports).json()["access_token"]).header["kid"]
        oauth_on_each_database.act(rotate, now=True)
        oauth_on_each_database.act(rotate, now=True)
        tokens = [node.token(reports).json()["access_token"] for node in (oauth_on_each_database, other)]
        after = {read_unverified(token).header["kid"] for token in tokens}
        assert len(after) == 1
        assert before not in after


def test_no_lifetime_exceeds_a_maximum_that_was_lowered_since(oauth):  # auth service 20
    oauth.add_api("slow-api", "slow", token_lifetime=3600)
    reports = oauth.add_account("reports", apis=[Access("slow-api", ("slow",), ("slow",))])
    assert oauth.token(reports).json()["expires_in"] == 3600
    lowered = replace(oauth.service.settings, longest_access_token=600)
    with Service.open(lowered, clock=oauth.service.clock) as service, Node(service) as node:
        answer = node.token(reports).json()
        claims = claims_of(answer["access_token"])
        assert answer["expires_in"] == claims["exp"] - claims["iat"] == 600


def test_a_token_expires_on_its_second(oauth, clock):  # auth service 60
    token = oauth.token(oauth.add_account()).json()["access_token"]
    clock.advance(299)
    assert oauth.active(oauth.api, token)
    clock.advance(1)
    assert not oauth.active(oauth.api, token)


def test_an_account_that_is_disabled_before_the_commit_gets_nothing(oauth_on_each_database, monkeypatch):
    """Between authentication and the write, on another node."""
    reports = oauth_on_each_database.add_account()
    assert oauth_on_each_database.token(reports).status_code == 200
    create = TargetApi.create_token

    def disabled_first(*words, **named):
        monkeypatch.setattr(TargetApi, "create_token", create)
        oauth_on_each_database.act(DisableServiceAccount, "reports")
        return create(*words, **named)

    monkeypatch.setattr(TargetApi, "create_token", disabled_first)
    assert error_of(oauth_on_each_database.token(reports)) == (401, "invalid_client")


def test_the_accounts_of_apis_and_of_the_service_itself_get_no_tokens(oauth):
    assert error_of(oauth.token(oauth.api)) == (400, "unauthorized_client")


@pytest.mark.parametrize("grant", ["", "implicit", "client_credentials\x00", "urn:ietf:params:oauth:grant-type:x"])
def test_a_grant_that_is_not_supported_is_unsupported_grant_type(oauth, grant):
    expected = "unsupported_grant_type" if grant else "invalid_request"
    assert error_of(oauth.token(oauth.add_account(), grant)) == (400, expected)


def test_a_token_costs_one_query_of_the_config_version_and_one_row(oauth):
    """The statements of the busiest path."""
    reports = oauth.add_account()
    oauth.token(reports)
    with oauth.statements() as seen:
        assert oauth.token(reports).status_code == 200
        first = [one.split()[0] for one in seen if one.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]
        seen.clear()
        assert oauth.token(reports).status_code == 200
        second = [one.split()[0] for one in seen if one.split()[0] in ("SELECT", "INSERT", "UPDATE", "DELETE")]
    assert second == ["SELECT", "INSERT"], (first, second)


def test_every_returned_token_is_recorded_and_none_that_was_dropped(oauth_on_each_database, monkeypatch):
    """Some of the requests are checked against accounts that change before their tokens are recorded."""
    reports, _ = oauth_on_each_database.add_account(), oauth_on_each_database.add_account("other")
    assert oauth_on_each_database.token(reports).status_code == 200
    create, created = TargetApi.create_token, []

    def changed_in_the_middle(*words, **named):
        created.append(create(*words, **named))
        if len(created) == 6:
            oauth_on_each_database.act(DisableServiceAccount, "other")
        return created[-1]

    monkeypatch.setattr(TargetApi, "create_token", changed_in_the_middle)
    answers = oauth_on_each_database.together(12, reports, grant_type="client_credentials")
    assert [answer.status_code for answer in answers] == [200] * 12
    assert len(created) >= 18
    given = {lookup_digest(answer.json()["access_token"]) for answer in answers}
    assert len(given) == 12
    with oauth_on_each_database.service.look(CONSOLE) as uow:
        kept = {bytes(digest) for digest in uow.connection.scalars(select(access_tokens.c.digest))}
    assert given == kept & {one.digest for one in created}
