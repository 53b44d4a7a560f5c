"""A list that an issuer publishes, kept at hand: looked at anew while it is used, and left alone while it is not.

The common case, a list that was fetched a moment ago, is one comparison: no lock, no I/O.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FIRST_STEP, backoff
from roomkey.concurrency.flight import Flight
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.workers import Workers
from roomkey.errors import ConfigurationError, RevocationUnknown
from roomkey.resource_server.waits import Course, Landing

_log = logging.getLogger("roomkey")
_NEVER: Final = float("-inf")
_SLACK: Final = 0.5
_LONGEST_RETRY_AFTER: Final = 300.0

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """How a published list is followed, and what counts while it cannot be had.

    Parameters:
        every: seconds between two looks at it while tokens come in; this is how long a revoked token may live on.
        staleness: seconds that it is used while no newer one can be had.
        stale: what then happens to tokens: ``refuse`` (503, the default) or ``accept``.
        fetch: seconds for one whole attempt.
    """

    every: float = 30.0
    staleness: float = 600.0
    stale: Literal["refuse", "accept"] = "refuse"
    fetch: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 < self.every <= self.staleness < float("inf") or not 0.0 < self.fetch <= 60.0:
            raise ConfigurationError("A list's every= lies above 0 and not above staleness=, fetch= between 0 and 60.")
        if self.stale not in ("refuse", "accept"):
            raise ConfigurationError('stale= is "refuse" or "accept".')


BY_DEFAULT: Final = ListPolicy()


@dataclass(frozen=True, slots=True)
class Published(Generic[Content]):
    """A list as it was published.

    Attributes:
        content: what it says.
        issued: when it was made, in seconds since 1970.
        lifetime: seconds from now on in which it may be used at all.
        ttl: seconds after which a newer one should be looked for, or None.
    """

    content: Content
    issued: float
    lifetime: float
    ttl: float | None = None


@dataclass(frozen=True, slots=True)
class NotPublished:
    """No list came back: why, as a stable word and for people, and the seconds that the server asks to wait."""

    reason: str
    detail: str
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class _Held(Generic[Content]):
    """A list with its deadlines on the monotonic clock: look for a newer one, wait for a newer one, use it no more."""

    published: Published[Content] | None
    soft: float = _NEVER
    due: float = _NEVER
    end: float = _NEVER


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    count: int
    until: float


class PolledList(Forkable, Generic[Content]):
    """The list that ``fetch`` brings, which must not raise. Safe in any thread, in asyncio and trio, after a fork."""

    __slots__ = ("_failure", "_fetch", "_flight", "_held", "_lock", "_now", "_place", "_workers", "policy", "used")

    def __init__(
        self, fetch: Callable[[], Published[Content] | NotPublished], *, place: str, policy: ListPolicy, clock: Clock
    ) -> None:
        """``place`` is its address, for the log."""
        self.policy = policy
        self.used = clock.monotonic()
        """When it was last asked, on the monotonic clock."""
        self._fetch = fetch
        self._place = place
        self._now = clock.monotonic
        self._workers = Workers()
        # _lock guards everything below; _held is read without it, as one whole.
        self._lock = threading.Lock()
        self._held: _Held[Content] = _Held(None)
        self._failure: _Failure | None = None
        self._flight: Flight[bool] | None = None
        tell_of_forks(self)

    def glance(self) -> Content | None:
        """The list where it may be used without waiting for it, else None; never blocks."""
        held = self._held
        now = self._now()
        if now < held.soft:
            return held.published.content if held.published is not None else None
        self.used = now
        published = self._look(now)
        return published.content if isinstance(published, Published) else None

    def course(self) -> Course[Content | None]:
        """The list; waits for it where that is needed.

        None where it cannot be had and the policy accepts tokens then; raises RevocationUnknown where it refuses them.
        """
        self.used = now = self._now()
        found = self._look(now)
        if isinstance(found, Flight):
            yield Landing(found, self.policy.fetch + _SLACK)
            now = self._now()
            held = self._held
            found = held.published if now < held.end else None
        if isinstance(found, Published):
            return found.content
        if self.policy.stale == "accept":
            return None
        failure = self._failure
        raise RevocationUnknown(
            f"The list of revoked tokens at {self._place} cannot be had.",
            reason="timeout" if failure is None else failure.reason,
            retry_after=1.0 if failure is None else max(1.0, failure.until - now),
        )

    def _look(self, now: float) -> Published[Content] | Flight[bool] | None:
        """The list to use now, the flight to wait for, or None where there is neither; starts a flight that is due."""
        with self._lock:
            held, failure = self._held, self._failure
            if now < held.soft:
                return held.published
            pausing = failure is not None and now < failure.until
            if not pausing:
                self._launch()
            # Past its time a list is used on only where a newer one was asked for in vain a moment ago.
            outage = failure is not None and now < failure.until + self.policy.every
            if now < held.end and (now < held.due or outage):
                return held.published
            return self._flight

    def _launch(self) -> None:
        if self._flight is None:
            flight: Flight[bool] = Flight(lambda: self._land(self._fetched(), flight))
            self._flight = flight
            flight.awaited = True
        if self._flight.awaited:
            self._flight.awaited = not self._workers.submit(self._flight.run)

    def _fetched(self) -> Published[Content] | NotPublished:
        try:
            return self._fetch()
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            return NotPublished("internal", f"the attempt ended in {type(error).__name__}")

    def _land(self, fetched: Published[Content] | NotPublished, flight: Flight[bool]) -> bool:
        now = self._now()
        with self._lock:
            if self._flight is flight:
                self._flight = None
            earlier = self._held.published
            if isinstance(fetched, Published) and earlier is not None and fetched.issued < earlier.issued:
                fetched = NotPublished("outdated", "what came is older than what was there before")
            if isinstance(fetched, Published):
                self._held = self._holding(fetched, now)
                self._failure = None
                return True
            count = 1 if self._failure is None else self._failure.count + 1
            pause = backoff(count, 0.0)
            if fetched.retry_after is not None:
                pause = min(max(fetched.retry_after, FIRST_STEP), _LONGEST_RETRY_AFTER)
            self._failure = _Failure(fetched.reason, count, now + pause)
        _log.warning("The list of revoked tokens at %s could not be had: %s.", self._place, fetched.detail)
        return False

    def _holding(self, published: Published[Content], now: float) -> _Held[Content]:
        every = self.policy.every if published.ttl is None else min(self.policy.every, max(published.ttl, 1.0))
        end = now + min(self.policy.staleness, published.lifetime)
        return _Held(published, min(now + every, end), min(now + 2.0 * every, end), end)

    def after_fork_in_child(self) -> None:
        """Make lock, threads and flight anew; the list stays usable."""
        self._lock = threading.Lock()
        self._flight = None
        self._workers = Workers()
