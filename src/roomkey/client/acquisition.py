"""Getting a token once for everybody: lease, look again, ask, save, use."""

import contextlib
import logging
import time
from dataclasses import dataclass
from typing import Final

from roomkey.client import handed
from roomkey.client.attempt import Attempt
from roomkey.client.counters import Counters
from roomkey.client.exchange import Exchange
from roomkey.client.failure import Failure
from roomkey.client.landing import Held, Landing
from roomkey.client.lifetime import Lifetime, RefreshWindow, TokenState
from roomkey.client.order import Found, Order, Reason
from roomkey.client.record import Record
from roomkey.client.shelf import Shelf
from roomkey.clock import Clock
from roomkey.concurrency.backoff import jitter_of
from roomkey.errors import LoginRequired, RoomkeyError, StoreUnavailable, place_of
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Revealed, Source, reveal

_log = logging.getLogger("roomkey")

_SHORTEST_PAUSE: Final = 0.004
_LONGEST_PAUSE: Final = 0.025
_SECRET_PAUSE: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may take, in seconds.

    Parameters:
        fetch: one whole attempt at the token endpoint, discovery and repetition included.
        lease: how long other processes keep away from a key while one of them asks; longer than ``fetch``, so that
            only a process that died loses its lease.
        wait: how long a caller waits for a token before ``TokenUnavailable``.
    """

    fetch: float = 10.0
    lease: float = 30.0
    wait: float = 45.0

    def __post_init__(self) -> None:
        if not 0.0 < self.fetch < self.lease <= 60.0:
            raise ValueError("Limits need 0 < fetch < lease <= 60 seconds")
        if not 0.0 < self.wait <= 3600.0:
            raise ValueError("Limits need 0 < wait <= 3600 seconds")


class Acquisition:
    """Brings tokens for all credentials of one manager; it blocks on I/O, so it runs on worker threads. Thread-safe."""

    __slots__ = ("_clock", "_counters", "_exchange", "_limits", "_owner", "_shelf", "_window")

    def __init__(
        self,
        *,
        shelf: Shelf,
        exchange: Exchange,
        clock: Clock,
        window: RefreshWindow,
        limits: Limits,
        counters: Counters,
        owner: str,
    ) -> None:
        self._shelf = shelf
        self._exchange = exchange
        self._clock = clock
        self._window = window
        self._limits = limits
        self._counters = counters
        self._owner = owner

    def bring(self, order: Order) -> Landing:
        """Carry out ``order``; what went wrong is the landing's failure. Raises a person's KeyboardInterrupt alone."""
        label = order.subject.label
        try:
            return self._bring(order)
        except RoomkeyError as error:
            failure = Failure(
                getattr(error, "reason", "") or error.code, str(error), login_required=isinstance(error, LoginRequired)
            )
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - without an answer its waiters would wait to the end
            failure = Failure("internal_error", f"{type(error).__name__} inside roomkey; the log has more.")
            with contextlib.suppress(Exception):  # perhaps it was the log that failed
                # Without the traceback: its frames hold secrets, and handlers exist that show them.
                _log.error("Getting a token for %s: %s at %s", label, type(error).__name__, place_of(error))
        return Landing(failure=failure.pausing(_SECRET_PAUSE, self._clock.wall()), reason="failed")

    def keep(self, order: Order) -> bool:
        """Write down what ``order`` knows and the store does not; False where the store is out of order.

        Asks no endpoint, and never raises.
        """
        try:
            revealed = reveal(order.subject.source.secrets())
            order = order.for_secrets(revealed.mark)
            if order.record is not None:
                self._saved(order, order.record, self._shelf.key(order.subject, revealed))
        except StoreUnavailable as trouble:
            self._shelf.out_of_order(trouble)
            return False
        except RoomkeyError as error:
            _log.warning("The token for %s was not saved: %s", order.subject.label, str(error))
        return True

    def _bring(self, order: Order) -> Landing:
        source = order.subject.source
        if isinstance(source, ServiceAccountToken):
            revealed = reveal(source.secrets())
            return handed.bring(source, revealed, clock=self._clock, label=order.subject.label)
        app = source.authenticated_by
        revealed = reveal(source.secrets(), None if app is None else app.header())
        order = order.for_secrets(revealed.mark)
        try:
            landing = self._shared(source, order, revealed)
        except StoreUnavailable as trouble:
            self._shelf.out_of_order(trouble)
            landing = self._alone(source, order, revealed)
        return landing.changed(secrets_mark=revealed.mark)

    def _shared(self, source: Source, order: Order, revealed: Revealed) -> Landing:
        """With the store: one process asks, the others find its token there."""
        key = self._shelf.key(order.subject, revealed)
        owner = f"{self._owner}.{id(order)}"
        if not order.saved and order.record is not None:
            order = self._saved(order, order.record, key)
        waited, pause = 0.0, _SHORTEST_PAUSE
        while True:
            landing = self._served(order, self._shelf.load(key))
            if landing is not None:
                return landing
            if self._shelf.take_lease(key, owner, self._limits.lease):
                break
            if waited >= self._limits.wait:
                return Landing(
                    failure=Failure("busy", "another process has been asking for it for too long.").pausing(
                        _SECRET_PAUSE, self._clock.wall()
                    ),
                    reason="failed",
                )
            time.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        with self._shelf.releasing(key, owner):
            found = self._shelf.load(key)
            return self._served(order, found) or self._asked(source, order, revealed, order.newest(found), key)

    def _saved(self, order: Order, record: Record, key: str) -> Order:
        """Write down what stands in memory only, unless the store has something newer by now."""
        found = self._shelf.load(key)
        if order.newest(found).record is record:
            generation = self._shelf.save(key, record, found.generation)
            return order if generation is None else order.stored(generation)
        return order.stored(found.generation)

    def _alone(self, source: Source, order: Order, revealed: Revealed) -> Landing:
        """Without the store: what this process remembers, and one attempt for all its callers."""
        found = Found(order.record, order.generation)
        return self._served(order, found, saved=order.saved) or self._asked(source, order, revealed, found, None)

    def _asked(self, source: Source, order: Order, revealed: Revealed, found: Found, key: str | None) -> Landing:
        landing = Attempt(
            source=source,
            order=order,
            revealed=revealed,
            found=found,
            key=key,
            shelf=self._shelf,
            exchange=self._exchange,
            clock=self._clock,
            seconds=self._limits.fetch,
            jitter=self._jitter(order),
            counters=self._counters,
        ).make()
        if landing.record is None:
            return landing
        held = self._hold(order, landing.record, landing.offset)
        if landing.failure is not None and not self._may_still_serve(order, held):
            return landing
        return landing.changed(held=held)

    # What the store (or this process's memory) has may be what is wanted, or say why it is not to be had.

    def _served(self, order: Order, found: Found, *, saved: bool = True) -> Landing | None:
        record = found.record
        if record is None:
            return None
        held = self._hold(order, record, order.offset)
        if self._serves(order, held):
            self._counters.add("found_in_store")
            return Landing(record=record, held=held, generation=found.generation, saved=saved, reason="found")
        failure = record.failure
        if failure is None or not failure.left(self._clock.wall()):
            return None
        if failure.permanent and order.reason is Reason.ASKED:
            return None
        landing = Landing(
            record=record, generation=found.generation, saved=saved, failure=failure, reason="failed before"
        )
        return landing.changed(held=held) if self._may_still_serve(order, held) else landing

    def _serves(self, order: Order, held: Held) -> bool:
        """True where ``held`` is what ``order`` was sent for."""
        if not held.record.access_token or held.record.access_token == order.rejected:
            return False
        now = self._clock.monotonic()
        state = held.lifetime.state(now)
        if order.reason is Reason.ASKED:
            return state is TokenState.FRESH and held.lifetime.received >= order.made
        return state is TokenState.FRESH or (state is TokenState.STALE and now >= order.held.hard)

    def _may_still_serve(self, order: Order, held: Held) -> bool:
        """True where ``held`` is better than nothing: valid, and not the token that was refused."""
        token = held.record.access_token
        return bool(token) and token != order.rejected and self._clock.monotonic() < held.end

    def _hold(self, order: Order, record: Record, offset: float | None) -> Held:
        now, wall = self._clock.monotonic(), self._clock.wall()
        received, earlier = now - record.age(wall, offset), order.held
        if (record.access_token, record.issued_at) == (earlier.record.access_token, earlier.record.issued_at):
            # This process saw it arrive: a wall clock that was set back must not make it young again.
            received = min(received, earlier.lifetime.received)
        lifetime = Lifetime.of(
            received=received,
            duration=record.duration,
            window=self._window,
            jitter=self._jitter(order),
        )
        seen = record.offset if offset is None else offset
        renewed_for = tuple((origin, now - (wall + seen - when)) for origin, when in record.renewed_for)
        return Held(record, lifetime, renewed_for)

    def reset_after_fork(self) -> None:
        """Make what the discovery locks with anew in a child process."""
        self._exchange.reset_after_fork()

    def _jitter(self, order: Order) -> float:
        return jitter_of(self._owner, order.subject.label, order.subject.context)
