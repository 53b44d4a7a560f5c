"""A key that verifies signatures, checked when it is loaded: a JWK, a PEM block or a shared secret (pure).

RFC 7517, RFC 7518 section 3, RFC 8037, RFC 8812, RFC 9864. The primitives are those of ``cryptography``.
"""

import binascii
import functools
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, final

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from roomkey.jose import base64url
from roomkey.jose.compact import LONGEST_KID, Compact, Header, remember_header
from roomkey.jose.key_policy import edwards_problem, rsa_problem
from roomkey.jose.reasons import invalid_token
from roomkey.secret import Confidential

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey | ed448.Ed448PublicKey
Verifier = Callable[[bytes, bytes], bool]
"""Takes a signature and what it is over; returns True where it is right. Raises nothing."""

HASHES: Final[Mapping[str, type[hashes.HashAlgorithm]]] = {
    "256": hashes.SHA256,
    "384": hashes.SHA384,
    "512": hashes.SHA512,
}
SYMMETRIC: Final = tuple(f"HS{size}" for size in HASHES)
PSS: Final = tuple(f"PS{size}" for size in HASHES)
RSA: Final = (*(f"RS{size}" for size in HASHES), *PSS)
CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512", "secp256k1": "ES256K"}
ED25519: Final = ("EdDSA", "Ed25519")
ED448: Final = ("EdDSA", "Ed448")
ALGORITHMS: Final = frozenset({*SYMMETRIC, *RSA, *CURVES.values(), *ED25519, *ED448})

_WRONG: Final = (InvalidSignature, UnsupportedAlgorithm, ValueError)


_PEM_KEY: Final = re.compile(r"-----BEGIN (?:PRIVATE|PUBLIC) KEY-----([A-Za-z0-9+/=\s]+)")
_ID_RSASSA_PSS: Final = bytes.fromhex("06092a864886f70d01010a")
_ALGORITHM_WITHIN: Final = 64  # characters of base64 that surely hold the algorithm's identifier


def is_pss_only(pem: str) -> bool:
    """Return whether the PEM key is of the type id-RSASSA-PSS, which is for PSS alone (RFC 4055 section 1.2)."""
    found = _PEM_KEY.search(pem)
    start = "" if found is None else "".join(found[1].split())[:_ALGORITHM_WITHIN]
    return _ID_RSASSA_PSS in binascii.a2b_base64(start)[:32]


def suitable(key: PublicKey) -> tuple[str, ...]:
    """Return the algorithms that ``key`` can be used with; none for a curve that is not in ``CURVES``."""
    if isinstance(key, rsa.RSAPublicKey):
        return RSA
    if isinstance(key, ec.EllipticCurvePublicKey):
        return tuple(CURVES[name] for name in (key.curve.name,) if name in CURVES)
    return ED25519 if isinstance(key, ed25519.Ed25519PublicKey) else ED448


def verifier(key: PublicKey, algorithm: str) -> Verifier:
    """Return what checks signatures of ``algorithm``, one of ``suitable(key)``, with ``key``."""
    if isinstance(key, rsa.RSAPublicKey):
        return _rsa_verifier(key, algorithm)
    if isinstance(key, ec.EllipticCurvePublicKey):
        return _ecdsa_verifier(key, HASHES[algorithm[2:5]]())
    return _eddsa_verifier(key)


def secret_verifier(secret: bytes, algorithm: str) -> Verifier:
    """Return what checks HMACs of ``algorithm``, one of ``SYMMETRIC``, with ``secret``."""
    name = f"sha{algorithm[2:]}"

    def verify(signature: bytes, signed: bytes) -> bool:
        return hmac.compare_digest(hmac.digest(secret, signed, name), signature)

    return verify


def _rsa_verifier(key: rsa.RSAPublicKey, algorithm: str) -> Verifier:
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


def _ecdsa_verifier(key: ec.EllipticCurvePublicKey, digest: hashes.HashAlgorithm) -> Verifier:
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


def _eddsa_verifier(key: ed25519.Ed25519PublicKey | ed448.Ed448PublicKey) -> Verifier:
    def verify(signature: bytes, signed: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except _WRONG:
            return False
        return True

    return verify


JWK_CURVES: Final[Mapping[str, Callable[[], ec.EllipticCurve]]] = {
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "secp256k1": ec.SECP256K1,
}
_EDWARDS: Final[Mapping[str, tuple[int, Callable[[bytes], PublicKey]]]] = {
    "Ed25519": (32, ed25519.Ed25519PublicKey.from_public_bytes),
    "Ed448": (57, ed448.Ed448PublicKey.from_public_bytes),
}
_PRIVATE: Final = ("d", "p", "q", "dp", "dq", "qi", "oth")
_LONGEST_NUMBER: Final = 2_048


class UnusableKey(Exception):
    """A key that is rejected; ``reason`` is a stable code, and nothing of the key stands in it.

    ``malformed``, ``unsupported_key_type``, ``unsupported_curve``, ``unsupported_algorithm``, ``algorithm_mismatch``,
    ``not_for_signatures`` (use, key_ops), ``private_key``, ``symmetric_key`` (in a published set), ``weak_key``,
    ``oversized_key``, ``roca``, ``invalid_point``, ``ambiguous_kid`` (two shared secrets with one name).
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@final
class VerificationKey(Confidential):
    """A key that was accepted; its repr shows its name and its algorithms.

    Attributes:
        kid: its name, or None.
        verifiers: the function that checks a signature, by each algorithm that the key is bound to.
    """

    __slots__ = ("kid", "verifiers")

    def __init__(self, kid: str | None, verifiers: Mapping[str, Verifier]) -> None:
        self.kid = kid
        self.verifiers = verifiers

    def __repr__(self) -> str:
        return f"VerificationKey({self.kid!r}, {' '.join(self.verifiers)})"


def read_jwk(jwk: object, *, published: bool) -> VerificationKey:
    """Return the key in ``jwk``, a parsed JWK; raises UnusableKey.

    ``published`` is True for one that comes from a URL: a shared secret must not be published.
    """
    if not isinstance(jwk, Mapping) or not all(isinstance(name, str) for name in jwk):
        raise UnusableKey("malformed")
    kid, kty = _string(jwk, "kid"), _string(jwk, "kty")
    if kid is not None and len(kid) > LONGEST_KID:
        raise UnusableKey("malformed")
    _check_purpose(jwk)
    algorithm = _string(jwk, "alg")
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise UnusableKey("unsupported_algorithm")
    if kty == "oct":
        if published:
            raise UnusableKey("symmetric_key")
        return _secret(_bytes(jwk, "k"), kid, algorithm)
    if any(jwk.get(name) is not None for name in _PRIVATE):
        raise UnusableKey("private_key")
    return _public(_PUBLIC_KEYS.get(kty or "", _unknown)(jwk), kid, algorithm)


def read_pem(pem: str) -> VerificationKey:
    """Return the public key in a PEM block (SubjectPublicKeyInfo); raises UnusableKey."""
    if "PRIVATE KEY" in pem:
        raise UnusableKey("private_key")
    try:
        key = load_pem_public_key(pem.encode())
        pss_only = is_pss_only(pem)
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if key is None:
        raise UnusableKey("malformed")
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        _check(rsa_problem(numbers.n, numbers.e))
        if pss_only:
            return VerificationKey(None, {name: verifier(key, name) for name in PSS})
    elif isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        _check(edwards_problem(key.public_bytes_raw()))
    elif not isinstance(key, ec.EllipticCurvePublicKey):
        raise UnusableKey("unsupported_key_type")
    return _public(key, None, None)


def read_secret(secret: bytes) -> VerificationKey:
    """Return a shared secret, for HMAC with hashes that are no longer than it is; raises UnusableKey."""
    return _secret(secret, None, None)


def _public(key: PublicKey, kid: str | None, algorithm: str | None) -> VerificationKey:
    known = suitable(key)
    if not known:
        raise UnusableKey("unsupported_curve")
    if algorithm is not None and algorithm not in known:
        raise UnusableKey("algorithm_mismatch")
    bound = known if algorithm is None else (algorithm,)
    return VerificationKey(kid, {name: verifier(key, name) for name in bound})


def _secret(secret: bytes, kid: str | None, algorithm: str | None) -> VerificationKey:
    if algorithm is not None and algorithm not in SYMMETRIC:
        raise UnusableKey("algorithm_mismatch")
    wanted = SYMMETRIC if algorithm is None else (algorithm,)
    bound = [name for name in wanted if len(secret) * 8 >= int(name[2:])]
    if not bound:
        raise UnusableKey("weak_key")
    return VerificationKey(kid, {name: secret_verifier(secret, name) for name in bound})


def _check_purpose(jwk: Mapping[str, Any]) -> None:
    if _string(jwk, "use") not in {None, "sig"}:
        raise UnusableKey("not_for_signatures")
    if jwk.get("key_ops") is not None:
        operations = jwk["key_ops"]
        if not isinstance(operations, list) or not all(isinstance(one, str) for one in operations):
            raise UnusableKey("malformed")
        if "verify" not in operations:
            raise UnusableKey("not_for_signatures")


def _rsa(jwk: Mapping[str, Any]) -> PublicKey:
    modulus, exponent = int.from_bytes(_bytes(jwk, "n")), int.from_bytes(_bytes(jwk, "e"))
    _check(rsa_problem(modulus, exponent))
    return _build(lambda: rsa.RSAPublicNumbers(exponent, modulus).public_key(), "malformed")


def _elliptic(jwk: Mapping[str, Any]) -> PublicKey:
    name = _string(jwk, "crv") or ""
    if name not in JWK_CURVES:
        raise UnusableKey("unsupported_curve")
    curve = JWK_CURVES[name]()
    x, y = _bytes(jwk, "x"), _bytes(jwk, "y")
    if not len(x) == len(y) == (curve.key_size + 7) // 8:
        raise UnusableKey("malformed")
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(x), int.from_bytes(y), curve)
    return _build(numbers.public_key, "invalid_point")


def _edwards(jwk: Mapping[str, Any]) -> PublicKey:
    name = _string(jwk, "crv") or ""
    if name not in _EDWARDS:
        raise UnusableKey("unsupported_curve")
    size, make = _EDWARDS[name]
    encoded = _bytes(jwk, "x")
    if len(encoded) != size:
        raise UnusableKey("malformed")
    _check(edwards_problem(encoded))
    return _build(lambda: make(encoded), "invalid_point")


def _unknown(_: Mapping[str, Any]) -> PublicKey:
    raise UnusableKey("unsupported_key_type")


_PUBLIC_KEYS: Final[Mapping[str, Callable[[Mapping[str, Any]], PublicKey]]] = {
    "RSA": _rsa,
    "EC": _elliptic,
    "OKP": _edwards,
}


def _build(make: Callable[[], PublicKey], otherwise: str) -> PublicKey:
    try:
        return make()
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey(otherwise) from None


def _check(problem: str) -> None:
    if problem:
        raise UnusableKey(problem)


def _string(jwk: Mapping[str, Any], name: str) -> str | None:
    value = jwk.get(name)
    if value is None:  # null members are absent members: some servers write every member that they know
        return None
    if not isinstance(value, str):
        raise UnusableKey("malformed")
    return value


def _bytes(jwk: Mapping[str, Any], name: str) -> bytes:
    value = _string(jwk, name)
    if value is None or len(value) > _LONGEST_NUMBER or not value.isascii():
        raise UnusableKey("malformed")
    data = base64url.decode(value.encode())
    if data is None:
        raise UnusableKey("malformed")
    return data


_REQUIRED: Final = {"EC": ("crv", "kty", "x", "y"), "RSA": ("e", "kty", "n"), "OKP": ("crv", "kty", "x")}


def thumbprint(jwk: Mapping[str, Any]) -> str:
    """Return the SHA-256 thumbprint of ``jwk`` (RFC 7638) in base64url; ``read_jwk`` must accept it as a public key."""
    required = {name: jwk[name] for name in _REQUIRED[jwk["kty"]]}
    digest = hashlib.sha256(json.dumps(required, separators=(",", ":")).encode()).digest()
    return base64url.encode(digest).decode()


def allowed_algorithms(algorithms: Iterable[str]) -> frozenset[str]:
    """Return ``algorithms`` as a set of known names.

    Raises TypeError for a single str, ValueError where a name is unknown (``none`` is) or there is none.
    """
    if isinstance(algorithms, str | bytes):
        raise TypeError('algorithms= must be a list of names, such as ["ES256"]')
    return _allowed(tuple(algorithms))


@functools.lru_cache(maxsize=64)
def _allowed(algorithms: tuple[str, ...]) -> frozenset[str]:
    unknown = [name for name in algorithms if name not in ALGORITHMS]
    if unknown or not algorithms:
        raise ValueError(f"algorithms= must name at least one of {', '.join(sorted(ALGORITHMS))}, and no others")
    return frozenset(algorithms)


def check_algorithm(header: Header, allowed: frozenset[str]) -> None:
    """Raise InvalidToken where the algorithm of ``header`` is not ``allowed``; before any key is looked up."""
    if header.algorithm not in allowed:
        raise invalid_token("algorithm_not_allowed")


def check_signature(compact: Compact, keys: Iterable[VerificationKey]) -> VerificationKey:
    """Return the one of ``keys`` that signed ``compact``; raises InvalidToken. ``keys`` come from ``KeySet.find``."""
    for key in keys:
        if key.verifiers[compact.header.algorithm](compact.signature, compact.signed):
            if compact.new_header:
                remember_header(compact)
            return key
    raise invalid_token("bad_signature")
