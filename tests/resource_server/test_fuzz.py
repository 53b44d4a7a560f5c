"""Whatever comes as a token, a claim or an answer: claims, or an error of the family, and never anything else."""

import json

from hypothesis import given
from hypothesis import strategies as some

import roomkey
from roomkey.http.messages import Response
from roomkey.resource_server.introspection import check_response, read_introspection
from roomkey.testing import FakeClock
from roomkey.testing.issuer_keys import IssuerKeys

KEYS, CLOCK = IssuerKeys(), FakeClock()
ISSUER = "https://auth.example"
GOOD = {"iss": ISSUER, "sub": "s", "aud": "a", "client_id": "c", "jti": "j", "iat": 1.7e9, "exp": 1.8e9, "scope": "x"}
HEADER = {"alg": "ES256", "typ": "at+jwt", "kid": KEYS.signing.key_id}
VALUES = some.recursive(
    some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=20),
    lambda inner: some.lists(inner, max_size=3) | some.dictionaries(some.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
NAMES = some.sampled_from([*GOOD, "nbf", "cnf", "roles", "tenant", "status", "typ", "realm_access", "resource_access"])
VALIDATORS = [
    roomkey.TokenValidator(
        issuer=ISSUER, audience="a", keys=roomkey.KeySet.static(KEYS.jwks()), clock=CLOCK, claims=claims
    )
    for claims in (roomkey.ClaimMapping(), "entra", "keycloak", "cognito", "auth0")
]


def validated(token: str) -> None:
    for validator in VALIDATORS:
        try:
            claims = validator.validate(token)
        except roomkey.InvalidToken:
            continue
        assert claims["iss"] == ISSUER
        assert "a" in claims["aud"]
        json.dumps(claims.as_dict())


@given(some.text() | some.from_regex(r"[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*\.[A-Za-z0-9_-]*", fullmatch=True))
def test_any_string(token) -> None:
    validated(token)


@given(some.dictionaries(NAMES, VALUES, max_size=4))
def test_signed_tokens_with_any_claims(change) -> None:
    validated(KEYS.forge(HEADER, json.dumps(GOOD | change).encode()))


@given(some.dictionaries(some.sampled_from(["alg", "typ", "kid", "crit", "b64", "zip", "jwk", "jku"]), VALUES))
def test_signed_tokens_with_any_header(change) -> None:
    validated(KEYS.forge(json.dumps(HEADER | change).encode(), json.dumps(GOOD).encode()))


@given(some.binary(max_size=200))
def test_signed_tokens_with_any_payload(payload) -> None:
    validated(KEYS.forge(HEADER, payload))


@given(some.dictionaries(NAMES | some.sampled_from(["active", "token_type"]), VALUES), some.booleans())
def test_any_answer_of_an_auth_service(change, active) -> None:
    said = read_introspection(Response(200, (), json.dumps({"active": active} | GOOD | change).encode()))
    if isinstance(said, str):
        assert said in ("inactive", "malformed")
        return
    (validating,) = VALIDATORS[0]._issuers.values()
    try:
        check_response(said, validating.rules, now=CLOCK.wall(), verified=False)
        validating.mapping.read(said, audiences=validating.rules.audiences)
    except roomkey.InvalidToken:
        pass


@given(some.binary(max_size=300))
def test_any_bytes_as_an_answer(body) -> None:
    said = read_introspection(Response(200, (), body))
    assert said in ("inactive", "malformed") or said["active"] is True


def test_the_valid_ones_are_taken() -> None:
    """Else none of the above would reach what it is for."""
    assert VALIDATORS[0].validate(KEYS.forge(HEADER, GOOD)).subject == "s"
