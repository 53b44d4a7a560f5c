"""An issuer's published keys, kept at hand: fetched once for everybody, ahead of need, and used on through outages.

The common case, a known key of a fresh set, is a comparison and a look-up: no lock, no I/O (DESIGN 9).
"""

import logging
import threading
from collections.abc import Generator
from dataclasses import dataclass, replace
from typing import Final, final

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FIRST_STEP, backoff
from roomkey.concurrency.flight import Flight, follow, follow_async
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.workers import Workers
from roomkey.errors import KeysUnavailable
from roomkey.jose.envelope import Header
from roomkey.jose.key_fetch import Fetched, FetchFailed, KeyFetch, KeySetLimits, NothingNew, PublishedKeys
from roomkey.jose.key_set_status import KeySetState, KeySetStatus
from roomkey.jose.keys import VerificationKey
from roomkey.jose.local_keys import Keys

_log = logging.getLogger("roomkey")

_SOFT_FRACTION: Final = 0.8
_LONGEST_RETRY_AFTER: Final = 300.0
_KNOWN_OUTAGE: Final = 60.0
_SLACK: Final = 0.5

_Found = tuple[VerificationKey, ...]


@dataclass(frozen=True, slots=True)
class _Held:
    """A set with its deadlines on the monotonic clock: look for a newer one, wait for a newer one, use it no more."""

    keys: Keys
    published: PublishedKeys | None
    received: float
    soft: float
    fresh: float
    end: float


_NEVER: Final = float("-inf")
_NOTHING: Final = _Held(Keys(), None, _NEVER, _NEVER, _NEVER, _NEVER)


@dataclass(frozen=True, slots=True)
class _Failure:
    reason: str
    detail: str
    count: int
    until: float


@final
class RemoteKeys(Forkable):
    """The keys that ``fetch`` brings. Safe in any thread, in asyncio and trio, and after a fork.

    Nothing runs while nobody asks for a key: a set that is not used is not refreshed. ``jitter`` (0 to 1) spreads the
    refreshes of many processes.
    """

    __slots__ = (
        "_clock",
        "_counts",
        "_failure",
        "_fetch",
        "_flight",
        "_held",
        "_jitter",
        "_landed",
        "_limits",
        "_lock",
        "_next_miss",
        "_now",
        "_workers",
    )

    def __init__(self, fetch: KeyFetch, *, limits: KeySetLimits, clock: Clock, jitter: float) -> None:
        self._fetch = fetch
        self._limits = limits
        self._clock = clock
        self._now = clock.monotonic
        self._jitter = jitter
        self._workers = Workers()
        # _lock guards everything below; _held is read without it, as one whole.
        self._lock = threading.Lock()
        self._held = _NOTHING
        self._failure: _Failure | None = None
        self._flight: Flight[bool] | None = None
        self._next_miss = _NEVER
        self._landed = 0
        self._counts = _Counts()
        tell_of_forks(self)

    def find(self, header: Header) -> _Found:
        """The keys that may have signed a token with ``header``; blocks while the first set is fetched.

        Raises InvalidToken or KeysUnavailable.
        """
        held = self._held
        if self._now() < held.soft and (found := held.keys.find(header)):
            return found
        return follow(self._finding(header), self._limits.fetch + _SLACK)

    async def find_async(self, header: Header) -> _Found:
        """``find`` for asyncio and trio; blocks no loop."""
        held = self._held
        if self._now() < held.soft and (found := held.keys.find(header)):
            return found
        return await follow_async(self._finding(header), self._limits.fetch + _SLACK)

    def holds(self, key: VerificationKey) -> bool:
        """True while ``key`` is one of the keys in use; never blocks, and looks for a newer set when that is due."""
        held = self._held
        if self._now() >= held.soft:
            try:
                ready = self._ready()
            except KeysUnavailable:
                return False
            if not isinstance(ready, _Held):
                return False
            held = ready
        return key in held.keys

    def status(self) -> KeySetStatus:
        """How the set is doing; no I/O."""
        now = self._now()
        with self._lock:
            held, failure, counts = self._held, self._failure, replace(self._counts)
        return KeySetStatus(
            source=self._fetch.place,
            state=_state(held, now),
            keys=len(held.keys.keys),
            refused=held.keys.refused,
            age=None if held is _NOTHING else now - held.received,
            refresh_in=None if held is _NOTHING else max(0.0, held.soft - now),
            usable_for=max(0.0, held.end - now),
            fetches=counts.fetches,
            failures=counts.failures,
            unknown_kids=counts.unknown_kids,
            last_error="" if failure is None else f"{failure.reason}: {failure.detail}",
            next_attempt_in=None if failure is None else max(0.0, failure.until - now),
        )

    # -- one engine ----------------------------------------------------------------------------------------------------

    def _finding(self, header: Header) -> Generator[Flight[bool], bool | None, _Found]:
        """Yield the flights to wait for until it is known which keys there are for ``header``."""
        asked = self._landed
        held = yield from self._usable()
        found = held.keys.find(header)
        if not found and held.keys.lacks(header):
            flight = self._look_for_unknown(asked)
            if flight is not None:
                yield flight
                held = self._held
                found = held.keys.find(header)
            if not found and self._failure is not None:
                raise self._unavailable()
        if found:
            return found
        raise held.keys.explain(header)

    def _usable(self) -> Generator[Flight[bool], bool | None, _Held]:
        """Yield the flight to wait for, if any, and return a set that may be used."""
        ready = self._ready()
        if isinstance(ready, _Held):
            return ready
        landed = yield ready
        held, now = self._held, self._now()
        if now < held.fresh or (now < held.end and (landed is None or self._failure is not None)):
            return held
        raise self._unavailable()

    def _ready(self) -> _Held | Flight[bool]:
        """A set that may be used now, or the flight to wait for; starts a flight where one is due."""
        now = self._now()
        with self._lock:
            held, failure = self._held, self._failure
            pausing = failure is not None and now < failure.until
            # Past its time a set is used on only where a newer one was asked for in vain a moment ago.
            outage = failure is not None and now < failure.until + _KNOWN_OUTAGE
            if now < held.fresh or (outage and now < held.end):
                if now >= held.soft and not pausing:
                    self._launch()
                return held
            if not pausing or self._flight is not None:
                return self._launch()
        raise self._unavailable()

    def _look_for_unknown(self, landed: int) -> Flight[bool] | None:
        """The flight that may bring a key with an unknown name, or None where it is too early to look again.

        ``landed`` is how many flights had landed when the key was asked for: a set that came since is new enough.
        """
        now = self._now()
        with self._lock:
            self._counts.unknown_kids += 1
            if self._flight is not None:
                return self._launch()
            if self._landed != landed or now < self._next_miss:
                return None
            if self._failure is not None and now < self._failure.until:
                return None
            self._next_miss = now + self._limits.cooldown
            return self._launch()

    def _launch(self) -> Flight[bool]:
        """The running flight, or a new one; called with the lock held."""
        if self._flight is None:
            published = self._held.published
            flight: Flight[bool] = Flight(lambda: self._land(self._fetched(published), flight))
            self._flight = flight
            self._counts.fetches += 1
            flight.awaited = True
        if self._flight.awaited:
            self._flight.awaited = not self._workers.submit(self._flight.run)
        return self._flight

    def _fetched(self, published: PublishedKeys | None) -> Fetched:
        try:
            return self._fetch.fetch(published)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            return FetchFailed("internal", f"the attempt ended in {type(error).__name__}")

    def _land(self, fetched: Fetched, flight: Flight[bool]) -> bool:
        """Take over what the flight brought; runs in the flight's thread, just before its waiters wake."""
        now = self._now()
        with self._lock:
            earlier = self._held
            self._landed += 1
            if self._flight is flight:
                self._flight = None
            if isinstance(fetched, FetchFailed):
                self._failed(fetched, now)
            else:
                self._failure = None
                self._held = self._holding(fetched, now)
        _tell(self._fetch.place, earlier.keys, fetched)
        return not isinstance(fetched, FetchFailed)

    def _holding(self, fetched: PublishedKeys | NothingNew, now: float) -> _Held:
        fresh = now + fetched.lifetime
        published = self._held.published if isinstance(fetched, NothingNew) else fetched
        return _Held(
            keys=self._held.keys if published is None else published.keys,
            published=published,
            received=now,
            soft=now + fetched.lifetime * (_SOFT_FRACTION - 0.1 * self._jitter),
            fresh=fresh,
            end=fresh + self._limits.stale_if_error,
        )

    def _failed(self, failed: FetchFailed, now: float) -> None:
        self._counts.failures += 1
        count = 1 if self._failure is None else self._failure.count + 1
        pause = backoff(count, self._jitter)
        if failed.retry_after is not None:
            pause = min(max(failed.retry_after, FIRST_STEP), _LONGEST_RETRY_AFTER)
        self._failure = _Failure(failed.reason, failed.detail, count, now + pause)

    def _unavailable(self) -> KeysUnavailable:
        failure, now = self._failure, self._now()
        wait = 1.0 if failure is None else max(1.0, failure.until - now)
        reason = "timeout" if failure is None else failure.reason
        detail = "no answer yet" if failure is None else failure.detail
        return KeysUnavailable(
            f"The keys of {self._fetch.place} cannot be had: {detail}. Next attempt in {wait:.0f} s.",
            reason=reason,
            retry_after=wait,
        )

    def after_fork_in_child(self) -> None:
        """Make lock, thread and flight anew; the keys stay usable."""
        self._lock = threading.Lock()
        self._flight = None
        self._workers = Workers()
        self._fetch.reset_after_fork()


@dataclass(slots=True)
class _Counts:
    fetches: int = 0
    failures: int = 0
    unknown_kids: int = 0


def _state(held: _Held, now: float) -> KeySetState:
    if held is _NOTHING:
        return KeySetState.EMPTY
    if now < held.fresh:
        return KeySetState.FRESH
    return KeySetState.STALE if now < held.end else KeySetState.EXPIRED


def _tell(place: str, earlier: Keys, fetched: Fetched) -> None:
    """Say in the log what a person should look at; names of keys come from outside and do not stand there."""
    if isinstance(fetched, FetchFailed):
        _log.warning("The keys of %s could not be had: %s.", place, fetched.detail)
    elif isinstance(fetched, PublishedKeys) and fetched.keys.refused != earlier.refused:
        for one in fetched.keys.refused:
            _log.warning("Key %d of the set of %s is not used: %s.", one.position, place, one.reason)
