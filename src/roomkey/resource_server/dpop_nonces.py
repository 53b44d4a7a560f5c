"""Nonces that an API gives out for proofs and keeps nowhere: each is the MAC of its time (RFC 9449 section 8; pure)."""

import hashlib
import hmac
from typing import final

from roomkey.jose import base64url
from roomkey.secret import Confidential

_LENGTH = 16


@final
class Nonces(Confidential):
    """A new nonce every ``lifetime`` seconds; the one before and the one after are good too.

    Processes with the same secret give out the same ones. A new secret is a new series: a client that comes with an old
    nonce is told the new one.
    """

    __slots__ = ("_key", "_lifetime")

    def __init__(self, secret: bytes, lifetime: float) -> None:
        self._key = hmac.digest(secret, b"roomkey DPoP nonce", hashlib.sha256)
        self._lifetime = lifetime

    def current(self, now: float) -> str:
        """The one to use at ``now``, in seconds since 1970."""
        return self._numbered(self._number(now))

    def good(self, nonce: str, now: float) -> bool:
        """True for one that was current at ``now`` or shortly before, or is so where a clock goes ahead."""
        number, given = self._number(now), nonce.encode()
        return any(hmac.compare_digest(self._numbered(number + step).encode(), given) for step in (0, -1, 1))

    def _number(self, now: float) -> int:
        return int(now // self._lifetime)

    def _numbered(self, number: int) -> str:
        mac = hmac.digest(self._key, number.to_bytes(8, signed=True), hashlib.sha256)
        return base64url.encode(mac[:_LENGTH]).decode()

    def __repr__(self) -> str:
        return "Nonces(…)"
