"""Format of generated secrets: a prefix that secret scanners recognise, 256 random bits, and a checksum."""

import enum
import hashlib
import re
import secrets
import zlib
from typing import Final

from roomkey.secret import Confidential

_BASE62: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_RANDOM: Final = 43  # base62 characters that hold 256 bits
_CHECKSUM: Final = 6
_SHAPE: Final = re.compile(rf"rk(cs|at|rt|ac|se|su|rc|hs)_[0-9A-Za-z]{{{_RANDOM + _CHECKSUM}}}", re.ASCII)
LENGTH: Final = 5 + _RANDOM + _CHECKSUM


class SecretKind(enum.StrEnum):
    """The use of a secret, with its prefix."""

    CLIENT_SECRET = "rkcs_"  # noqa: S105 - a prefix
    ACCESS_TOKEN = "rkat_"  # noqa: S105
    REFRESH_TOKEN = "rkrt_"  # noqa: S105
    AUTHORIZATION_CODE = "rkac_"
    SESSION = "rkse_"
    SETUP = "rksu_"
    SHARED_SECRET = "rkhs_"  # noqa: S105


class GeneratedSecret(Confidential):
    """A secret that was just generated, and what may be stored of it.

    Attributes:
        value: the secret; shown once, stored nowhere.
        digest: its SHA-256, by which it is found again.
        hint: its prefix and its last four characters, for lists and logs.
    """

    __slots__ = ("digest", "hint", "value")

    def __init__(self, value: str) -> None:
        self.value = value
        self.digest = digest_of(value)
        self.hint = hint_of(value)

    def __repr__(self) -> str:
        return f"GeneratedSecret({self.hint})"


def generate_secret(kind: SecretKind) -> GeneratedSecret:
    """Generate a secret of ``kind`` from the system's randomness."""
    number = int.from_bytes(secrets.token_bytes(32))
    body = kind.value + _base62(number, _RANDOM)
    return GeneratedSecret(body + _checksum(body))


def is_well_formed(value: str, kind: SecretKind) -> bool:
    """Return whether ``value`` is a secret of ``kind`` with a right checksum; costs two microseconds."""
    return (
        len(value) == LENGTH
        and value.startswith(kind.value)
        and _SHAPE.fullmatch(value) is not None
        and _checksum(value[:-_CHECKSUM]) == value[-_CHECKSUM:]
    )


def digest_of(value: str) -> bytes:
    """Return the SHA-256 of any string, lone surrogates included."""
    return hashlib.sha256(value.encode("utf-8", "surrogatepass")).digest()


def hint_of(value: str) -> str:
    """Return the first and last characters of a secret or a token, which lists and logs may show."""
    return f"{value[:5] if value[:2] == 'rk' else value[:3]}…{value[-4:]}"


def _checksum(body: str) -> str:
    return _base62(zlib.crc32(body.encode("ascii")), _CHECKSUM)


def _base62(number: int, length: int) -> str:
    digits = []
    for _ in range(length):
        number, rest = divmod(number, 62)
        digits.append(_BASE62[rest])
    return "".join(digits)
