"""A published document, kept at hand: fetched once for everybody, ahead of need, and used on through outages.

The common case, a fresh document, is one comparison with ``held.soft``: no lock, no I/O (DESIGN 9).
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar, final

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FetchFailed, Outage
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps

_log = logging.getLogger("roomkey")
_NEVER: Final = float("-inf")

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched(Generic[Value]):
    """A document, and how long it is used, in seconds from its arrival on.

    Attributes:
        value: the document; the one that was held before, where there is nothing new.
        refresh: then a newer one is looked for, while this one is used on.
        fresh: then whoever asks waits for a newer one.
        usable: then it is used no more; until then it is used on only while no newer one can be had.
    """

    value: Value
    refresh: float
    fresh: float
    usable: float


Fetch = Callable[[Value | None], Fetched[Value] | FetchFailed]
"""What is published now, compared with what is held. Blocks on I/O, for a limited time."""


@dataclass(frozen=True, slots=True)
class CachedValue(Generic[Value]):
    """A document with its deadlines on the monotonic clock: look for a newer one, wait for one, use it no more."""

    value: Value | None
    received: float = _NEVER
    soft: float = _NEVER
    fresh: float = _NEVER
    end: float = _NEVER


@final
class CachedDocument(Forkable, Generic[Value]):
    """The document that ``fetch`` brings. Safe in any thread, in asyncio and trio, and after a fork.

    Nothing runs while nobody asks for it: a document that is not used is not refreshed.

    Attributes:
        held: what is at hand, however old it is; replaced as one whole, so that it may be read without a lock.
        outage: the attempts that failed since the last good one, or None.
        fetches: attempts so far.
        failures: how many of them failed.
        misses: how often something was asked for that was not in the document.
    """

    __slots__ = (
        "_cooldown",
        "_fetch",
        "_flight",
        "_jitter",
        "_known_outage",
        "_landed",
        "_lock",
        "_next_miss",
        "_now",
        "_place",
        "_seconds",
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
        place: str,
        seconds: float,
        cooldown: float,
        known_outage: float,
        jitter: float,
        clock: Clock,
    ) -> None:
        """Make one; does no I/O.

        Parameters:
            fetch: how the document is asked for.
            place: the document in words, with its address, for the log.
            seconds: how long a caller waits for one fetch.
            cooldown: the least seconds between two attempts that are made for something that is not in it.
            known_outage: seconds after a failed attempt's pause in which callers do not wait for another one.
            jitter: 0 to 1; spreads the attempts of many processes after failures.
            clock: the time.
        """
        self._fetch = fetch
        self._place = place
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
        self._landed = 0
        tell_of_forks(self)

    def current(self) -> Value | None:
        """A document that may be used now, or None; looks for a newer one when that is due. Never blocks or raises."""
        ready = self._ready()
        return None if isinstance(ready, Flight) else ready

    def usable(self, lacks: Callable[[Value], bool]) -> Steps[Value | None]:
        """Wait for what is being fetched, and return a document that may be used, or None where there is none.

        Where the document ``lacks`` something, a newer one is looked for, unless that was done a moment ago.
        """
        landed = self._landed
        ready = self._ready()
        if isinstance(ready, Flight):
            yield ready.within(self._seconds)
            held = self.held
            ready = held.value if self._now() < held.end else None
        if ready is not None and lacks(ready):
            flight = self._look_again(landed)
            if flight is not None:
                yield flight.within(self._seconds)
                ready = self.held.value
        return ready

    def trouble(self) -> tuple[FetchFailed, float]:
        """Why there is no document that may be used, and the seconds until the next attempt, 1 or more."""
        outage = self.outage
        if outage is None:
            return FetchFailed("timeout", "no answer yet"), 1.0
        return outage.last, outage.wait(self._now())

    def _ready(self) -> Value | Flight[bool] | None:
        """A document that may be used now, or the flight to wait for; starts a flight where one is due."""
        now = self._now()
        with self._lock:
            held, outage = self.held, self.outage
            pausing = outage is not None and now < outage.until
            # Past its time a document is used on only where a newer one was asked for in vain a moment ago.
            known = outage is not None and now < outage.until + self._known_outage
            if now < held.fresh or (known and now < held.end):
                if now >= held.soft and not pausing:
                    self._launch()
                return held.value
            return self._launch() if self._flight is not None or not pausing else None

    def _look_again(self, landed: int) -> Flight[bool] | None:
        """The flight that may bring what is missing, or None where it is too early to look again.

        ``landed`` is how many flights had landed when it was asked for: a document that came since is new enough.
        """
        now = self._now()
        with self._lock:
            self.misses += 1
            if self._flight is not None:
                return self._launch()
            if self._landed != landed or now < self._next_miss:
                return None
            if self.outage is not None and now < self.outage.until:
                return None
            self._next_miss = now + self._cooldown
            return self._launch()

    def _launch(self) -> Flight[bool]:
        """The running flight, or a new one; called with the lock held."""
        if self._flight is None:
            value = self.held.value
            flight: Flight[bool] = Flight(lambda: self._land(self._fetched(value), flight))
            self._flight = flight
            self.fetches += 1
            flight.start(self._workers)
        elif self._flight.awaited:
            self._flight.start(self._workers)
        return self._flight

    def _fetched(self, value: Value | None) -> Fetched[Value] | FetchFailed:
        try:
            return self._fetch(value)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            return FetchFailed("internal", f"the attempt ended in {type(error).__name__}")

    def _land(self, fetched: Fetched[Value] | FetchFailed, flight: Flight[bool]) -> bool:
        """Take over what the flight brought; runs in the flight's thread, just before its waiters wake."""
        now = self._now()
        with self._lock:
            self._landed += 1
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
        _log.warning("%s could not be had: %s.", self._place, fetched.detail)
        return False

    def after_fork_in_child(self) -> None:
        """Make lock, thread and flight anew; the document stays usable."""
        self._lock = threading.Lock()
        self._flight = None
        self._workers = Workers()
