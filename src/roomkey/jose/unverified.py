"""A look into a JWT without judging it: for people, for lifetimes, never for decisions."""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

_LONGEST_TOKEN: Final = 16_384
_DEEPEST: Final = 32
_SEGMENTS: Final = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*")


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """Header and claims as they stand in a token that nobody has verified."""

    header: Mapping[str, Any] = field(repr=False)
    claims: Mapping[str, Any] = field(repr=False)


def read_unverified(token: str) -> UnverifiedToken | None:
    """Header and claims of ``token``, or None where it is not a JWT of at most 16 KiB; never raises, does no I/O."""
    if len(token) > _LONGEST_TOKEN or not _SEGMENTS.fullmatch(token):
        return None
    try:
        header, claims = (_object(segment) for segment in token.split(".")[:2])
    except (ValueError, RecursionError):
        return None
    return UnverifiedToken(header, claims)


def _object(segment: str) -> Mapping[str, Any]:
    try:
        data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    except binascii.Error:
        raise ValueError("not base64url") from None
    if base64.urlsafe_b64encode(data).rstrip(b"=").decode() != segment:
        raise ValueError("not canonical base64url")
    value = json.loads(data.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    if not isinstance(value, dict) or _depth(value) > _DEEPEST:
        raise ValueError("not a plain JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands in it twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
