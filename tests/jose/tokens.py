"""Keys and tokens for these tests: right ones, and wrong ones down to the byte."""

import functools
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from roomkey.jose import base64url
from roomkey.jose.signing_key import PrivateKey, SigningKey

CURVES = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1, "P-521": ec.SECP521R1, "secp256k1": ec.SECP256K1}
ALGORITHM_OF = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "secp256k1": "ES256K"}
SECRET = bytes(range(64))
ANY = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "ES256K"]
ANY += ["EdDSA", "Ed25519", "Ed448", "HS256", "HS384", "HS512"]


@functools.cache
def private_key(kind: str, name: str = "") -> PrivateKey:
    """One key of a kind (``RSA``, ``RSA-3072``, a curve) and name for the whole process: RSA keys take their time."""
    if kind.startswith("RSA"):
        return rsa.generate_private_key(65537, int(kind[4:] or 2048))
    if kind == "Ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return ed448.Ed448PrivateKey.generate() if kind == "Ed448" else ec.generate_private_key(CURVES[kind]())


def encode(data: bytes | dict[str, Any]) -> str:
    return base64url.encode(data if isinstance(data, bytes) else json.dumps(data).encode()).decode()


def integer(value: int, size: int | None = None) -> str:
    return encode(value.to_bytes(size or (value.bit_length() + 7) // 8))


class Key:
    """A key pair with a name."""

    def __init__(
        self, kind: str = "P-256", kid: str | None = "k1", name: str = "", algorithm: str | None = None
    ) -> None:
        self.private = private_key(kind, name or str(kid))
        self.kid = kid
        self.algorithm = algorithm or SigningKey(self.private).algorithm

    def jwk(self, **changes: Any) -> dict[str, Any]:
        """The public key; a member that is changed to None is left out."""
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            members = {"kty": "RSA", "n": integer(numbers.n), "e": integer(numbers.e)}
        elif isinstance(public, ec.EllipticCurvePublicKey):
            point, size = public.public_numbers(), (public.curve.key_size + 7) // 8
            crv = next(crv for crv, curve in CURVES.items() if curve.name == public.curve.name)
            members = {"kty": "EC", "crv": crv, "x": integer(point.x, size), "y": integer(point.y, size)}
        else:
            crv = "Ed25519" if isinstance(public, ed25519.Ed25519PublicKey) else "Ed448"
            members = {"kty": "OKP", "crv": crv, "x": encode(public.public_bytes_raw())}
        members |= {"kid": self.kid, "use": "sig", "alg": self.algorithm} | changes
        return {name: value for name, value in members.items() if value is not None}

    def pem(self) -> str:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    def token(self, payload: bytes | dict[str, Any] = b"{}", header: bytes | None = None, **changes: Any) -> str:
        """A token that this key signed, whatever its header says."""
        members = {"alg": self.algorithm, "typ": "at+jwt", "kid": self.kid} | changes
        if header is None:
            header = json.dumps({name: value for name, value in members.items() if value is not Absent}).encode()
        signed = f"{encode(header)}.{encode(payload)}"
        return f"{signed}.{encode(self.sign(signed.encode()))}"

    def sign(self, data: bytes) -> bytes:
        return SigningKey(self.private, algorithm=self.algorithm).signature(data)


class Absent:
    """In the place of a member of a header: leave it out."""


def mac(secret: bytes = SECRET, payload: bytes = b"{}", algorithm: str = "HS256", **changes: Any) -> str:
    """A token with an HMAC."""
    members = {"alg": algorithm, "kid": "k1"} | changes
    header = {name: value for name, value in members.items() if value is not Absent}
    signed = f"{encode(header)}.{encode(payload)}"
    digest = hmac.digest(secret, signed.encode(), getattr(hashlib, f"sha{algorithm[2:]}"))
    return f"{signed}.{encode(digest)}"


def secret_jwk(secret: bytes = SECRET, **changes: Any) -> dict[str, Any]:
    members = {"kty": "oct", "k": encode(secret), "kid": "k1"} | changes
    return {name: value for name, value in members.items() if value is not None}
