"""The public half of a private key as it is published (RFC 7517, RFC 7518 section 6, RFC 8037; pure)."""

from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa

from roomkey.jose import base64url
from roomkey.jose.signing_key import PrivateKey

_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    """The members that make the public key, without a name: no private member can get in."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        size, point = (public.curve.key_size + 7) // 8, public.public_numbers()
        crv = _CURVES[public.curve.name]
        return {"kty": "EC", "crv": crv, "x": _integer(point.x, size), "y": _integer(point.y, size)}
    crv = "Ed448" if isinstance(public, ed448.Ed448PublicKey) else "Ed25519"
    return {"kty": "OKP", "crv": crv, "x": base64url.encode(public.public_bytes_raw()).decode()}


def _integer(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8)).decode()
