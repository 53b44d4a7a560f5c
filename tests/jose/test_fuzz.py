"""Input that nobody thought of: a token is verified or rejected by the family, whatever it is."""

import contextlib
import json
import string
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.jose.tokens import ANY, SECRET, Key, encode, mac, secret_jwk

import roomkey
from roomkey.jose import KeySet, verify_compact
from roomkey.jose.claims import ClaimRules, check_claims, read_scopes
from roomkey.jose.compact import read_claims, read_compact

KEY = Key()
KEYS = KeySet.static(
    {"keys": [KEY.jwk(), Key("RSA", "rsa").jwk(alg=None), Key("Ed25519", "ed").jwk(), secret_jwk(kid="s")]}
)
RULES = ClaimRules(issuer="https://auth.example", audiences=frozenset({"orders-api"}))

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
names = st.sampled_from(["alg", "kid", "typ", "crit", "b64", "zip", "jwk", "jku", "x5c", "cty", "enc"])
known = st.sampled_from([*ANY, "none", "k1", "rsa", "ed", "s", "at+jwt", "", "\0"])
headers = st.dictionaries(names, known | values, max_size=6)
claims = st.dictionaries(
    st.sampled_from(["iss", "sub", "aud", "exp", "nbf", "iat", "jti", "client_id", "scope"]) | st.text(max_size=4),
    values | st.sampled_from(["https://auth.example", "orders-api", 1e10, "a b"]),
    max_size=8,
)
payloads = claims.map(lambda members: json.dumps(members).encode()) | st.binary(max_size=60)
segments = st.text(string.ascii_letters + string.digits + "-_.=+/ \n\0é", max_size=40)


def outcome(token: str) -> bytes | str:
    try:
        return verify_compact(token, KEYS, algorithms=ANY)
    except roomkey.InvalidToken as error:
        return error.reason


@given(st.text(max_size=200) | st.lists(segments, max_size=6).map(".".join))
def test_no_string_causes_another_error(text: str) -> None:
    assert isinstance(outcome(text), str)


@given(headers, payloads, st.binary(max_size=80))
def test_no_header_and_no_signature_cause_another_error(
    header: dict[str, Any], payload: bytes, signature: bytes
) -> None:
    assert isinstance(outcome(f"{encode(header)}.{encode(payload)}.{encode(signature)}"), str)


@given(st.binary(max_size=120), payloads)
def test_no_bytes_of_a_header_cause_another_error(header: bytes, payload: bytes) -> None:
    assert isinstance(outcome(KEY.token(payload, header=header)), str)


@given(payloads, st.integers(0, 400), st.characters(codec="utf-8"))
def test_a_token_that_differs_in_one_character_is_rejected(payload: bytes, place: int, character: str) -> None:
    token = mac(SECRET, payload, kid="s")
    assert outcome(token) == payload
    place %= len(token)
    changed = token[:place] + character + token[place + 1 :]
    assert changed == token or isinstance(outcome(changed), str)


@given(payloads, st.floats(0.0, 1e11))
def test_no_verified_payload_causes_another_error(payload: bytes, now: float) -> None:
    token = mac(SECRET, payload, kid="s")
    with contextlib.suppress(roomkey.InvalidToken):
        members = read_claims(read_compact(token))
        read_scopes(members)
        check_claims(members, RULES, now=now)


json_values = st.recursive(
    st.none() | st.integers(-(10**19), 10**19) | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
jwks = st.fixed_dictionaries(
    {"kty": st.sampled_from(["RSA", "EC", "OKP", "oct", "x"]) | json_values},
    optional={
        name: json_values | st.sampled_from(["P-256", "Ed25519", "Ed448", "AQAB", "ES256", "HS256", "RS256", "sig"])
        | st.binary(max_size=66).map(encode)
        for name in ("crv", "x", "y", "n", "e", "k", "d", "alg", "use", "kid", "key_ops")
    },
)  # fmt: skip


@given(st.lists(jwks | json_values, max_size=2))
def test_no_key_causes_another_error_or_spoils_a_valid_one(some: list[object]) -> None:
    keys = KeySet.static({"keys": [*some, KEY.jwk(kid="the good one")]})
    assert verify_compact(KEY.token(kid="the good one"), keys, algorithms=ANY) == b"{}"
