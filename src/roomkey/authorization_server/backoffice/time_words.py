"""Dates and durations as the pages say them (pure)."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = (
    (365 * 86_400, "year"),
    (30 * 86_400, "month"),
    (86_400, "day"),
    (3600, "hour"),
    (60, "minute"),
    (1, "second"),
)


def duration(seconds: int) -> str:
    """``seconds`` in the largest unit that says it exactly, but months only where they are years: ``90 minutes``."""
    for size, unit in _UNITS:
        if unit != "month" and seconds >= size and seconds % size == 0:
            return _count(seconds // size, unit)
    return _count(seconds, "second")


def option(seconds: int) -> str:
    """``seconds`` as the command line takes them: ``30d``, ``12h``, ``90s``."""
    size, letter = next(
        (size, unit[0]) for size, unit in _UNITS if size <= 86_400 and seconds >= size and seconds % size == 0
    )
    return f"{seconds // size}{letter}"


def relative(at: int, now: int) -> str:
    """How far ``at`` lies from ``now``, in one unit: ``in 12 days``, ``3 hours ago``, ``just now``."""
    away = abs(at - now)
    if away < 5:
        return "just now"
    size, unit = next((size, unit) for size, unit in _UNITS if away >= (2 * size if size > 86_400 else size))
    words = _count(round(away / size), unit)
    return f"in {words}" if at > now else f"{words} ago"


def absolute(at: int) -> str:
    """``at`` as a date in UTC, as ``2026-11-25 02:51:07 UTC``; a number where no calendar has it."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return str(at)


def machine(at: int) -> str:
    """``at`` as a program reads it (RFC 3339); empty where no calendar has it."""
    try:
        return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    except (ValueError, OverflowError, OSError):
        return ""


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
