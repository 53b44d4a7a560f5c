"""ES256 tokens for tests (RFC 7515, RFC 9068): one key per process, made when it is first needed."""

import base64
import functools
import hashlib
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _compact(members: dict[str, Any]) -> bytes:
    return json.dumps(members, separators=(",", ":")).encode()


@functools.cache
def process_key() -> ec.EllipticCurvePrivateKey:
    """The private key of this process."""
    return ec.generate_private_key(ec.SECP256R1())


@functools.cache
def public_jwk() -> dict[str, str]:
    """This process's public key as a JWK (RFC 7517); ``kid`` is its RFC 7638 thumbprint."""
    numbers = process_key().public_key().public_numbers()
    required = {
        "crv": "P-256",
        "kty": "EC",
        "x": _encode(numbers.x.to_bytes(32, "big")),
        "y": _encode(numbers.y.to_bytes(32, "big")),
    }
    return {**required, "kid": _encode(hashlib.sha256(_compact(required)).digest()), "use": "sig", "alg": "ES256"}


def sign(claims: dict[str, Any], *, typ: str = "at+jwt") -> str:
    """``claims`` as a compact JWT, signed ES256 with this process's key. Does no I/O; safe in any thread."""
    header = {"alg": "ES256", "typ": typ, "kid": public_jwk()["kid"]}
    signed = f"{_encode(_compact(header))}.{_encode(_compact(claims))}"
    r, s = decode_dss_signature(process_key().sign(signed.encode(), ec.ECDSA(SHA256())))
    return f"{signed}.{_encode(r.to_bytes(32, 'big') + s.to_bytes(32, 'big'))}"


def verified_claims(token: str) -> dict[str, Any] | None:
    """The claims of ``token`` where this process signed it, else None. Looks at no claim. Safe in any thread."""
    try:
        signed, _, signature = token.rpartition(".")
        raw = _decode(signature)
        if len(raw) != 64:
            return None
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        process_key().public_key().verify(der, signed.encode(), ec.ECDSA(SHA256()))
        claims = json.loads(_decode(signed.partition(".")[2]))
    except (InvalidSignature, ValueError):
        return None
    return claims if isinstance(claims, dict) else None
