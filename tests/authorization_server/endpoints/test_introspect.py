"""What an API learns of a token: all of its own, and of any other thing exactly nothing."""

import json

import pytest
from tests.authorization_server.oauth_service import (
    CONSOLE,
    KeyPair,
    Login,
    OAuthService,
    asserted,
    claims_of,
    error_of,
    response_parts,
)
from tests.authorization_server.running_service import running_service

import roomkey
from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import DisableApi
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, RevokeAppToken
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.authorization_server.tokens.revocation import revoke_token
from roomkey.jose import base64url
from roomkey.jose.compact import read_unverified
from roomkey.testing import FakeClock

PATH = "/oauth2/introspect"
SIGNED = "application/token-introspection+jwt"
INACTIVE = b'{"active":false}'


def jwt(**claims):
    """A JWT that nobody signed."""
    parts = [json.dumps(one).encode() for one in ({"alg": "ES256"}, claims)]
    return ".".join(base64url.encode(part).decode() for part in (*parts, b"x" * 64))


@pytest.fixture
def token(oauth):
    return oauth.token(oauth.add_account()).json()["access_token"]


def inactive(oauth: OAuthService) -> dict[str, str]:
    """Tokens of which the API must learn nothing, by what is wrong with them."""
    other = oauth.add_api("billing-api", "billing:read")
    assert other.client_id != oauth.api.client_id
    access = [
        Access("orders-api", ("orders:read",), ("orders:read",)),
        Access("billing-api", ("billing:read",), ("billing:read",)),
    ]
    reports = oauth.add_account("reports", apis=access)
    oauth.add_user()
    app = oauth.add_app()

    def new(**fields):
        return oauth.token(reports, **fields).json()["access_token"]

    expired = new(resource="orders-api")
    oauth.service.clock.advance(300)
    revoked, of_another = new(resource="orders-api"), new(resource="billing-api")
    assert oauth.revoke(reports, revoked).status_code == 200
    live = new(resource="orders-api")
    return {
        "another's": of_another,
        "expired": expired,
        "revoked": revoked,
        "unknown": secret_format.generate_secret(secret_format.SecretKind.ACCESS_TOKEN).value,
        "changed": live[:-2] + ("AA" if live[-2:] != "AA" else "BB"),
        "refresh": oauth.tokens(app)["refresh_token"],
        "secret": oauth.api.secret,
        "junk": "junk",
        "nul": "\x00",
        "letters": "é漢",
        "long": "a" * 60_000,
        "long dots": "a." * 2 + "a" * 60_000,
        "own": jwt(iss=oauth.service.settings.issuer, iat=1_700_000_300, aud="orders-api"),
        "huge iat": jwt(iat=10**19),
        "huger iat": jwt(iat=1 << 40),
        "negative iat": jwt(iat=-1),
        "real iat": jwt(iat=1e300),
        "text iat": jwt(iat="1"),
        "true iat": jwt(iat=True),
        "no iat": jwt(),
        "no object": "YQ." + base64url.encode(b"[1]").decode() + ".YQ",
        "half a pair": "YQ." + base64url.encode(b'{"iat":1,"x":"\\ud800"}').decode() + ".YQ",
        "deep": "YQ." + base64url.encode(b'{"iat":' + b"[" * 5000 + b"]" * 5000 + b"}").decode() + ".YQ",
        "dots": "..",
    }


def test_of_any_token_that_is_not_its_own_an_api_learns_nothing(oauth_on_each_database):  # auth service 23, 24
    answers = {
        name: oauth_on_each_database.introspect(oauth_on_each_database.api, token)
        for name, token in inactive(oauth_on_each_database).items()
    }
    assert {answer.content for answer in answers.values()} == {INACTIVE}
    assert len({response_parts(answer) for answer in answers.values()}) == 1
    assert answers["junk"].status_code == 200


def test_the_signed_form_tells_as_little(oauth):  # auth service 23, 27
    claims = set()
    for token in inactive(oauth).values():
        answer = oauth.introspect(oauth.api, token, accept=SIGNED)
        assert answer.headers["content-type"] == SIGNED
        payload = answer.text.split(".")[1]
        claims.add((payload, len(answer.content), answer.text.split(".")[0]))
    assert len(claims) == 1
    assert claims_of(answer.text)["token_introspection"] == {"active": False}


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (SIGNED, SIGNED),
        (SIGNED.upper(), SIGNED),
        (f"{SIGNED};q=0.1", SIGNED),
        (f"application/json, {SIGNED}", SIGNED),
        (f"{SIGNED}, */*;q=0.8", SIGNED),
        (f"application/json, {SIGNED};q=0", "application/json"),
        (f"application/json;q=1, {SIGNED};q=0.1", "application/json"),
        (f"{SIGNED};q=0.5, */*;q=0.8", "application/json"),
        (f"{SIGNED};q=0", "application/json"),
        ("application/*", "application/json"),
        ("*/*", "application/json"),
        ("text/html", "application/json"),
    ],
)
def test_the_weights_of_accept_decide_between_json_and_the_signed_form(oauth, token, accept, kind):
    assert oauth.introspect(oauth.api, token, accept=accept).headers["content-type"] == kind


def test_a_signed_answer_is_for_its_caller_and_no_access_token(oauth, token, clock):  # auth service 27
    answer = oauth.introspect(oauth.api, token, accept=f"application/json;q=0.5, {SIGNED}")
    seen = read_unverified(answer.text)
    assert seen.header["typ"] == "token-introspection+jwt"
    claims = dict(seen.claims)
    assert claims["aud"] == oauth.api.client_id
    assert claims["iss"] == oauth.service.settings.issuer
    assert claims["iat"] == int(clock.wall())
    assert not {"exp", "sub", "scope", "client_id"} & claims.keys()
    assert claims["token_introspection"] == oauth.introspect(oauth.api, token).json()
    keys = roomkey.KeySet.static(oauth.ask("GET", "/oauth2/jwks").json())
    roomkey.jose.verify_compact(answer.text, keys, algorithms=["ES256"])
    for audience in ("orders-api", oauth.api.client_id):
        for profile in ("at+jwt", "jwt"):
            issuer = oauth.service.settings.issuer
            validator = roomkey.TokenValidator(
                issuer=issuer, audience=audience, keys=keys, profile=profile, clock=clock
            )
            with pytest.raises(roomkey.InvalidToken) as refused:
                validator.validate(answer.text)
            assert refused.value.reason == "wrong_type"
    assert not oauth.active(oauth.api, answer.text)


def test_whoever_asks_must_be_an_api(oauth, token):  # auth service 22
    reports = oauth.add_account("others")
    bearer = {"authorization": f"Bearer {token}"}
    for headers, login in (({}, None), (bearer, None), ({}, Login(oauth.api.client_id, "x"))):
        assert error_of(oauth.post(PATH, {"token": token}, login, **headers)) == (401, "invalid_client")
    assert error_of(oauth.introspect(reports, token)) == (403, "unauthorized_client")


def test_an_api_sees_by_who_it_is_and_not_by_what_it_says(oauth, token):  # auth service 23
    other = oauth.add_api("billing-api", "billing:read")
    assert oauth.active(oauth.api, token)
    for fields in ({"audience": "orders-api"}, {"resource": "orders-api"}, {"client_id": other.client_id}):
        assert oauth.post(PATH, {"token": token} | fields, other).content == INACTIVE
    assert error_of(oauth.post(PATH, {"token": token, "client_id": oauth.api.client_id}, other)) == (
        400,
        "invalid_request",
    )


def test_junk_is_told_by_its_look_and_reads_nothing(oauth, token):  # auth service 24
    assert oauth.active(oauth.api, token)
    whole = secret_format.generate_secret(secret_format.SecretKind.ACCESS_TOKEN).value
    with oauth.statements() as seen:
        oauth.introspect(oauth.api, token)
        assert seen
        seen.clear()
        for junk in (
            whole[:-1] + ("a" if whole[-1] != "a" else "b"),
            whole + "a",
            "junk",
            "a.b.c",
            jwt(),
            "x" * 60_000,
        ):
            assert oauth.introspect(oauth.api, junk).content == INACTIVE
        assert seen == []
        assert oauth.introspect(oauth.api, whole).content == INACTIVE
        assert seen


def test_a_look_costs_one_statement(oauth, token):
    assert oauth.active(oauth.api, token)
    with oauth.statements() as seen:
        assert oauth.active(oauth.api, token)
        seen.clear()
        assert oauth.active(oauth.api, token)
        assert [one.split()[0] for one in seen] == ["SELECT"]


def test_a_megabyte_is_as_inactive_as_any_junk_and_more_is_too_large(oauth):  # auth service 24, 59
    assert oauth.introspect(oauth.api, "junk").content == INACTIVE  # the caller is remembered from now on
    with oauth.statements() as seen:
        assert oauth.introspect(oauth.api, "a" * 1_000_000).content == INACTIVE
        assert seen == []
    assert error_of(oauth.introspect(oauth.api, "a" * 3_000_000)) == (413, "invalid_request")


def test_guessing_is_slowed_down_for_the_one_who_guesses(oauth, token, clock, monkeypatch):  # auth service 24
    other = oauth.add_api("billing-api", "billing:read")
    statuses = []
    while 429 not in statuses and len(statuses) < 6000:
        statuses.append(
            oauth.introspect(
                oauth.api, secret_format.generate_secret(secret_format.SecretKind.ACCESS_TOKEN).value
            ).status_code
        )
    assert statuses[-1] == 429
    assert len(statuses) > 1000
    answer = oauth.introspect(oauth.api, token)
    assert error_of(answer) == (429, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "1"
    assert oauth.introspect(oauth.api, "junk").content == INACTIVE  # no guess at all
    assert oauth.introspect(other, token).content == INACTIVE
    clock.advance(1)
    assert oauth.active(oauth.api, token)


@pytest.mark.parametrize("hint", ["refresh_token", "access_token", "pat", "", "\x00", "é"])
def test_a_wrong_hint_finds_the_token_all_the_same(oauth, token, hint):  # auth service 25
    answer = oauth.post(PATH, {"token": token, "token_type_hint": hint}, oauth.api)
    assert answer.json()["active"] is True


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/oauth2/token", "/oauth2/introspect", "/oauth2/revoke"])
def test_only_post_is_served(oauth, token, path, method):  # auth service 25
    headers = oauth.api.basic | {"x-http-method-override": "POST", "x-http-method": "POST"}
    answer = oauth.ask(method, path, headers=headers)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "POST"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.content == b""


def test_nothing_that_is_told_of_a_token_is_kept_on_the_way(oauth, token):  # auth service 25
    for answer in (
        oauth.introspect(oauth.api, token),
        oauth.introspect(oauth.api, "junk"),
        oauth.introspect(oauth.api, token, accept=SIGNED),
        oauth.introspect(Login("nobody", "x"), token),
        oauth.revoke(oauth.api, "x"),
    ):
        assert answer.headers["cache-control"] == "no-store"


def test_a_disabled_api_learns_nothing_more(oauth_on_each_database):
    token = oauth_on_each_database.token(oauth_on_each_database.add_account()).json()["access_token"]
    assert oauth_on_each_database.active(oauth_on_each_database.api, token)
    oauth_on_each_database.act(DisableApi, "orders-api")
    assert error_of(oauth_on_each_database.introspect(oauth_on_each_database.api, token)) == (401, "invalid_client")


def test_app_tokens_are_known_until_they_are_revoked(oauth):
    oauth.add_account()
    made = oauth.act(CreateAppToken, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=3600)
    assert oauth.active(oauth.api, made.token.reveal())
    oauth.act(RevokeAppToken, made.app_token.id)
    assert not oauth.active(oauth.api, made.token.reveal())


def test_an_api_with_a_key_introspects_by_assertion(oauth, token):
    """An API's account has a secret; a request with an assertion for it is refused as any other."""
    pair = KeyPair()
    proof = pair.assertion(oauth.api.client_id, oauth.service.settings.issuer, now=oauth.service.clock.wall())
    answer = oauth.post(PATH, asserted(proof, token=token))
    assert error_of(answer) == (401, "invalid_client")


def test_an_api_that_keeps_answers_lets_no_token_outlive_its_end(tmp_path):  # auth service 26
    """A real validator with a cache of a minute, over HTTP, by a clock that both share."""
    clock = FakeClock()
    with running_service(tmp_path / "data", clock) as service, OAuthService(service) as oauth:
        oauth.api = oauth.add_api(token_lifetime=60)
        token = oauth.token(oauth.add_account()).json()["access_token"]
        looked = looking(oauth, clock, 300)
        assert looked(token)
        clock.advance(59)
        assert looked(token)
        clock.advance(1)
        assert not looked(token)


def test_revocation_reaches_an_api_within_what_it_keeps(tmp_path):  # auth service 26
    clock = FakeClock()
    with running_service(tmp_path / "data", clock) as service, OAuthService(service) as oauth:
        oauth.api = oauth.add_api()
        token = oauth.token(oauth.add_account()).json()["access_token"]
        looked = looking(oauth, clock, 15)
        assert looked(token)
        with service.unit_of_work(CONSOLE) as uow:
            assert revoke_token(uow, lookup_digest(token))
        clock.advance(14)
        kept = looked(token)
        clock.advance(1)
        assert not looked(token)
        assert kept, "the answer was kept at all, or this test says nothing"


def looking(oauth, clock, ttl):
    """Whether a real validator, which keeps answers for ``ttl`` seconds, takes a token."""
    account = roomkey.Introspection(
        client_id=oauth.api.client_id, client_secret=oauth.api.secret, ttl=ttl, inactive_ttl=0
    )
    issuer = oauth.service.settings.issuer
    validator = roomkey.TokenValidator(
        issuer=issuer, audience="orders-api", introspection=account, leeway=0, clock=clock
    )

    def taken(token):
        try:
            validator.validate(token)
        except roomkey.InvalidToken:
            return False
        return True

    return taken
