"""How much one caller may take: buckets that fill with time, a bounded number of them."""

from dataclasses import dataclass
from itertools import islice
from typing import Final

_MOST: Final = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, and ``per_second`` in the long run."""

    burst: float
    per_second: float


class Buckets:
    """One bucket for each caller. For one event loop: it takes no lock, and does no I/O."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._levels: dict[str, tuple[float, float]] = {}

    def left(self, caller: str, now: float) -> float:
        """How much ``caller`` has left at ``now`` (monotonic seconds)."""
        known = self._levels.get(caller)
        if known is None:
            return self._rate.burst
        level, at = known
        return min(self._rate.burst, level + (now - at) * self._rate.per_second)

    def take(self, caller: str, now: float) -> int | None:
        """Take one; None where there was one, else the seconds until there is."""
        left = self.left(caller, now)
        if left < 1.0:
            return max(1, round((1.0 - left) / self._rate.per_second))
        self._levels.pop(caller, None)  # to the end: those that have had the longest to fill stand first
        if len(self._levels) >= _MOST:
            for oldest in list(islice(self._levels, _MOST // 10)):
                del self._levels[oldest]
        self._levels[caller] = (left - 1.0, now)
        return None
