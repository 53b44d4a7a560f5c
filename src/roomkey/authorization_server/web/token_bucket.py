"""Token bucket: rate limit per caller, for a bounded number of callers."""

from dataclasses import dataclass
from itertools import islice
from typing import Final

_MAX_CALLERS: Final = 50_000


@dataclass(frozen=True, slots=True)
class Rate:
    """``burst`` at once, and ``per_second`` in the long run."""

    burst: float
    per_second: float


class TokenBuckets:
    """One bucket per caller. For one event loop: it takes no lock, and does no I/O."""

    def __init__(self, rate: Rate) -> None:
        self._rate = rate
        self._levels: dict[str, tuple[float, float]] = {}

    def level(self, caller: str, now: float) -> float:
        """Return what ``caller`` may still take at ``now`` (monotonic seconds)."""
        known = self._levels.get(caller)
        if known is None:
            return self._rate.burst
        level, at = known
        return min(self._rate.burst, level + (now - at) * self._rate.per_second)

    def take(self, caller: str, now: float) -> int | None:
        """Take one and return None; where the bucket is empty, return the seconds until there is one."""
        level = self.level(caller, now)
        if level < 1.0:
            return max(1, round((1.0 - level) / self._rate.per_second))
        self._levels.pop(caller, None)  # inserted anew at the end: the bucket that has filled longest is first
        if len(self._levels) >= _MAX_CALLERS:
            for oldest in list(islice(self._levels, _MAX_CALLERS // 10)):
                del self._levels[oldest]
        self._levels[caller] = (level - 1.0, now)
        return None
