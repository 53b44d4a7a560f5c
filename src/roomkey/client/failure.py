"""What is remembered of a token endpoint that did not answer well, and when it is asked again (pure)."""

from dataclasses import dataclass, replace
from typing import Final

from roomkey.concurrency.backoff import FIRST_STEP, backoff

PROBE_WHILE_USABLE: Final = 0.25
PERMANENT_STEP: Final = 3600.0
LONGEST_RETRY_AFTER: Final = 3600.0
_ROUNDING: Final = 0.001


@dataclass(frozen=True, slots=True)
class Failure:
    """One failed attempt, in words that hold no secret.

    Attributes:
        reason: a stable word: the OAuth error code, ``unreachable``, ``timeout`` and the like.
        message: the sentence for people.
        until: wall-clock second until which nobody tries again.
        pause: seconds from the failure to that moment.
        count: how many attempts failed in a row.
        permanent: True where only another secret or setting will help.
        login_required: True where only a person can go on.
    """

    reason: str
    message: str
    until: float = 0.0
    pause: float = 0.0
    count: int = 1
    permanent: bool = False
    login_required: bool = False

    def after(
        self, earlier: "Failure | None", *, wall: float, retry_after: float | None, usable_for: float, jitter: float
    ) -> "Failure":
        """This failure at ``wall``, counted on from ``earlier``, with the moment of the next attempt: see ``step``."""
        count = 1 if earlier is None else min(earlier.count + 1, 1000)
        pause = step(
            count=count, retry_after=retry_after, permanent=self.permanent, usable_for=usable_for, jitter=jitter
        )
        return replace(self, count=count, pause=pause, until=wall + pause)

    def pausing(self, seconds: float, wall: float) -> "Failure":
        """This failure, with the next attempt ``seconds`` after ``wall``."""
        return replace(self, pause=seconds, until=wall + seconds)

    def left(self, wall: float) -> float:
        """Seconds until the next attempt; 0 where the clock was set back since, or is another one."""
        left = self.until - wall
        return max(0.0, left) if left <= self.pause + _ROUNDING else 0.0


def step(*, count: int, retry_after: float | None, permanent: bool, usable_for: float, jitter: float) -> float:
    """Seconds to wait after the ``count``-th failure in a row.

    Doubles from one second to one minute and is spread by ``jitter`` (0 to 1). ``retry_after`` of the server is
    honoured up to an hour. While a token can still be used for ``usable_for`` seconds the steps become shorter towards
    its end, so that the next one is there in time.
    """
    if permanent:
        return PERMANENT_STEP
    if retry_after is not None:
        return min(max(retry_after, FIRST_STEP), LONGEST_RETRY_AFTER)
    grown = backoff(count, jitter)
    return min(grown, max(PROBE_WHILE_USABLE, usable_for / 4.0)) if usable_for > 0.0 else grown
