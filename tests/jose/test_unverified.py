"""A look into tokens that nobody has verified."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.jose.tokens import encode
from tests.support.leaks import LeakDetector

from roomkey.jose.compact import LARGEST_TOKEN, read_unverified
from roomkey.testing import Issuer


def token(header: object, claims: object, signature: str = "c2ln") -> str:
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, claims))
    return ".".join([*map(encode, parts), signature])


def test_header_and_claims_are_read_whoever_signed_them(issuer: Issuer) -> None:
    jwt = read_unverified(issuer.issue())
    assert jwt is not None
    assert jwt.header["alg"] == "ES256"
    assert jwt.claims["iss"] == issuer.url


@pytest.mark.parametrize("header", [{}, {"alg": "none"}, {"alg": 1, "crit": [], "zip": "DEF"}])
@pytest.mark.parametrize("signature", ["", "c2ln"])
def test_what_would_never_be_accepted_can_still_be_looked_at(header: dict[str, object], signature: str) -> None:
    jwt = read_unverified(token(header, {"sub": "me"}, signature))
    assert jwt is not None
    assert (jwt.header, jwt.claims) == (header, {"sub": "me"})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "..",
        "an-opaque-token",
        "a.b.c",
        token({}, {})[:-1] + "=",
        token({}, {}, "c2l!"),
        token({}, {}, "c2ln.c2ln"),
        token({}, {}) + "\n",
        token([], {}),
        token({}, "text"),
        token({}, b'{"a":1,"a":2}'),
        token({}, b'{"a":NaN}'),
        token({}, b'{"a":1e400}'),
        token({}, b'{"a":' + b"1" * 21 + b"}"),
        token({}, b'{"a":' + b"[" * 40 + b"]" * 40 + b"}"),
        token({}, b'{"a":' + b"[" * 4_000 + b"]" * 4_000 + b"}"),
        token({}, b"\xff\xfe{}"),
        token({}, '{"é":1}'.encode("utf-16")),
        token({}, {"a": "x" * LARGEST_TOKEN}),
        "\ud800.\ud800.\ud800",
        "é.é.é",
        "." * 1_000_000,
    ],
    ids=lambda _: "text",
)
def test_what_is_no_strict_jwt_is_none(text: str) -> None:
    assert read_unverified(text) is None


def test_its_repr_shows_nothing_of_it() -> None:
    LeakDetector(["a-private-claim"]).assert_clean(repr(read_unverified(token({"a": 1}, {"sub": "a-private-claim"}))))


segments = st.text("AZaz09-_+/=é\n", max_size=30)


@given(st.text(max_size=60) | st.lists(segments, max_size=4).map(".".join))
def test_no_string_causes_an_error(text: str) -> None:
    read_unverified(text)
