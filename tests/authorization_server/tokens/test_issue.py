"""The digest of a token: found again by that very token only, and in the order of issue."""

from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from hypothesis import given
from hypothesis import strategies as st

from roomkey.authorization_server.tokens.issue import (
    NewAccessToken,
    Signer,
    TokenGrant,
    create_access_token,
    lookup_digest,
)
from roomkey.jose import base64url
from roomkey.jose.signing_key import SigningKey

SIGNERS: dict[str, Signer | None] = {
    "ES256": SigningKey(ec.generate_private_key(ec.SECP256R1())),
    "EdDSA": SigningKey(ed25519.Ed25519PrivateKey.generate(), algorithm="EdDSA"),
    "opaque": None,
}
GRANT = TokenGrant(client_id="reports", audience="orders-api", scope=("orders:read",), roles=(), tenant=None)


def _minted(signer: str = "ES256", now: float = 1_800_000_000.25, **named: Any) -> NewAccessToken:
    return create_access_token(
        GRANT, issuer="https://auth.example", now=now, lifetime=300, signer=SIGNERS[signer], **named
    )


@pytest.mark.parametrize("signer", SIGNERS)
@pytest.mark.parametrize("now", [0.0, 1.5, 1_800_000_000.999, 2.0**40 - 1])
def test_a_token_is_found_again_by_its_value(signer: str, now: float):
    made = _minted(signer, now)
    assert lookup_digest(made.value) == made.digest
    assert len(made.digest) == 32
    if signer != "opaque":
        listed = _minted(signer, now, status={"status_list": {"idx": 7, "uri": "https://auth.example/list"}})
        assert lookup_digest(listed.value) == listed.digest


def test_tokens_of_one_moment_have_different_digests():
    assert len({_minted(signer).digest for signer in SIGNERS for _ in range(50)}) == 150


def test_later_tokens_have_later_digests_and_jtis_and_a_clock_that_goes_back_harms_nothing():
    times = [1.0, 1.001, 2.0, 255.5, 256.0, 65_536.0, 1_800_000_000.0, 1_800_000_000.01, 2.0**32, 2.0**39]
    made = [_minted(now=now) for now in reversed(times)]
    assert sorted(one.digest for one in made) == [one.digest for one in reversed(made)]
    assert all(lookup_digest(one.value) == one.digest for one in made)


@pytest.mark.parametrize("signer", SIGNERS)
def test_a_token_with_any_character_changed_is_not_found(signer: str):
    made = _minted(signer)
    for place, letter in enumerate(made.value):
        for other in "AB._é":
            if other != letter:
                assert lookup_digest(made.value[:place] + other + made.value[place + 1 :]) != made.digest
    assert lookup_digest(made.value[:-1]) != made.digest
    assert lookup_digest(made.value + "A") != made.digest


def test_a_foreign_token_with_the_same_jti_is_not_found():
    made, other = _minted(), SIGNERS["EdDSA"]
    assert other is not None
    foreign = other.sign({"jti": made.jti, "iss": "https://auth.example"})
    key = lookup_digest(foreign)
    assert key is not None
    assert key[:7] == made.digest[:7]
    assert key != made.digest


@given(st.text(), st.binary(max_size=60), st.text(max_size=40))
def test_junk_is_not_found_and_raises_nothing(text: str, claims: bytes, jti: str):
    segment = base64url.encode(claims).decode()
    named = base64url.encode(f'{{"jti":"{jti}"'.encode("utf-8", "surrogatepass")).decode()
    for token in (text, f"{text}.{text}.{text}", f"e30.{segment}.AA", f"e30.{named}.AA", f"e30.{segment[:-1]}.", ".."):
        key = lookup_digest(token)
        assert key is None or len(key) == 32
