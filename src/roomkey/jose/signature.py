"""Which algorithms there are, and the check of a signature with a key that has been judged; pure.

RFC 7518 section 3, RFC 8037, RFC 8812, RFC 9864. The primitives are those of ``cryptography``.
"""

import hmac
from collections.abc import Callable, Mapping
from typing import Final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
Verifier = Callable[[bytes, bytes], bool]
"""Takes a signature and what it is over; True where it is right. Raises nothing."""

HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
SYMMETRIC: Final = tuple(f"HS{size}" for size in HASHES)
RSA: Final = tuple(f"{kind}{size}" for kind in ("RS", "PS") for size in HASHES)
CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
ED25519: Final = ("EdDSA", "Ed25519")
ED448: Final = ("EdDSA", "Ed448")
ALGORITHMS: Final = frozenset({*SYMMETRIC, *RSA, *CURVES.values(), *ED25519, *ED448})

_WRONG: Final = (InvalidSignature, UnsupportedAlgorithm, ValueError)


def suitable(key: PublicKey) -> tuple[str, ...]:
    """The algorithms that ``key`` can be used with; none for a curve that is not in ``CURVES``."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return tuple(CURVES[name] for name in (key.curve.name,) if name in CURVES)
    return ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else ED448


def verifier(key: PublicKey, algorithm: str) -> Verifier:
    """What checks signatures of ``algorithm``, one of ``suitable(key)``, with ``key``."""
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa(key, algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa(key, HASHES[algorithm[2:5]]())
    return _eddsa(key)


def secret_verifier(secret: bytes, algorithm: str) -> Verifier:
    """What checks HMACs of ``algorithm``, one of ``SYMMETRIC``, with ``secret``."""
    name = f"sha{algorithm[2:]}"

    def verify(signature: bytes, signed: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, signed, name), signature)

    return verify


def _rsa(key: rsa.RSAPublicKey, algorithm: str) -> Verifier:
    digest = HASHES[algorithm[2:]]()
    if algorithm.startswith("PS"):
        pad: padding.AsymmetricPadding = padding.PSS(padding.MGF1(digest), digest.digest_size)
    else:
        pad = padding.PKCS1v15()

    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed, pad, digest)
        except _WRONG:
            return False
        return True

    return verify


def _ecdsa(key: ec.EllipticCurvePublicKey, digest: hashes.HashAlgorithm) -> Verifier:
    half = (key.curve.key_size + 7) // 8
    scheme = ec.ECDSA(digest)

    def verify(signature: bytes, signed: bytes) -> bool:
        if len(signature) != 2 * half:
            return False
        r, s = int.from_bytes(signature[:half]), int.from_bytes(signature[half:])
        try:
            key.verify(encode_dss_signature(r, s), signed, scheme)
        except _WRONG:
            return False
        return True

    return verify


def _eddsa(key: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) -> Verifier:
    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except _WRONG:
            return False
        return True

    return verify
