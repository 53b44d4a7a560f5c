"""The keys of a test issuer: published, rotated, withdrawn, in several algorithms (RFC 7517)."""

import functools
import json
import threading
from collections.abc import Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from roomkey.errors import InvalidToken
from roomkey.jose import KeySet, base64url, verify_compact
from roomkey.jose.signing_key import PrivateKey, SigningKey
from roomkey.jose.verification_key import thumbprint

ALGORITHMS: Final = ("ES256", "ES384", "RS256", "PS256", "EdDSA")


class IssuerKeys:
    """The signing keys and the published key set of an issuer. The first key is shared by all issuers of the process.

    Safe in any thread.

    Attributes:
        published: the JWKs of its set, which a test may change at will.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0
        self.signing = SigningKey(process_key(), algorithm="ES256", key_id=process_jwk()["kid"])
        self.published: list[dict[str, Any]] = [dict(process_jwk())]
        self._ever = list(self.published)

    def rotate(self, algorithm: str = "ES256", *, withdraw: bool = False) -> str:
        """Sign with a new key from now on and return its ``kid``; ``withdraw`` takes the old ones out of the set."""
        with self._lock:
            self._count += 1
            private = _private_key(algorithm, self._count)
            self.signing = SigningKey(private, algorithm=algorithm, key_id=f"key-{self._count}")
            added = jwk_of(private) | {"kid": f"key-{self._count}", "use": "sig", "alg": algorithm}
            self.published = [added] if withdraw else [*self.published, added]
            self._ever.append(added)
        return f"key-{self._count}"

    def withdraw(self, kid: str) -> None:
        """Take a key out of the set; tokens that it signed should be rejected once validators have fetched the set."""
        self.published = [jwk for jwk in self.published if jwk.get("kid") != kid]

    def jwks(self) -> dict[str, Any]:
        """The published key set."""
        return {"keys": list(self.published)}

    def sign(self, claims: Mapping[str, Any], *, typ: str = "at+jwt") -> str:
        """``claims`` as a compact JWT, signed with the newest key."""
        return self.signing.sign(claims, typ=typ)

    def forge(self, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
        """A token with a right signature over whatever header and payload are given."""
        return forged(self.signing, header, payload)

    def claims(self, token: str) -> dict[str, Any] | None:
        """The claims of ``token`` where this issuer ever signed it, else None; looks at no claim."""
        try:
            payload = verify_compact(token, KeySet.static({"keys": self._ever}), algorithms=ALGORITHMS)
        except InvalidToken:
            return None
        claims = json.loads(payload)
        return claims if isinstance(claims, dict) else None

    def __repr__(self) -> str:
        return f"IssuerKeys({len(self.published)} published)"


def without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    """``members`` without those that are None."""
    return {name: value for name, value in members.items() if value is not None}


def forged(key: SigningKey, header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
    """A token with a right signature of ``key`` over whatever header and payload are given."""
    parts = (part if isinstance(part, bytes) else json.dumps(part).encode() for part in (header, payload))
    signed = b".".join(base64url.encode(part) for part in parts)
    return b".".join((signed, base64url.encode(key.signature(signed)))).decode()


def process_key() -> PrivateKey:
    """The private key that every issuer of this process begins with."""
    return _private_key("ES256", 0)


@functools.cache
def process_jwk() -> Mapping[str, Any]:
    """Its public half as it is published (RFC 7517); ``kid`` is its thumbprint (RFC 7638)."""
    required = jwk_of(process_key())
    return required | {"kid": thumbprint(required), "use": "sig", "alg": "ES256"}


def jwk_of(key: PrivateKey) -> dict[str, Any]:
    """The public half of ``key`` as a JWK, without a name."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", "n": _integer(numbers.n), "e": _integer(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        size, point = (public.curve.key_size + 7) // 8, public.public_numbers()
        crv = {256: "P-256", 384: "P-384"}[public.curve.key_size]
        return {"kty": "EC", "crv": crv, "x": _integer(point.x, size), "y": _integer(point.y, size)}
    return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(public.public_bytes_raw()).decode()}


@functools.cache
def _private_key(algorithm: str, _number: int) -> PrivateKey:
    """One key for each algorithm and number in the whole process: RSA keys take their time."""
    return new_private_key(algorithm)


def new_private_key(algorithm: str) -> PrivateKey:
    """A new key for one of ``ALGORITHMS``."""
    if algorithm in ("RS256", "PS256"):
        return rsa.generate_private_key(65537, 2048)
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP256R1() if algorithm == "ES256" else ec.SECP384R1())


def _integer(value: int, size: int | None = None) -> str:
    return base64url.encode(value.to_bytes(size or (value.bit_length() + 7) // 8)).decode()
