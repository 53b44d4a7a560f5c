"""A credential: the token of one source for one context, ready to be sent."""

import hmac
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Final, NoReturn, final

from roomkey.client.access_token import AccessToken
from roomkey.client.credential_state import (
    NO_TOKEN,
    CredentialState,
    CredentialStatus,
    HeldToken,
    RejectOutcome,
    RenewalReason,
    TokenIdentity,
)
from roomkey.client.lifetime import TokenState
from roomkey.client.renewal import CIRCUIT_SECONDS, renew
from roomkey.client.resources import Resources
from roomkey.client.stored_state import save_unsaved
from roomkey.concurrency.single_flight import Flight
from roomkey.concurrency.steps import Steps, arun, run
from roomkey.errors import ConfigurationError, TokenUnavailable
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Parameters
from roomkey.secret import Confidential, Secret, fingerprint

_SAVE_AGAIN_SECONDS: Final = 5.0
_LOOK_AT_SECRETS_SECONDS: Final = 5.0


@final
class Credential(Confidential):
    """Keeps one token ready: made by ``TokenManager.credential``, shared by threads, asyncio and trio tasks.

    The common case is a comparison and a return. Only a missing or expiring token starts a renewal, one for all
    callers (single flight).
    """

    __slots__ = (
        "__weakref__", "_flight", "_held", "_identity", "_lock", "_now", "_resources", "_sibling", "_state", "name",
    )  # fmt: skip

    def __init__(
        self, identity: TokenIdentity, resources: Resources, *, name: str, sibling: Callable[[str], "Credential"]
    ) -> None:
        """For the manager's own use."""
        self.name = name
        self._identity = identity
        self._resources = resources
        self._sibling = sibling
        self._now = resources.clock.monotonic
        # _lock guards everything below; _held is read without it, and always the state's own.
        self._lock = threading.Lock()
        self._state = CredentialState()
        self._held = NO_TOKEN
        self._flight: Flight[CredentialState] | None = None

    # -- what applications use -----------------------------------------------------------------------------------------

    def header(self) -> str:
        """The value of the ``Authorization`` header, such as ``Bearer …``.

        Returns at once while a usable token is in memory, else blocks until one is there (``Limits.wait`` seconds at
        most). Raises TokenUnavailable or LoginRequired, and never returns an empty value.
        """
        held = self._held
        if self._now() < held.soft:
            return held.header
        return run(self._usable()).header

    async def header_async(self) -> str:
        """``header()`` for asyncio and trio: never blocks the loop, and may be cancelled without harm to others."""
        held = self._held
        if self._now() < held.soft:
            return held.header
        return (await arun(self._usable())).header

    def held_header(self) -> str | None:
        """The header value where a fresh token is in memory, else None; never blocks, and starts nothing."""
        held = self._held
        return held.header if self._now() < held.soft else None

    def header_steps(self) -> Steps[str]:
        """``header()`` as steps, for callers with a driver of their own (``concurrency/steps.py``).

        A stale token is returned while the next one is fetched in the background; a missing one is waited for.
        """
        return (yield from self._usable()).header

    def token(self, *, timeout: float | None = None) -> AccessToken:
        """The token with its metadata; blocks as ``header`` does, for at most ``timeout`` seconds if given."""
        return run(self._usable(timeout)).token(self._resources.clock)

    async def token_async(self) -> AccessToken:
        """``token()`` for asyncio and trio."""
        return (await arun(self._usable())).token(self._resources.clock)

    def refresh(self, *, timeout: float | None = None) -> AccessToken:
        """A token that is newer than this call, even though the one in memory may be valid; blocks on I/O.

        It asks whatever is remembered of earlier failures; callers at the same time share one request. Raises
        TokenUnavailable; the token in memory stays in use then.
        """
        return run(self._newer(timeout)).token(self._resources.clock)

    async def refresh_async(self) -> AccessToken:
        """``refresh()`` for asyncio and trio."""
        return (await arun(self._newer())).token(self._resources.clock)

    def reject(self, token: str | AccessToken, *, origin: str = "") -> RejectOutcome:
        """Report that the API at ``origin`` rejected ``token`` (a token or a whole header value); does no I/O.

        Drops it only if it is the one in memory: a late answer to an older token changes nothing. The refresh token is
        kept. An API that rejects a token fetched for its own sake within 30 seconds causes no further one.
        """
        with self._lock:
            outcome = self._rejection(_word(token), origin)
            if outcome is RejectOutcome.RENEW and self._now() < self._held.end:
                self._set(replace(self._state, held=NO_TOKEN))
            return outcome

    def doubt(self, token: str | AccessToken, *, origin: str = "") -> RejectOutcome:
        """As ``reject``, for a rejection that may be the API's own trouble: starts a renewal, and keeps the token.

        The token goes once another one is there. An attempt that failed a moment ago is not repeated.
        """
        with self._lock:
            outcome = self._rejection(_word(token), origin)
            state, now = self._state, self._now()
            if outcome is RejectOutcome.RENEW and (state.failure is None or now >= state.retry_at):
                self._launch(RenewalReason.REJECTED)
            return outcome

    def other_header_steps(self, header: str) -> Steps[str | None]:
        """Wait for the renewal under way, as steps; another header than ``header``, or None where none can be had."""
        with self._lock:
            flight = self._flight
        if flight is not None:
            yield flight.within(self._resources.limits.wait, lend=True)
        held = self._held
        return held.header if self._now() < held.end and held.header != header else None

    def accept(self, header: str, *, origin: str) -> None:
        """Report that the API at ``origin`` took ``header``: should it reject it later, the token was revoked.

        Does no I/O.
        """
        with self._lock:
            held = self._held
            if held.renewed_for and held.header == header:
                proven = tuple(item for item in held.renewed_for if item[0] != origin)
                self._set(replace(self._state, held=replace(held, renewed_for=proven)))

    def _rejection(self, rejected: bytes, origin: str) -> RejectOutcome:
        """What a rejection means; called with the lock held. RENEW is noted in the state."""
        now, held = self._now(), self._held
        if now >= held.end:
            return RejectOutcome.RENEW
        if not hmac.compare_digest(_bytes(held.record.access_token), rejected):
            return RejectOutcome.SUPERSEDED
        source = self._identity.source
        fixed = isinstance(source, ServiceAccountToken) and source.token.kind == "value"
        if fixed or any(by == origin and now - when < CIRCUIT_SECONDS for by, when in held.renewed_for):
            self._resources.count("rejections_without_renewal")
            return RejectOutcome.CIRCUIT_OPEN
        self._resources.count("rejections")
        self._set(replace(self._state, rejected=held.record.access_token, rejected_by=origin))
        return RejectOutcome.RENEW

    def with_scope(self, scope: str) -> "Credential":
        """The credential of the same source and context for another ``scope`` (space-separated words); no I/O."""
        if isinstance(self._identity.source, ServiceAccountToken):
            raise ConfigurationError("An app token has the scope that it was made with; make another one for more.")
        return self._sibling(scope)

    @property
    def context(self) -> str:
        """The tenant or technical client that this credential is for, or ""."""
        return self._identity.context

    @property
    def scope(self) -> str | None:
        """The scope that is asked for, or None."""
        return None if isinstance(self._identity.source, ServiceAccountToken) else self._identity.source.scope

    @property
    def description(self) -> str:
        """Name or source in words, for messages; holds no secret."""
        return self._identity.label

    def parameters(self) -> Parameters:
        """Everything that distinguishes it and is no secret; for the login that carries its token. No I/O."""
        source = self._identity.source
        return (("kind", (source.kind,)), ("context", (self._identity.context,)), *self._identity.parameters)

    def secrets(self) -> tuple[tuple[str, Secret], ...]:
        """The secrets of its source by name, unread; for the login that carries its token. No I/O."""
        return self._identity.source.secrets()

    def status(self) -> CredentialStatus:
        """The status of this credential, as far as this process knows; does no I/O and shows no token."""
        now, state = self._now(), self._state
        held, failure = state.held, state.failure
        there = held.end > now
        return CredentialStatus(
            name=self.name,
            context=self._identity.context,
            source=self._identity.source.description,
            state=held.lifetime.state(now) if held is not NO_TOKEN else TokenState.ABSENT,
            token=fingerprint(held.record.access_token) if there else "",
            age=now - held.lifetime.received if there else None,
            expires_in=held.end - now if there else None,
            lifetime_from=held.record.duration_from,
            generation=state.generation,
            saved=state.saved,
            reason="" if state.reason is None else f"{state.outcome}: {state.reason.value}",
            last_error="" if failure is None else failure.message,
            next_attempt_in=None if failure is None else failure.left(self._resources.clock.wall()),
        )

    def __repr__(self) -> str:
        return f"Credential({self._identity.label})"

    # -- one path for all of them --------------------------------------------------------------------------------------

    def _usable(self, timeout: float | None = None) -> Steps[HeldToken]:
        """Wait until there is a token that may be sent, and return it."""
        seconds = self._resources.limits.wait if timeout is None else timeout
        for _ in range(3):
            ready = self._ready()
            if isinstance(ready, HeldToken):
                return ready
            state = yield ready.within(seconds, lend=timeout is None)
            if state is None:
                self._out_of_time()
            if self._now() < state.held.end:
                return state.held  # type: ignore[no-any-return]
            if state.failure is not None:
                raise self._error(state)
        self._out_of_time()

    def _newer(self, timeout: float | None = None) -> Steps[HeldToken]:
        """Wait until there is a token that was received after this call, and return it."""
        asked, seconds = self._now(), self._resources.limits.wait if timeout is None else timeout
        for _ in range(3):
            with self._lock:
                flight = self._launch(RenewalReason.ASKED)
            state = yield flight.within(seconds, lend=timeout is None)
            if state is None:
                self._out_of_time()
            if state.outcome == "failed before":
                continue  # somebody else's flight, which did not ask
            if state.failure is not None:
                raise self._error(state)
            if state.held is not NO_TOKEN and (state.outcome == "fetched" or state.held.lifetime.received >= asked):
                return state.held  # type: ignore[no-any-return]
        self._out_of_time()

    def _ready(self) -> HeldToken | Flight[CredentialState]:
        """A token that may be sent now, or the flight to wait for; starts a flight where one is due."""
        now = self._now()
        with self._lock:
            state = self._state
            held = state.held
            pausing = state.failure is not None and now < state.retry_at
            if now < held.lifetime.hard or (state.failure is not None and now < held.end):
                if now >= held.soft and not pausing:
                    self._launch(self._why_early(state))
                return held
            if not pausing or self._flight is not None:
                return self._launch(self._why_late(state))
        raise self._error(state)

    def _why_early(self, state: CredentialState) -> RenewalReason:
        if not state.saved:
            return RenewalReason.UNSAVED
        recheck = isinstance(self._identity.source, ServiceAccountToken)
        return RenewalReason.RECHECK if recheck else RenewalReason.STALE

    def _why_late(self, state: CredentialState) -> RenewalReason:
        if state.rejected:
            return RenewalReason.REJECTED
        return RenewalReason.ABSENT if state.held is NO_TOKEN else RenewalReason.EXPIRED

    def _launch(self, reason: RenewalReason) -> Flight[CredentialState]:
        """The running flight, or a new one; called with the lock held."""
        resources = self._resources
        if self._flight is not None:
            if self._flight.awaited:
                self._flight.start(resources.workers)
            return self._flight
        if resources.closed:
            raise TokenUnavailable(
                f"No token for {self._identity.label}: its token manager is closed.", reason="closed"
            )
        before, now = self._state, self._now()

        def job() -> CredentialState:
            renewed = renew(
                before,
                reason,
                identity=self._identity,
                resources=resources,
                asked_at=now,
                spending=lambda: resources.guard(flight),
            )
            return self._finished(replace(renewed, reason=reason), before, flight)

        self._flight = flight = Flight(job)
        flight.start(resources.workers)
        return flight

    def _finished(
        self, renewed: CredentialState, before: CredentialState, flight: Flight[CredentialState]
    ) -> CredentialState:
        """Take over what the flight brought; runs in the flight's thread, just before its waiters wake."""
        now = self._now()
        with self._lock:
            if self._flight is flight:
                self._flight = None
            current, held = self._state, renewed.held
            if held.record.access_token == current.rejected and not before.rejected:
                held = NO_TOKEN  # rejected while this flight was under way
            if not renewed.saved and held is not NO_TOKEN:
                held = held.until(now + _SAVE_AGAIN_SECONDS)
            if renewed.failure is not None:
                pause = renewed.failure.left(self._resources.clock.wall())
                if renewed.failure.permanent:
                    pause = min(pause, _LOOK_AT_SECRETS_SECONDS)
                renewed = replace(renewed, retry_at=now + pause)
            renewed = replace(renewed, held=held, rejected="", rejected_by="")
            if held is NO_TOKEN:  # nothing better came than what is held, or known to be rejected
                kept = current.held is not NO_TOKEN  # and if it was doubted, it is not any more
                self._set(
                    replace(
                        renewed,
                        held=current.held,
                        rejected="" if kept else current.rejected,
                        rejected_by="" if kept else current.rejected_by,
                    )
                )
            else:
                self._set(renewed)
            record = renewed.record
            saved = renewed.saved or record is None or not record.refresh_token
            self._resources.finished(flight, self, saved=saved)
        return renewed

    def _set(self, state: CredentialState) -> None:
        self._state, self._held = state, state.held

    def _out_of_time(self) -> NoReturn:
        raise TokenUnavailable(
            f"No token for {self._identity.label} within the time allowed; it is still being fetched.",
            reason="timeout",
            retry_after=1.0,
        )

    def _error(self, state: CredentialState) -> TokenUnavailable:
        assert state.failure is not None  # noqa: S101 - called for failures only
        return state.failure.error(self._identity.label, self._resources.clock.wall())

    # -- for the manager's own use -------------------------------------------------------------------------------------

    def save(self) -> bool:
        """Save the token where it is in memory only; False where the store is unavailable.

        Blocks on the store, and never raises.
        """
        return save_unsaved(self._state, self._identity, self._resources)

    def drop(self) -> None:
        """Forget the token in memory when the manager is closed; the store keeps its record."""
        with self._lock:
            self._set(CredentialState())

    def reset_after_fork(self) -> None:
        """Make lock and flight anew in a child process; the token stays usable."""
        self._lock = threading.Lock()
        self._flight = None


def _word(token: str | AccessToken) -> bytes:
    return _bytes(token.value if isinstance(token, AccessToken) else token.rpartition(" ")[2])


def _bytes(value: str) -> bytes:
    return value.encode("utf-8", "surrogatepass")
