"""The bytes of a sealed record, without the cipher: version, key id, nonce, ciphertext; and what binds them to a name.

    version (1 byte) | length of the key id (1 byte) | key id (ASCII) | nonce (12 bytes) | ciphertext and tag

Pure functions over bytes: no I/O, no clock.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

VERSION: Final = 1
"""The format that this version of roomkey writes; records of different formats live under different names."""

NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Miss(StrEnum):
    """Why a record that is there cannot be read; to its reader that is the same as no record."""

    DAMAGED = "damaged"
    UNKNOWN_KEY = "unknown_key"
    NEWER_VERSION = "newer_version"


@dataclass(frozen=True, slots=True)
class Envelope:
    """The parts of a sealed record; all of them may be seen by anybody."""

    key_id: str
    nonce: bytes = field(repr=False)
    ciphertext: bytes = field(repr=False)

    def pack(self) -> bytes:
        """The bytes to store."""
        key_id = self.key_id.encode("ascii")
        return bytes((VERSION, len(key_id))) + key_id + self.nonce + self.ciphertext


def unpack(sealed: bytes) -> Envelope | Miss:
    """The parts of ``sealed``, or why it has none."""
    if len(sealed) < 2:
        return Miss.DAMAGED
    version, length = sealed[0], sealed[1]
    if version > VERSION:
        return Miss.NEWER_VERSION
    key_id, rest = sealed[2 : 2 + length], sealed[2 + length :]
    if version != VERSION or not length or len(rest) < NONCE_BYTES + _TAG_BYTES or not key_id.isascii():
        return Miss.DAMAGED
    return Envelope(key_id.decode("ascii"), rest[:NONCE_BYTES], rest[NONCE_BYTES:])


def associated_data(key_id: str, key: str) -> bytes:
    """What the cipher binds the ciphertext to: the format, the key that seals and the name it is stored under.

    Every part goes with its length, so that no two sets of parts give the same bytes.
    """
    parts = (b"roomkey envelope", bytes((VERSION,)), key_id.encode("ascii"), key.encode("utf-8"))
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)
