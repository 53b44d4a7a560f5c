"""Private keys of every kind sign tokens that the strict verifier takes, and bad ones are rejected without a trace."""

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.jose import KeySet, base64url, verify_compact
from roomkey.jose.signing_key import PrivateKey, SigningKey

KEYS: dict[str, PrivateKey] = {
    "RSA": rsa.generate_private_key(65537, 2048),
    "P-256": ec.generate_private_key(ec.SECP256R1()),
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
}
DEFAULTS = {"RSA": "RS256", "P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}


def pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public(key: PrivateKey) -> KeySet:
    return KeySet.static(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


def number(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8)).decode()


def jwk(name: str) -> dict[str, Any]:
    """The private key as a backoffice hands it out (RFC 7518 section 6, RFC 8037)."""
    key = KEYS[name]
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.private_numbers()
        parts = {"n": numbers.public_numbers.n, "e": numbers.public_numbers.e}
        parts |= {"d": numbers.d, "p": numbers.p, "q": numbers.q}
        return {"kty": "RSA"} | {member: number(value) for member, value in parts.items()}
    if isinstance(key, ec.EllipticCurvePrivateKey):
        size = (key.curve.key_size + 7) // 8
        point = key.private_numbers().public_numbers
        parts = {"x": point.x, "y": point.y, "d": key.private_numbers().private_value}
        return {"kty": "EC", "crv": name} | {member: number(value, size) for member, value in parts.items()}
    return {"kty": "OKP", "crv": name, "d": base64url.encode(key.private_bytes_raw()).decode()}


@pytest.mark.parametrize("name", KEYS)
@pytest.mark.parametrize("form", ["pem", "jwk"])
def test_what_it_signs_is_taken_by_the_verifier(name: str, form: str) -> None:
    text = pem(KEYS[name]) if form == "pem" else json.dumps(jwk(name))
    key = SigningKey.read(roomkey.Secret(text), key_id="k1")
    assert key.algorithm == DEFAULTS.get(name, "EdDSA")
    payload = verify_compact(key.sign({"sub": "ä"}), public(KEYS[name]), algorithms=[key.algorithm])
    assert json.loads(payload) == {"sub": "ä"}


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_an_rsa_key_signs_what_is_named(algorithm: str) -> None:
    key = SigningKey.read(roomkey.Secret(pem(KEYS["RSA"])), algorithm=algorithm)
    assert verify_compact(key.sign({}), public(KEYS["RSA"]), algorithms=[algorithm]) == b"{}"


def test_a_jwk_brings_its_algorithm_and_name_along_unless_others_are_named() -> None:
    secret = roomkey.Secret(json.dumps(jwk("RSA") | {"alg": "PS384", "kid": "2026-11"}))
    assert repr(SigningKey.read(secret)) == "SigningKey(PS384, kid='2026-11')"
    assert repr(SigningKey.read(secret, algorithm="RS512", key_id="x")) == "SigningKey(RS512, kid='x')"


BAD = {
    "text": "this is no key at all",
    "json": '{"kty": ',
    "symmetric": '{"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}',
    "off the curve": json.dumps(jwk("P-256") | {"x": jwk("P-256")["y"]}),
    "no primes": json.dumps({name: value for name, value in jwk("RSA").items() if name != "p"}),
    "short": pem(rsa.generate_private_key(65537, 1024)),
    "unknown curve": pem(ec.generate_private_key(ec.SECP224R1())),
    "deep": "[" * 5000,
}


@pytest.mark.parametrize("name", BAD)
def test_a_key_that_cannot_sign_is_rejected_and_shown_nowhere(name: str) -> None:  # client 66
    with pytest.raises(roomkey.ConfigurationError) as caught:
        SigningKey.read(roomkey.Secret(BAD[name]))
    assert "private" in str(caught.value)
    LeakDetector([BAD[name]]).assert_clean(caught.value)


def test_an_algorithm_that_is_not_the_keys_is_rejected() -> None:
    with pytest.raises(roomkey.ConfigurationError, match="ES256"):
        SigningKey.read(roomkey.Secret(pem(KEYS["P-256"])), algorithm="RS256")


def pss_pem(label: str, standard: str) -> str:
    """The RSA key in ``standard`` with the type id-RSASSA-PSS in place of rsaEncryption, whose NULL is left out."""
    der = base64.b64decode("".join(standard.splitlines()[1:-1]))
    changed = der.replace(bytes.fromhex("300d06092a864886f70d0101010500"), bytes.fromhex("300b06092a864886f70d01010a"))
    assert len(changed) == len(der) - 2
    sized = changed[:2] + (int.from_bytes(changed[2:4]) - 2).to_bytes(2) + changed[4:]
    return f"-----BEGIN {label}-----\n{base64.encodebytes(sized).decode()}-----END {label}-----\n"


def test_a_pss_key_signs_and_verifies_pss_alone() -> None:
    key = KEYS["RSA"]
    private = roomkey.Secret(pss_pem("PRIVATE KEY", pem(key)))
    spki = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    public = KeySet.static(pss_pem("PUBLIC KEY", spki))
    assert SigningKey.read(private).algorithm == "PS256"
    assert SigningKey.read(private, accepted=["RS256", "PS512"]).algorithm == "PS512"
    for algorithm in ("PS256", "PS384", "PS512"):
        signed = SigningKey.read(private, algorithm=algorithm).sign({"sub": "app"})
        assert json.loads(verify_compact(signed, public, algorithms=[algorithm])) == {"sub": "app"}
    for algorithm in ("RS256", "RS384", "RS512"):
        with pytest.raises(roomkey.ConfigurationError, match="signs PS256 or PS384 or PS512"):
            SigningKey.read(private, algorithm=algorithm)
        with pytest.raises(roomkey.InvalidToken):
            verify_compact(SigningKey(key, algorithm=algorithm).sign({"sub": "app"}), public, algorithms=[algorithm])
