"""Exponential back-off: how long to leave alone what has failed, and the outage that is remembered of it (pure)."""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, Self

FIRST_STEP: Final = 1.0
LONGEST_STEP: Final = 60.0
_LONGEST_RETRY_AFTER: Final = 300.0


def backoff(count: int, jitter: float) -> float:
    """Seconds to wait after the ``count``-th failure in a row: doubling from one second to one minute.

    ``jitter`` (0 to 1) makes them up to a fifth shorter, so that those who failed together do not come back together.
    """
    return float(min(FIRST_STEP * 2.0 ** min(count - 1, 16), LONGEST_STEP) * (1.0 - 0.2 * jitter))


def jitter_of(*parts: str) -> float:
    """A number between 0 and 1 that is always the same for the same parts and spread evenly over different ones."""
    digest = hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6]) / 2**48


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """An attempt that brought nothing.

    Attributes:
        reason: a stable word.
        detail: the sentence for users; nothing of the response's body stands in it.
        retry_after: seconds that the server asks to wait, or None.
    """

    reason: str
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Outage:
    """Attempts that failed in a row.

    Attributes:
        last: the last of them.
        count: how many there were.
        until: when the next one is due, on the monotonic clock.
    """

    last: FetchFailed
    count: int
    until: float

    @classmethod
    def after(cls, earlier: "Outage | None", failed: FetchFailed, *, jitter: float, now: float) -> Self:
        """The outage that ``failed`` begins, or makes longer where there was an ``earlier`` one."""
        count = 1 if earlier is None else earlier.count + 1
        pause = backoff(count, jitter)
        if failed.retry_after is not None:
            pause = min(max(failed.retry_after, FIRST_STEP), _LONGEST_RETRY_AFTER)
        return cls(failed, count, now + pause)

    def probed(self, until: float) -> Self:
        """The same outage while one attempt finds out whether it is over; the next one is due at ``until``."""
        return replace(self, until=until)

    def wait(self, now: float) -> float:
        """Seconds until the next attempt, 1 or more."""
        return max(1.0, self.until - now)

    def __str__(self) -> str:
        return f"{self.last.reason}: {self.last.detail}"
