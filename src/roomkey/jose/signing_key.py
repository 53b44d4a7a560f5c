"""Keys that sign compact JWTs: a private key, or a shared secret by HMAC (RFC 7515 section 3.1, RFC 7518)."""

import hmac
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, Self, cast, final

from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from roomkey.errors import ConfigurationError, SecretUnavailable
from roomkey.jose import base64url
from roomkey.jose.compact import segment_of, write_compact
from roomkey.jose.key_policy import rsa_problem
from roomkey.jose.verification_key import HASHES, JWK_CURVES, PSS, is_pss_only, suitable
from roomkey.secret import Confidential, Secret

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey


@final
class SigningKey(Confidential):
    """Signs; ``algorithm`` is what it signs with and ``key_id`` its ``kid``, or None. Its repr shows no more than that.

    Safe in any thread; does no I/O.
    """

    __slots__ = ("_headers", "_sign", "algorithm", "key_id")

    def __init__(self, key: PrivateKey, *, algorithm: str | None = None, key_id: str | None = None) -> None:
        """Sign with ``key``; raises ConfigurationError where ``algorithm`` is not one for it, or it is too weak."""
        self._headers: dict[str, bytes] = {}  # by type: a program signs a few types
        self.algorithm = algorithm or ""
        self.key_id = key_id
        known = _suitable(key)
        if algorithm is None:
            self.algorithm = known[0]
        elif algorithm not in known:
            raise ConfigurationError(f"This private key signs {' or '.join(known)}; set algorithm= to one of these.")
        self._sign = _signer(key, self.algorithm)

    @classmethod
    def read(
        cls,
        secret: Secret,
        *,
        algorithm: str | None = None,
        key_id: str | None = None,
        accepted: Sequence[str] = (),
    ) -> Self:
        """Return the key in ``secret``: PEM, or a JWK, whose ``alg`` and ``kid`` are the defaults.

        Where no algorithm is named, it is the first one for the key that is among those ``accepted`` by the receiver.

        May block on the secret's file or callable; raises ConfigurationError, which shows nothing of it.
        """
        parsed = _parsed(secret)
        if parsed is None:
            raise ConfigurationError(
                "The private key cannot be read; give a PEM block (PKCS #8) without a passphrase, or a private JWK."
            )
        algorithm = algorithm or parsed.algorithm
        known = PSS if parsed.pss_only else _suitable(parsed.key)
        if algorithm is None:
            algorithm = next((one for one in known if one in accepted), known[0])
        elif parsed.pss_only and algorithm not in known:
            raise ConfigurationError(f"This private key signs {' or '.join(known)}; set algorithm= to one of these.")
        return cls(parsed.key, algorithm=algorithm, key_id=key_id or parsed.key_id)

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """Return ``claims`` as a compact JWT."""
        header = self._headers.get(typ)
        if header is None:
            members = {"alg": self.algorithm, "typ": typ} | ({} if self.key_id is None else {"kid": self.key_id})
            header = self._headers[typ] = segment_of(members)
        return write_compact(header, claims, self._sign)

    def signature(self, data: bytes) -> bytes:
        """Return the signature of ``data`` in the form of RFC 7518."""
        return self._sign(data)

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm}, kid={self.key_id!r})"


def _suitable(key: PrivateKey) -> tuple[str, ...]:
    known: tuple[str, ...] = ()
    if isinstance(key, rsa.RSAPrivateKey):
        numbers = key.public_key().public_numbers()
        known = () if rsa_problem(numbers.n, numbers.e) else suitable(key.public_key())
    elif isinstance(key, ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        known = suitable(key.public_key())
    if not known:
        raise ConfigurationError(
            "The private key cannot be used: it must be RSA of 2048 bits or more, P-256, P-384, P-521, secp256k1, "
            "Ed25519 or Ed448."
        )
    return known


def _signer(key: PrivateKey, algorithm: str) -> Callable[[bytes], bytes]:
    """Return the function that signs by ``algorithm``, in the form of RFC 7518."""
    if isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey):
        return key.sign
    digest = HASHES[algorithm[2:5]]()
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return _ecdsa(key, ec.ECDSA(digest))
    pss = padding.PSS(padding.MGF1(digest), padding.PSS.DIGEST_LENGTH)
    pad = padding.PKCS1v15() if algorithm.startswith("RS") else pss
    return lambda data: key.sign(data, pad, digest)


def _ecdsa(key: ec.EllipticCurvePrivateKey, scheme: ec.ECDSA) -> Callable[[bytes], bytes]:
    half = (key.curve.key_size + 7) // 8

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, scheme))
        return r.to_bytes(half) + s.to_bytes(half)

    return sign


class _Parsed(NamedTuple):
    key: PrivateKey
    algorithm: str | None = None
    key_id: str | None = None
    pss_only: bool = False


def _parsed(secret: Secret) -> _Parsed | None:
    """Return None where it is no key: an exception's traceback would have the key in its frames."""
    try:
        text = secret.reveal()
        if not text.lstrip().startswith("{"):
            key = cast("PrivateKey", load_pem_private_key(text.encode(), password=None))
            return _Parsed(key, pss_only=is_pss_only(text))
        jwk = json.loads(text)
        numbers = _private_numbers(jwk)
        return None if numbers is None else _Parsed(numbers, _string(jwk, "alg"), _string(jwk, "kid"))
    except SecretUnavailable:
        raise
    except Exception:  # noqa: BLE001 - a malformed key raises many kinds of errors
        return None


def _private_numbers(jwk: Mapping[str, Any]) -> PrivateKey | None:
    """Return the key of RFC 7518 section 6 and RFC 8037 section 2."""

    def octets(name: str) -> bytes:
        data = base64url.decode(jwk[name].encode())
        if data is None:
            raise ValueError("not base64url")
        return data

    def number(name: str) -> int:
        return int.from_bytes(octets(name))

    match jwk.get("kty"), jwk.get("crv"):
        case "RSA", _:
            public = rsa.RSAPublicNumbers(number("e"), number("n"))
            p, q, d = number("p"), number("q"), number("d")
            return rsa.RSAPrivateNumbers(
                p, q, d, rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q), public
            ).private_key()
        case "EC", str(curve) if curve in JWK_CURVES:
            point = ec.EllipticCurvePublicNumbers(number("x"), number("y"), JWK_CURVES[curve]())
            return ec.EllipticCurvePrivateNumbers(number("d"), point).private_key()
        case "OKP", "Ed25519":
            return ed25519.Ed25519PrivateKey.from_private_bytes(octets("d"))
        case "OKP", "Ed448":
            return ed448.Ed448PrivateKey.from_private_bytes(octets("d"))
    return None


def _string(jwk: Mapping[str, Any], name: str) -> str | None:
    value = jwk.get(name)
    return value if isinstance(value, str) else None


_CURVES: Final = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}


def public_jwk(key: PrivateKey) -> dict[str, Any]:
    """Return the public half of ``key`` as it is published, without a ``kid``; holds no private member (RFC 7517)."""
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


_SHORTEST: Final = 32


@final
class HMACKey(Confidential):
    """Signs by HS256; ``algorithm`` says so. It has no ``kid``: it is never published. Its repr shows nothing of it.

    Safe in any thread; does no I/O.
    """

    __slots__ = ("_secret", "algorithm")

    def __init__(self, secret: bytes) -> None:
        """Sign with ``secret``, at least 32 bytes; raises ConfigurationError."""
        self._secret = secret
        self.algorithm = "HS256"
        short = len(secret) < _SHORTEST
        del secret
        if short:
            raise ConfigurationError(f"A shared secret for HS256 must have at least {_SHORTEST} bytes.")

    def sign(self, claims: Mapping[str, Any], *, typ: str = "JWT") -> str:
        """Return ``claims`` as a compact JWT."""
        return write_compact(segment_of({"alg": self.algorithm, "typ": typ}), claims, self.signature)

    def signature(self, data: bytes) -> bytes:
        """Return the HMAC of ``data``."""
        return hmac.digest(self._secret, data, "sha256")

    def __repr__(self) -> str:
        return "HMACKey(HS256)"
