"""A cached document: fetched once for all callers (single flight), refreshed ahead of need, used through outages.

The common case, a fresh document, is one comparison with ``held.soft``: no lock, no I/O.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, final

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FetchFailed, Outage
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps

_log = logging.getLogger("roomkey")
_NEVER: Final = float("-inf")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Generic[Value]):
    """A document, and how long it is used, in seconds from its arrival on.

    Attributes:
        value: the document; the one that was held before, where it has not changed.
        refresh: then a newer one is fetched in the background, while this one is used.
        fresh: then callers wait for a newer one.
        usable: then it is not used any more; from ``fresh`` until then only while no newer one is available.
    """

    value: Value
    refresh: float
    fresh: float
    usable: float


Fetch = Callable[[Value | None], Fetched[Value] | FetchFailed]
"""Fetches what is published now, compared with what is held. Blocks on I/O, for a limited time."""


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[Value]):
    """A document with its deadlines on the monotonic clock: refresh it, wait for a newer one, stop using it."""

    value: Value | None
    received: float = _NEVER
    soft: float = _NEVER
    fresh: float = _NEVER
    end: float = _NEVER


@final
class CachedDocument(Forkable, Generic[Value]):
    """The document that ``fetch`` brings. Safe in any thread, in asyncio and trio, and after a fork.

    A document that is not used is not refreshed.

    Attributes:
        held: the newest document, however old it is; replaced as one whole, so that it may be read without a lock.
        outage: the attempts that failed since the last successful one, or None.
        fetches: attempts so far.
        failures: how many of them failed.
        misses: how often a caller missed something in the document.
    """

    __slots__ = (
        "_cooldown",
        "_fetch",
        "_finished",
        "_flight",
        "_jitter",
        "_known_outage",
        "_lock",
        "_next_miss",
        "_now",
        "_seconds",
        "_title",
        "_workers",
        "failures",
        "fetches",
        "held",
        "misses",
        "outage",
    )

    def __init__(
        self,
        fetch: Fetch[Value],
        *,
        title: str,
        seconds: float,
        cooldown: float,
        known_outage: float,
        jitter: float,
        clock: Clock,
    ) -> None:
        """Make one; does no I/O.

        Parameters:
            fetch: fetches the document.
            title: the document's name with its URL, for the log.
            seconds: how long a caller waits for one fetch.
            cooldown: the least seconds between two attempts that misses cause.
            known_outage: seconds after a failed attempt's pause in which callers do not wait for another one.
            jitter: 0 to 1; spreads the attempts of many processes after failures.
            clock: the time.
        """
        self._fetch = fetch
        self._title = title
        self._seconds = seconds
        self._cooldown = cooldown
        self._known_outage = known_outage
        self._jitter = jitter
        self._now = clock.monotonic
        self._workers = Workers()
        # _lock guards everything below; only whole values are read without it.
        self._lock = threading.Lock()
        self.held: CachedValue[Value] = CachedValue(None)
        self.outage: Outage | None = None
        self.fetches = self.failures = self.misses = 0
        self._flight: Flight[bool] | None = None
        self._next_miss = _NEVER
        self._finished = 0
        forkables[id(self)] = self

    def current(self) -> Value | None:
        """Return a document that may be used now, or None; starts a refresh when one is due. Never blocks or raises."""
        ready = self._ready()
        return None if isinstance(ready, Flight) else ready

    def usable(self, lacks: Callable[[Value], bool]) -> Steps[Value | None]:
        """Return a document that may be used, after waiting for one that is being fetched, or None where there is none.

        Where the document ``lacks`` something, a newer one is fetched, unless that was done a moment ago.
        """
        finished = self._finished
        ready = self._ready()
        if isinstance(ready, Flight):
            yield ready.within(self._seconds)
            held = self.held
            ready = held.value if self._now() < held.end else None
        if ready is not None and lacks(ready):
            flight = self._fetch_again(finished)
            if flight is not None:
                yield flight.within(self._seconds)
                ready = self.held.value
        return ready

    def failure(self) -> tuple[FetchFailed, float]:
        """Return why there is no document that may be used, and the seconds until the next attempt, 1 or more."""
        outage = self.outage
        if outage is None:
            return FetchFailed("timeout", "no response yet"), 1.0
        return outage.last, outage.wait(self._now())

    def _ready(self) -> Value | Flight[bool] | None:
        """Return a document that may be used now, or the flight to wait for; starts a flight where one is due."""
        now = self._now()
        with self._lock:
            held, outage = self.held, self.outage
            pausing = outage is not None and now < outage.until
            # A stale document is used only where fetching a newer one has just failed.
            known = outage is not None and now < outage.until + self._known_outage
            if now < held.fresh or (known and now < held.end):
                if now >= held.soft and not pausing:
                    self._launch()
                return held.value
            return self._launch() if self._flight is not None or not pausing else None

    def _fetch_again(self, finished: int) -> Flight[bool] | None:
        """Return the flight that may bring what is missing, or None where it is too early to fetch again.

        ``finished`` is how many flights had finished when the caller began: a document that came since is new enough.
        """
        now = self._now()
        with self._lock:
            self.misses += 1
            if self._flight is not None:
                return self._launch()
            if self._finished != finished or now < self._next_miss:
                return None
            if self.outage is not None and now < self.outage.until:
                return None
            self._next_miss = now + self._cooldown
            return self._launch()

    def _launch(self) -> Flight[bool]:
        """Return the running flight, or a new one; called with the lock held."""
        if self._flight is None:
            value = self.held.value
            flight: Flight[bool] = Flight(lambda: self._finish(self._try_fetch(value), flight))
            self._flight = flight
            self.fetches += 1
            flight.start(self._workers)
        elif self._flight.awaited:
            self._flight.start(self._workers)
        return self._flight

    def _try_fetch(self, value: Value | None) -> Fetched[Value] | FetchFailed:
        try:
            return self._fetch(value)
        except Exception as error:  # noqa: BLE001 - those who wait must get a result
            return FetchFailed("internal", f"the attempt ended in {type(error).__name__}")

    def _finish(self, fetched: Fetched[Value] | FetchFailed, flight: Flight[bool]) -> bool:
        """Store what the flight brought; runs in the flight's thread, just before its waiters wake."""
        now = self._now()
        with self._lock:
            self._finished += 1
            if self._flight is flight:
                self._flight = None
            if isinstance(fetched, Fetched):
                self.outage = None
                self.held = CachedValue(
                    fetched.value, now, now + fetched.refresh, now + fetched.fresh, now + fetched.usable
                )
                return True
            self.failures += 1
            self.outage = Outage.after(self.outage, fetched, jitter=self._jitter, now=now)
        _log.warning("%s could not be fetched: %s.", self._title, fetched.detail)
        return False

    def after_fork_in_child(self) -> None:
        """Replace lock, threads and flight; the document stays usable."""
        self._lock = threading.Lock()
        self._flight = None
        self._workers = Workers()
