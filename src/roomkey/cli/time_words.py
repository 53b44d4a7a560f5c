"""Durations and dates in words: ``4 min 12 s``, ``2 h ago`` (pure)."""

import itertools
from datetime import UTC, datetime

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def duration(seconds: float) -> str:
    """``seconds`` in its two largest units: ``4 min 12 s``, ``3 d 2 h``; below ten seconds with one decimal."""
    if seconds < 0:
        return f"-{duration(-seconds)}"
    if seconds < 9.95:
        return f"{seconds:.1f} s".replace(".0 ", " ")
    rest = round(seconds)
    for (size, unit), (smaller, name) in itertools.pairwise(_UNITS):
        if rest >= size:
            whole, left = divmod(rest, size)
            return f"{whole} {unit} {left // smaller} {name}" if left // smaller else f"{whole} {unit}"
    return f"{rest} s"


def coarse(seconds: float) -> str:
    """``seconds``, not negative, in their largest unit alone, rounded down: ``4 min``, ``39 d``."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), _UNITS[-1])
    return f"{int(seconds // size)} {unit}"


def date(epoch: float) -> str:
    """Seconds since 1970 as a date in UTC, or as a number where it is out of the calendar's range."""
    try:
        return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    except (ValueError, OverflowError, OSError):
        return f"{epoch:g}"


def relative(epoch: float, now: float) -> str:
    """How far ``epoch`` lies from ``now``: ``in 4 min 12 s`` or ``2 h ago``."""
    away = epoch - now
    return f"in {duration(away)}" if away >= 0 else f"{duration(-away)} ago"
