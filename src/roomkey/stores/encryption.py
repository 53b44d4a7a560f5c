"""Encryption at rest: AES-256-GCM, the keys that encrypt, and the format of an encrypted record.

    version (1 byte) | length of the key id (1 byte) | key id (ASCII) | nonce (12 bytes) | ciphertext and tag

Pure functions over bytes: no I/O, no clock. ``Keyring`` knows where the keys come from.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from roomkey.secret import Confidential

VERSION: Final = 1
"""The format that this version of roomkey writes; records of different formats live under different names."""

KEY_BYTES: Final = 32
MOST_KEYS: Final = 16
NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_ID: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_KEY_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{43}=?")
_FORM: Final = "expected id:key,id:key or one bare key, each key 32 bytes in base64url (43 characters)"


class Miss(StrEnum):
    """Why a record that is there cannot be read; to its reader that is the same as no record."""

    DAMAGED = "damaged"
    UNKNOWN_KEY = "unknown_key"
    NEWER_VERSION = "newer_version"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of an encrypted record; none of them is secret."""

    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    def pack(self) -> bytes:
        """The bytes to store."""
        key_id = self.key_id.encode("ascii")
        return bytes((VERSION, len(key_id))) + key_id + self.nonce + self.ciphertext


def unpack(encrypted: bytes) -> Envelope | Miss:
    """The parts of ``encrypted``, or why it has none."""
    if len(encrypted) < 2:
        return Miss.DAMAGED
    version, length = encrypted[0], encrypted[1]
    if version > VERSION:
        return Miss.NEWER_VERSION
    key_id, rest = encrypted[2 : 2 + length], encrypted[2 + length :]
    if version != VERSION or not length or len(rest) < NONCE_BYTES + _TAG_BYTES or not key_id.isascii():
        return Miss.DAMAGED
    return Envelope(key_id.decode("ascii"), rest[:NONCE_BYTES], rest[NONCE_BYTES:])


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Key(Confidential):
    """One AES-256 key and the id that records name it by; its repr shows the id only."""

    id: str
    value: bytes

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


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class KeyText(Confidential):
    """A string that holds keys, on its way from where it is kept to :func:`parse`."""

    value: str

    def __repr__(self) -> str:
        return "KeyText(••••)"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Opened(Confidential):
    """A decrypted record; ``current`` is False where an older key than the first one had encrypted it."""

    plaintext: bytes
    current: bool

    def __repr__(self) -> str:
        return f"Opened({len(self.plaintext)} bytes, current={self.current})"


def encrypt(plaintext: bytes, key: Key, *, name: str) -> bytes:
    """``plaintext`` encrypted by ``key`` and bound to ``name``, the store key that it is kept under."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    nonce = secrets.token_bytes(NONCE_BYTES)
    return Envelope(key.id, nonce, AESGCM(key.value).encrypt(nonce, plaintext, _associated_data(key.id, name))).pack()


def decrypt(encrypted: bytes, read: Callable[[], Sequence[Key]], *, name: str) -> Opened | Miss:
    """The plaintext that one of the keys of ``read`` encrypted under ``name``, or why not; nothing in it raises."""
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    envelope = unpack(encrypted)
    if isinstance(envelope, Miss):
        return envelope
    for number, key in enumerate(read()):
        if key.id == envelope.key_id:
            bound_to = _associated_data(key.id, name)
            try:
                plaintext = AESGCM(key.value).decrypt(envelope.nonce, envelope.ciphertext, bound_to)
            except InvalidTag:
                return Miss.DAMAGED
            return Opened(plaintext, current=number == 0)
    return Miss.UNKNOWN_KEY


def _associated_data(key_id: str, name: str) -> bytes:
    """The bytes that the ciphertext is bound to: the format, the key that encrypts and the name it is stored under.

    Every part goes with its length, so that no two sets of parts give the same bytes.
    """
    encoded = b""
    for part in (b"roomkey envelope", bytes((VERSION,)), key_id.encode("ascii"), name.encode("utf-8")):
        encoded += len(part).to_bytes(4, "big") + part
    return encoded


def parse(text: KeyText) -> tuple[Key, ...] | str:
    """The keys in ``text``, or one clause that says what is wrong with it and shows nothing of it.

    Entries are separated by commas or line ends; lines that begin with ``#`` are skipped. The first key encrypts.
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
