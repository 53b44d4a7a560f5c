"""The answer to a refresh, kept so that only whoever has the refresh token can read it again (pure but for a nonce)."""

import hashlib
import hmac
import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from roomkey.secret import Confidential

_LABEL: Final = b"roomkey refresh answer 1"
_NONCE: Final = 12


class AnswerKey(Confidential):
    """A key that follows from a refresh token of 256 random bits, and that the database never sees."""

    __slots__ = ("_key",)

    def __init__(self, refresh_token: str) -> None:
        self._key = hmac.digest(refresh_token.encode(), _LABEL, hashlib.sha256)

    def seal(self, answer: bytes) -> bytes:
        """``answer``, sealed."""
        nonce = os.urandom(_NONCE)
        return nonce + AESGCM(self._key).encrypt(nonce, answer, _LABEL)

    def open(self, sealed: bytes) -> bytes | None:
        """The answer again, or None where another token sealed it."""
        try:
            return AESGCM(self._key).decrypt(sealed[:_NONCE], sealed[_NONCE:], _LABEL)
        except InvalidTag:
            return None

    def __repr__(self) -> str:
        return "AnswerKey(…)"
