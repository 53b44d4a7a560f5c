"""Random secrets that can be told from junk, and by scanners, without asking anybody: prefix, 256 bits, checksum."""

import enum
import hashlib
import re
import secrets
import zlib
from typing import Final

from roomkey.secret import Confidential

_LETTERS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 43  # letters that hold 256 bits
_CHECKSUM: Final = 6
_SHAPE: Final = re.compile(rf"rk(cs|at|rt|ac|se|su|rc|hs)_[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}", re.ASCII)
LONGEST: Final = 5 + _RANDOM + _CHECKSUM


class SecretKind(enum.StrEnum):
    """What a secret is for; its prefix."""

    CLIENT_SECRET = "rkcs_"  # noqa: S105 - a prefix
    ACCESS_TOKEN = "rkat_"  # noqa: S105
    REFRESH_TOKEN = "rkrt_"  # noqa: S105
    AUTHORIZATION_CODE = "rkac_"
    SESSION = "rkse_"
    SETUP = "rksu_"
    SHARED_SECRET = "rkhs_"  # noqa: S105


class GeneratedSecret(Confidential):
    """A secret that was just made, and what may be kept of it.

    Attributes:
        value: the secret; shown once, kept nowhere.
        digest: its SHA-256, by which it is found again.
        hint: its prefix and its last four characters, for people.
    """

    __slots__ = ("digest", "hint", "value")

    def __init__(self, value: str) -> None:
        self.value = value
        self.digest = digest_of(value)
        self.hint = hint_of(value)

    def __repr__(self) -> str:
        return f"Opaque({self.hint})"


def generate_secret(kind: SecretKind) -> GeneratedSecret:
    """A new secret of ``kind``, from the system's randomness."""
    number = int.from_bytes(secrets.token_bytes(32))
    body = kind.value + _in_letters(number, _RANDOM)
    return GeneratedSecret(body + _checksum(body))


def is_well_formed(value: str, kind: SecretKind) -> bool:
    """Whether ``value`` has the form of a secret of ``kind``, and its checksum is right; costs two microseconds."""
    return (
        len(value) == LONGEST
        and value.startswith(kind.value)
        and _SHAPE.fullmatch(value) is not None
        and _checksum(value[:-_CHECKSUM]) == value[-_CHECKSUM:]
    )


def digest_of(value: str) -> bytes:
    """SHA-256 of any text, whatever stands in it."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def hint_of(value: str) -> str:
    """What people may see of a secret or a token: how it begins and how it ends."""
    return f"{value[:5] if value[:2] == 'rk' else value[:3]}…{value[-4:]}"


def _checksum(body: str) -> str:
    return _in_letters(zlib.crc32(body.encode("ascii")), _CHECKSUM)


def _in_letters(number: int, length: int) -> str:
    letters = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        letters.append(_LETTERS[rest])
    return "".join(letters)
