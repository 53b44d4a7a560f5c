"""What is known of something that cannot be had: why, how often in a row, and when to try again (pure)."""

from dataclasses import dataclass, replace
from typing import Final, Self

from roomkey.concurrency.backoff import FIRST_STEP, backoff

_LONGEST_RETRY_AFTER: Final = 300.0


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """An attempt that brought nothing.

    Attributes:
        reason: a stable word.
        detail: the sentence for people; nothing of the answer's body stands in it.
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
