"""A strict JSON reader: UTF-8, no member twice, finite numbers of a bounded size, bounded depth (RFC 8259; pure)."""

import json
import math
from typing import Any, Final, NoReturn

DEEPEST: Final = 32
LONGEST_INTEGER: Final = 20


def unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An ``object_pairs_hook`` that raises ValueError where a member occurs twice in one object."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _members_or_none(pairs: list[tuple[str, Any]]) -> dict[str, Any] | None:
    members = dict(pairs)
    return members if len(members) == len(pairs) else None


def _integer(digits: str) -> int:
    if len(digits) > LONGEST_INTEGER and len(digits.removeprefix("-")) > LONGEST_INTEGER:
        raise ValueError("an integer is too long")
    return int(digits)


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def no_constant(name: str) -> NoReturn:
    """A ``parse_constant`` that raises ValueError: NaN and the infinities are not JSON."""
    raise ValueError(f"{name} is not JSON")


_STRICT: Final = json.JSONDecoder(
    object_pairs_hook=unique_members, parse_constant=no_constant, parse_int=_integer, parse_float=_float
)
_LENIENT: Final = json.JSONDecoder(
    object_pairs_hook=_members_or_none, parse_constant=no_constant, parse_int=_integer, parse_float=_float
)


def read_value(data: bytes) -> Any:
    """Return the value in ``data``, or ValueError itself where it is no JSON: raised, its frames would hold the data.

    More lenient than ``read_object``: a byte order mark, long numbers and deep nesting are read too.
    """
    try:
        return json.loads(data.decode("utf-8-sig"), object_pairs_hook=unique_members, parse_constant=no_constant)
    except (ValueError, RecursionError):
        return ValueError


def read_object(data: bytes, decoder: json.JSONDecoder = _STRICT) -> dict[str, Any] | None:
    """Return the object in ``data``, or None where it is anything else; an error would carry the data along."""
    try:
        text = data.decode()
        # As programs write it: to look for space around it takes as long as the rest.
        value, end = decoder.raw_decode(text) if text[:1] == "{" else (None, -1)
        if end != len(text):
            value = decoder.decode(text)
        # Counting brackets is quick, and few of them cannot nest deep.
        if text.count("{") + text.count("[") > DEEPEST and _depth(value) > DEEPEST:
            return None
        if "\\" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")  # half a surrogate pair is not a character
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def read_object_of_objects(data: bytes) -> dict[str, Any] | None:
    """As ``read_object``, but of the objects inside, one with a member twice becomes None and spoils no other."""
    return read_object(data, _LENIENT)


def _depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    return 1 + max(map(_depth, value), default=0) if isinstance(value, list) else 0
