"""The compact serialization of a signed JWT: written, and parsed strictly (RFC 7515 section 7.1, RFC 8725; pure).

Nothing here verifies a signature: the result is well-formed and nothing more.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, final

from roomkey.jose import base64url, strict_json
from roomkey.jose.reasons import invalid_token
from roomkey.secret import Confidential

_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
LARGEST_TOKEN: Final = 16_384
LARGEST_HEADER: Final = 8_192
LONGEST_KID: Final = 256
_LONGEST_STRING: Final = 256
_UNSUPPORTED: Final = ("crit", "b64", "zip")
_MOST_CACHED: Final = 256
_LONGEST_CACHED: Final = 1_024


@dataclass(frozen=True, slots=True)
class Header:
    """The part of a token's header that is used; keys and URLs in it (jwk, jku, x5c, x5u) are ignored.

    Attributes:
        algorithm: ``alg`` as it stands there; any string.
        kid: the name of the key, or None; compared, and used for nothing else.
        typ: the type as it stands there, or None.
    """

    algorithm: str
    kid: str | None = None
    typ: str | None = None


@final
class Compact(Confidential):
    """A parsed token; its repr shows nothing of it.

    Attributes:
        header: the part of its header that is used.
        payload: the decoded payload, any bytes.
        signature: the decoded signature, not empty.
        signed: the bytes that the signature is over.
        new_header: the encoded header, where it was not known before; else empty.
    """

    __slots__ = ("header", "new_header", "payload", "signature", "signed")

    def __init__(self, header: Header, new_header: bytes, payload: bytes, signature: bytes, signed: bytes) -> None:
        self.header = header
        self.new_header = new_header
        self.payload = payload
        self.signature = signature
        self.signed = signed

    def __repr__(self) -> str:
        return "Compact(…)"


def segment_of(members: Mapping[str, Any]) -> bytes:
    """Return ``members`` as one part of a compact JWT."""
    return base64url.encode(_encode(members).encode())


def write_compact(header: bytes, claims: Mapping[str, Any], sign: Callable[[bytes], bytes]) -> str:
    """Return ``claims`` behind the segment ``header`` as a compact JWT; ``sign`` makes the signature over bytes."""
    signed = b".".join((header, segment_of(claims)))
    return b".".join((signed, base64url.encode(sign(signed)))).decode()


def read_compact(token: str, *, largest: int = LARGEST_TOKEN) -> Compact:
    """Parse ``token``; costs nothing for one that is too large or has the wrong number of dots.

    ``largest`` is the size limit in bytes; larger than usual only for what an issuer publishes.

    Raises InvalidToken, and TypeError where ``token`` is not a str. Safe in any thread.
    """
    if not isinstance(token, str):
        raise TypeError(f"token must be a str, not {type(token).__name__}")
    if len(token) > largest:
        raise invalid_token("too_large")
    if not token.isascii():
        raise invalid_token("malformed")
    signed, _, tail = token.encode().rpartition(b".")
    head, dot, body = signed.partition(b".")
    if not dot or b"." in body:
        raise invalid_token("malformed")
    header, new_header = _known.get(head), b""
    if header is None:
        header, new_header = _read_header(head), head
    payload, signature = base64url.decode(body), base64url.decode(tail)
    if payload is None or not signature:
        raise invalid_token("malformed")
    return Compact(header, new_header, payload, signature, signed)


def read_claims(compact: Compact) -> dict[str, Any]:
    """Return the claims in the payload; raises InvalidToken where it is not a strict JSON object."""
    claims = strict_json.read_object(compact.payload)
    if claims is None:
        raise invalid_token("malformed_payload")
    return claims


def embedded_key(header: bytes) -> object:
    """Return the ``jwk`` in ``header``, the first segment of a token, or None.

    Only a DPoP proof is verified by the key in its own header, and proves nothing until that key is found to be the one
    that a verified token is bound to (RFC 9449 section 4.3).
    """
    return (strict_json.read_object(base64url.decode(header) or b"") or {}).get("jwk")


def remember_header(compact: Compact) -> None:
    """Cache the parsed header of ``compact``; only for a token whose signature is right.

    An issuer's tokens share a few headers; those of forged tokens do not get in.
    """
    if len(compact.new_header) <= _LONGEST_CACHED:
        if len(_known) >= _MOST_CACHED:
            _known.clear()
        _known[compact.new_header] = compact.header


_known: dict[bytes, Header] = {}


def _read_header(segment: bytes) -> Header:
    if len(segment) > LARGEST_HEADER:
        raise invalid_token("too_large")
    data = base64url.decode(segment)
    if not data:
        raise invalid_token("malformed")
    members = strict_json.read_object(data)
    if members is None:
        raise invalid_token("malformed_header")
    algorithm = _string(members, "alg", _LONGEST_STRING)
    if algorithm is None:
        raise invalid_token("malformed_header")
    if any(name in members for name in _UNSUPPORTED):
        raise invalid_token("unsupported_header")
    return Header(algorithm, _string(members, "kid", LONGEST_KID), _string(members, "typ", _LONGEST_STRING))


def _string(members: dict[str, Any], name: str, longest: int) -> str | None:
    if name not in members:
        return None
    value = members[name]
    if not isinstance(value, str) or len(value) > longest:
        raise invalid_token("malformed_header")
    return value


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """Header and claims of a token whose signature was not verified: for display and lifetimes, never for decisions."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read_unverified(token: str) -> UnverifiedToken | None:
    """Return header and claims of ``token``, or None where it is not a JWT of at most 16 KiB; never raises. Pure.

    The form is that of ``read_compact``, but any header is accepted, and a signature may be missing.
    """
    if len(token) > LARGEST_TOKEN or token.count(".") != 2 or not token.isascii():
        return None
    parts = [base64url.decode(segment) for segment in token.encode().split(b".")]
    header, claims = (None if part is None else strict_json.read_object(part) for part in parts[:2])
    return None if header is None or claims is None or parts[2] is None else UnverifiedToken(header, claims)
