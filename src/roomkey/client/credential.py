"""A credential: the token of one source for one context, ready to be sent."""

import hmac
import threading
from collections.abc import Callable, Generator
from enum import Enum
from typing import Final, NoReturn, final

from roomkey.client.access_token import AccessToken
from roomkey.client.attempt import CIRCUIT_SECONDS
from roomkey.client.engine import Engine
from roomkey.client.explanation import error_of
from roomkey.client.landing import NOTHING, Held, Landing
from roomkey.client.lifetime import TokenState
from roomkey.client.order import Order, Reason, Subject
from roomkey.client.status import CredentialStatus
from roomkey.concurrency.single_flight import Flight, follow, follow_async
from roomkey.errors import ConfigurationError, TokenUnavailable
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Parameters
from roomkey.secret import Confidential, Secret, fingerprint

_SAVE_AGAIN_SECONDS: Final = 5.0
_LOOK_AT_SECRETS_SECONDS: Final = 5.0

_Steps = Generator[Flight[Landing], Landing | None, Held]


class RejectOutcome(Enum):
    """What ``Credential.reject`` did with a token that an API refused."""

    RENEW = "renew"
    """It was dropped; the next ``header()`` gets another one."""
    SUPERSEDED = "superseded"
    """Another token is held already; send that one."""
    CIRCUIT_OPEN = "circuit_open"
    """Kept: this API refused a new token a moment ago too, or there is no way to get another one."""


@final
class Credential(Confidential):
    """Keeps one token ready: made by ``TokenManager.credential``, shared by threads, asyncio and trio tasks.

    The common case is a comparison and a return. Only a missing or ending token starts a flight, one for all callers.
    """

    __slots__ = (
        "__weakref__",
        "_engine",
        "_failure_until",
        "_flight",
        "_held",
        "_last",
        "_lock",
        "_now",
        "_offset",
        "_rejected",
        "_rejected_by",
        "_sibling",
        "_subject",
        "name",
    )

    def __init__(self, subject: Subject, engine: Engine, *, name: str, sibling: Callable[[str], "Credential"]) -> None:
        """For the manager's own use."""
        self.name = name
        self._subject = subject
        self._engine = engine
        self._sibling = sibling
        self._now = engine.clock.monotonic
        # _lock guards everything below; _held is read without it, as one whole.
        self._lock = threading.Lock()
        self._held = NOTHING
        self._last = Landing()
        self._failure_until = 0.0
        self._offset: float | None = None
        self._rejected = ""
        self._rejected_by = ""
        self._flight: Flight[Landing] | None = None

    # -- what applications use -----------------------------------------------------------------------------------------

    def header(self) -> str:
        """The value of the ``Authorization`` header, such as ``Bearer …``.

        Returns at once while a usable token is in memory, else blocks until one is there (``Limits.wait`` seconds at
        most). Raises TokenUnavailable or LoginRequired, and never returns an empty value.
        """
        held = self._held
        if self._now() < held.soft:
            return held.header
        return self._wait(self._usable(), None).header

    async def header_async(self) -> str:
        """``header()`` for asyncio and trio: never blocks the loop, and may be cancelled without harm to others."""
        held = self._held
        if self._now() < held.soft:
            return held.header
        return (await self._wait_async(self._usable())).header

    def held_header(self) -> str | None:
        """The header value where a usable token is in memory, else None; never blocks and never waits.

        A stale token is returned while the next one is fetched in the background. Raises TokenUnavailable where an
        attempt failed a moment ago.
        """
        held = self._held
        if self._now() < held.soft:
            return held.header
        ready = self._ready()
        return ready.header if isinstance(ready, Held) else None

    def token(self, *, timeout: float | None = None) -> AccessToken:
        """The token with its metadata; blocks as ``header`` does, for at most ``timeout`` seconds if given."""
        return self._wait(self._usable(), timeout).token(self._engine.clock)

    async def token_async(self) -> AccessToken:
        """``token()`` for asyncio and trio."""
        return (await self._wait_async(self._usable())).token(self._engine.clock)

    def refresh(self, *, timeout: float | None = None) -> AccessToken:
        """A token that is newer than this call, even though the one in memory may be good; blocks on I/O.

        Callers at the same time share one request. Raises TokenUnavailable; the token in memory stays in use then.
        """
        return self._wait(self._newer(), timeout).token(self._engine.clock)

    async def refresh_async(self) -> AccessToken:
        """``refresh()`` for asyncio and trio."""
        return (await self._wait_async(self._newer())).token(self._engine.clock)

    def reject(self, token: str | AccessToken, *, origin: str = "") -> RejectOutcome:
        """Say that the API at ``origin`` refused ``token`` (a token or a whole header value); does no I/O.

        Drops it only if it is the one in memory: a late answer to an older token changes nothing. The refresh token is
        kept. An API that refuses a token fetched for its own sake within 30 seconds causes no further one.
        """
        refused = _bytes(token.value if isinstance(token, AccessToken) else token.rpartition(" ")[2])
        now = self._now()
        with self._lock:
            held = self._held
            if now >= held.end:
                return RejectOutcome.RENEW
            if not hmac.compare_digest(_bytes(held.record.access_token), refused):
                return RejectOutcome.SUPERSEDED
            if self._fixed or any(by == origin and now - when < CIRCUIT_SECONDS for by, when in held.renewed_for):
                self._engine.counters.add("rejections_without_renewal")
                return RejectOutcome.CIRCUIT_OPEN
            self._engine.counters.add("rejections")
            self._rejected = held.record.access_token
            self._rejected_by = origin
            self._held = NOTHING
            return RejectOutcome.RENEW

    def with_scope(self, scope: str) -> "Credential":
        """The credential of the same source and context for another ``scope`` (space-separated words); no I/O."""
        if isinstance(self._subject.source, ServiceAccountToken):
            raise ConfigurationError("An app token has the scope that it was made with; make another one for more.")
        return self._sibling(scope)

    @property
    def context(self) -> str:
        """The tenant or technical client that this credential is for, or ""."""
        return self._subject.context

    @property
    def scope(self) -> str | None:
        """The scope that is asked for, or None."""
        return None if isinstance(self._subject.source, ServiceAccountToken) else self._subject.source.scope

    @property
    def description(self) -> str:
        """Name or source in words, for messages; holds no secret."""
        return self._subject.label

    def parameters(self) -> Parameters:
        """What tells it from another credential and is no secret; for the login that carries its token. No I/O."""
        source = self._subject.source
        return (("kind", (source.kind,)), ("context", (self._subject.context,)), *source.parameters())

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets of its source by name, unread; for the login that carries its token. No I/O."""
        return self._subject.source.secrets()

    def status(self) -> CredentialStatus:
        """How this credential is doing, as far as this process knows; does no I/O and shows no token."""
        now = self._now()
        with self._lock:
            held, last, until = self._held, self._last, self._failure_until
        there = held.end > now
        return CredentialStatus(
            name=self.name,
            context=self._subject.context,
            source=self._subject.source.description,
            state=held.lifetime.state(now) if held is not NOTHING else TokenState.ABSENT,
            token=fingerprint(held.record.access_token) if there else "",
            age=now - held.lifetime.received if there else None,
            expires_in=held.end - now if there else None,
            lifetime_from=held.record.duration_from,
            generation=last.generation,
            saved=last.saved,
            reason=last.reason,
            last_error="" if last.failure is None else last.failure.message,
            next_attempt_in=None if last.failure is None else max(0.0, until - now),
        )

    def __repr__(self) -> str:
        return f"Credential({self._subject.label})"

    # -- one engine ----------------------------------------------------------------------------------------------------

    def _usable(self) -> _Steps:
        """Yield the flights to wait for until there is a token that may be sent."""
        for _ in range(3):
            ready = self._ready()
            if isinstance(ready, Held):
                return ready
            landing = yield ready
            if landing is None:
                self._out_of_time()
            if landing.held is not None and self._now() < landing.held.end:
                return landing.held
            if landing.failure is not None:
                raise self._error(landing)
        self._out_of_time()

    def _newer(self) -> _Steps:
        """Yield the flights to wait for until there is a token that was received after this call."""
        asked = self._now()
        for _ in range(3):
            with self._lock:
                last = self._last
                if last.failure is None or self._now() >= self._failure_until or self._flight is not None:
                    flight = self._launch(Reason.ASKED)
                else:
                    raise self._error(last)
            landing = yield flight
            if landing is None:
                self._out_of_time()
            if landing.failure is not None:
                raise self._error(landing)
            held = landing.held
            if held is not None and (landing.fetched or held.lifetime.received >= asked):
                return held
        self._out_of_time()

    def _ready(self) -> Held | Flight[Landing]:
        """A token that may be sent now, or the flight to wait for; starts a flight where one is due."""
        now = self._now()
        with self._lock:
            held, last = self._held, self._last
            pausing = last.failure is not None and now < self._failure_until
            if now < held.hard or (last.failure is not None and now < held.end):
                if now >= held.soft and not pausing:
                    self._launch(self._why_early())
                return held
            if not pausing or self._flight is not None:
                return self._launch(self._why_late())
        raise self._error(last)

    def _why_early(self) -> Reason:
        if not self._last.saved:
            return Reason.UNSAVED
        return Reason.RECHECK if isinstance(self._subject.source, ServiceAccountToken) else Reason.STALE

    def _why_late(self) -> Reason:
        if self._rejected:
            return Reason.REJECTED
        return Reason.ABSENT if self._held is NOTHING else Reason.EXPIRED

    def _launch(self, reason: Reason) -> Flight[Landing]:
        """The running flight, or a new one; called with the lock held."""
        engine = self._engine
        if self._flight is not None:
            if self._flight.awaited:
                self._flight.start(engine.workers)
            return self._flight
        if engine.closed:
            raise TokenUnavailable(f"No token for {self._subject.label}: its token manager is closed.", reason="closed")
        order = self._order(reason)
        flight = Flight(lambda: self._land(engine.acquisition.bring(order), order, flight))
        order.precious = lambda: engine.guard(flight)
        self._flight = flight
        flight.start(engine.workers)
        return flight

    def _order(self, reason: Reason) -> Order:
        last = self._last
        return Order(
            subject=self._subject,
            reason=reason,
            held=self._held,
            rejected=self._rejected,
            rejected_by=self._rejected_by,
            record=last.record,
            generation=last.generation,
            saved=last.saved,
            secrets_mark=last.secrets_mark,
            offset=self._offset,
            made=self._now(),
        )

    def _land(self, landing: Landing, order: Order, flight: Flight[Landing]) -> Landing:
        """Take over what the flight brought; runs in the flight's thread, just before its waiters wake."""
        now = self._now()
        self._engine.landed(flight)
        with self._lock:
            if self._flight is flight:
                self._flight = None
            held = landing.held
            if held is not None and held.record.access_token == self._rejected and not order.rejected:
                held = None  # refused while this flight was under way
            if landing.offset is not None:
                self._offset = landing.offset
            if landing.failure is not None:
                pause = landing.failure.left(self._engine.clock.wall())
                self._failure_until = now + (
                    min(pause, _LOOK_AT_SECRETS_SECONDS) if landing.failure.permanent else pause
                )
            if landing.record is None:
                last = self._last
                landing = landing.changed(
                    record=last.record, generation=last.generation, saved=last.saved, secrets_mark=last.secrets_mark
                )
            if held is not None:
                if not landing.saved:
                    held = held.until(now + _SAVE_AGAIN_SECONDS)
                self._held = held
                self._rejected = self._rejected_by = ""
            kept = landing.record
            self._engine.remember(self, saved=landing.saved or kept is None or not kept.refresh_token)
            landing = self._last = landing.changed(held=held, reason=f"{landing.reason}: {order.reason.value}")
        return landing

    # -- two doors -----------------------------------------------------------------------------------------------------

    def _wait(self, steps: _Steps, timeout: float | None) -> Held:
        if timeout is None:
            return follow(steps, self._engine.limits.wait)
        return follow(steps, timeout, lend=False)

    async def _wait_async(self, steps: _Steps) -> Held:
        return await follow_async(steps, self._engine.limits.wait)

    def _out_of_time(self) -> NoReturn:
        raise TokenUnavailable(
            f"No token for {self._subject.label} within the time allowed; it is still being fetched.",
            reason="timeout",
            retry_after=1.0,
        )

    def _error(self, landing: Landing) -> TokenUnavailable:
        assert landing.failure is not None  # noqa: S101 - called for failures only
        return error_of(landing.failure, label=self._subject.label, wall=self._engine.clock.wall())

    @property
    def _fixed(self) -> bool:
        source = self._subject.source
        return isinstance(source, ServiceAccountToken) and source.token.kind == "value"

    def save(self) -> bool:
        """Write the token down where it stands in memory only; False where the store is out of order.

        Blocks on the store, and never raises. For the manager's own use.
        """
        with self._lock:
            order = None if self._last.saved else self._order(Reason.UNSAVED)
        return order is None or self._engine.acquisition.keep(order)

    def drop(self) -> None:
        """Forget the token in memory; the store keeps its record. For the manager's own use when it is closed."""
        with self._lock:
            self._held = NOTHING
            self._last = Landing()

    def reset_after_fork(self) -> None:
        """Make lock and flight anew in a child process; the token stays usable."""
        self._lock = threading.Lock()
        self._flight = None


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
