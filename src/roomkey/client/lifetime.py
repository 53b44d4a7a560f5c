"""The lifetime of a token: fresh, then stale, then expiring, then expired (pure; seconds throughout)."""

from dataclasses import dataclass
from enum import Enum


class TokenState(Enum):
    """The state of a token at one moment."""

    ABSENT = "absent"
    """There is none."""
    FRESH = "fresh"
    """Use it; nothing else happens."""
    STALE = "stale"
    """Use it, and get the next one in the background."""
    EXPIRING = "expiring"
    """So close to its end that callers wait for the next one; used only while none is available."""
    EXPIRED = "expired"
    """Never use it again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefreshWindow:
    """Where in a token's life its states begin, as seconds after it was received.

    Parameters:
        soft_fraction: the share of the life after which the next token is fetched.
        least_slack: seconds that should be left at that moment, so that a short outage of the token endpoint goes
            unnoticed; a life too short for it keeps ``slack_fraction`` of itself instead.
        slack_fraction: see ``least_slack``.
        jitter_fraction: the largest share by which the soft deadline comes earlier, different for each process and key.
        skew: seconds before the end from which callers wait for the next token, but never more than
            ``skew_fraction`` of the life.
        skew_fraction: see ``skew``.
    """

    soft_fraction: float = 0.8
    least_slack: float = 5.0
    slack_fraction: float = 0.75
    jitter_fraction: float = 0.1
    skew: float = 60.0
    skew_fraction: float = 0.1

    def __post_init__(self) -> None:
        fractions = (self.soft_fraction, self.slack_fraction, self.jitter_fraction, self.skew_fraction)
        if not all(0.0 <= value < 1.0 for value in fractions):
            raise ValueError("the fractions of a RefreshWindow lie between 0 and 1")
        if not (0.0 <= self.least_slack < float("inf") and 0.0 <= self.skew < float("inf")):
            raise ValueError("least_slack and skew of a RefreshWindow are seconds, 0 or more")

    def soft(self, duration: float, jitter: float) -> float:
        """When a token that lives ``duration`` becomes stale; ``jitter`` lies between 0 and 1."""
        slack = max((1.0 - self.soft_fraction) * duration, min(self.least_slack, self.slack_fraction * duration))
        return min((duration - slack) * (1.0 - self.jitter_fraction * jitter), self.hard(duration))

    def hard(self, duration: float) -> float:
        """When a token that lives ``duration`` is too close to its end to be relied on."""
        return duration - min(self.skew, self.skew_fraction * duration)


@dataclass(frozen=True, slots=True)
class Lifetime:
    """The three deadlines of one token on the monotonic clock."""

    received: float
    soft: float
    hard: float
    end: float

    @classmethod
    def of(cls, *, received: float, duration: float, window: RefreshWindow, jitter: float) -> "Lifetime":
        """The deadlines of a token received at ``received`` that lives ``duration`` seconds."""
        return cls(
            received, received + window.soft(duration, jitter), received + window.hard(duration), received + duration
        )

    def state(self, now: float) -> TokenState:
        """Where in its life the token is at ``now``."""
        if now < self.soft:
            return TokenState.FRESH
        if now < self.hard:
            return TokenState.STALE
        return TokenState.EXPIRING if now < self.end else TokenState.EXPIRED
