"""Sealing keys and the text they are written as: ``id:key,id:key`` with base64url keys of 32 bytes."""

import base64
import hashlib
import hmac
import re
import secrets
from typing import Final

from roomkey.secret import Confidential

KEY_BYTES: Final = 32
MOST_KEYS: Final = 16
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_KEY_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{43}=?")
_FORM: Final = "expected id:key,id:key or one bare key, each key 32 bytes in base64url (43 characters)"


class Key(Confidential):
    """One AES-256 key and the id that envelopes name it by; its repr shows the id only."""

    __slots__ = ("id", "value")

    def __init__(self, id: str, value: bytes) -> None:  # noqa: A002 - the word that the format uses
        self.id = id
        self.value = value

    @classmethod
    def generate(cls) -> "Key":
        """A new random key with a derived id."""
        return cls.bare(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def bare(cls, value: bytes) -> "Key":
        """A key without a given id: the id is eight hex digits of a keyed hash, which say nothing of the key."""
        return cls(hmac.digest(value, b"roomkey key id", hashlib.sha256).hex()[:8], value)

    def text(self) -> "KeyText":
        """``id:key``, as :func:`parse` reads it."""
        return KeyText(f"{self.id}:{base64.urlsafe_b64encode(self.value).rstrip(b'=').decode('ascii')}")

    def __repr__(self) -> str:
        return f"Key({self.id})"


class KeyText(Confidential):
    """Text that holds keys, on its way from where it is kept to :func:`parse`."""

    __slots__ = ("value",)

    def __init__(self, value: str) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "KeyText(••••)"


def parse(text: KeyText) -> tuple[Key, ...] | str:
    """The keys in ``text``, or one clause that says what is wrong with it and shows nothing of it.

    Entries are separated by commas or line ends; lines that begin with ``#`` are skipped. The first key seals.
    """
    entries = [
        entry.strip()
        for line in text.value.splitlines()
        if not line.lstrip().startswith("#")
        for entry in line.split(",")
        if entry.strip()
    ]
    if not entries:
        return f"no key in it; {_FORM}"
    if len(entries) > MOST_KEYS:
        return f"more than {MOST_KEYS} keys in it; drop the oldest"
    keys: list[Key] = []
    for number, entry in enumerate(entries, start=1):
        given_id, colon, encoded = entry.rpartition(":")
        # `openssl rand -base64 32` writes the other alphabet; both mean the same bytes
        encoded = encoded.translate(str.maketrans("+/", "-_"))
        if not _KEY_TEXT.fullmatch(encoded):
            return f"entry {number} has no key of the right form; {_FORM}"
        value = base64.urlsafe_b64decode(encoded[:43] + "=")
        if colon and not _ID.fullmatch(given_id):
            return f"the id of entry {number} is not 1 to 32 letters, digits, dots, dashes or underscores"
        if not colon and len(entries) > 1:
            return f"entry {number} has no id; several keys need one each: id:key,id:key"
        keys.append(Key(given_id, value) if colon else Key.bare(value))
    if len({key.id for key in keys}) < len(keys):
        return "two keys have the same id; give every key its own"
    return tuple(keys)
