"""Renewal of a token, once for all callers and processes: take the lease, read again, ask, save, use.

``renew`` takes a credential's state and returns the next one. It blocks on I/O, so it runs in worker threads.
"""

import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final, final
from urllib.parse import quote_plus

from roomkey.client.credential_state import NO_TOKEN, CredentialState, HeldToken, Record, RenewalReason, TokenIdentity
from roomkey.client.failure import Failure, rejection_message
from roomkey.client.lifetime import TokenState
from roomkey.client.resources import Resources
from roomkey.client.stored_state import for_secrets, newest, saved_state, stored_state
from roomkey.client.token_request import Granted, read_app_token
from roomkey.errors import ConfigurationError, LoginRequired, RoomkeyError, StoreUnavailable, TokenUnavailable, place_of
from roomkey.http.transport import TransportError
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Source, reveal
from roomkey.oauth.token_response import TokenEndpointError, TokenResponse
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")

CIRCUIT_SECONDS: Final = 30.0
"""Seconds after a renewal for an API's sake in which that API cannot cause another one."""
_SHORTEST_PAUSE: Final = 0.004
_LONGEST_PAUSE: Final = 0.025
_SECRET_PAUSE: Final = 1.0
_MOST_ORIGINS: Final = 16


def renew(
    state: CredentialState,
    reason: RenewalReason,
    *,
    identity: TokenIdentity,
    resources: Resources,
    asked_at: float,
    spending: Callable[[], None],
) -> CredentialState:
    """The state after one attempt to get a token; what went wrong is its ``failure``, and ``held`` is NO_TOKEN then.

    ``asked_at`` is the monotonic second at which a token was asked for; ``spending`` is called just before a refresh
    token is sent: from then on the attempt must not be abandoned. Raises KeyboardInterrupt alone.
    """
    try:
        return _Renewal(state, reason, identity, resources, asked_at, spending).run()
    except RoomkeyError as error:
        login = isinstance(error, LoginRequired)
        failure = Failure(
            getattr(error, "reason", "") or error.code,
            str(error),
            permanent=login or isinstance(error, ConfigurationError),
            login_required=login,
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001 - without a result its waiters would wait until they time out
        failure = Failure("internal_error", f"{type(error).__name__} inside roomkey; the log has more.")
        with contextlib.suppress(Exception):  # perhaps it was the log that failed
            # Without the traceback: its frames hold secrets, and handlers exist that show them.
            _log.error("Getting a token for %s: %s at %s", identity.label, type(error).__name__, place_of(error))
    return state.failed(failure.pausing(_SECRET_PAUSE, resources.clock.wall()))


@final
class _Renewal:
    """One attempt. ``_before`` is the state that it began with, ``_state`` the one that it has come to."""

    __slots__ = (
        "_asked_at", "_before", "_clock", "_identity", "_key",
        "_reason", "_resources", "_revealed", "_spending", "_state",
    )  # fmt: skip

    def __init__(
        self,
        state: CredentialState,
        reason: RenewalReason,
        identity: TokenIdentity,
        resources: Resources,
        asked_at: float,
        spending: Callable[[], None],
    ) -> None:
        source = identity.source
        app = None if isinstance(source, ServiceAccountToken) else source.authenticated_by
        self._revealed = reveal(source.secrets(), None if app is None else app.header())
        self._before = self._state = for_secrets(state, self._revealed.mark)
        self._reason = reason
        self._identity = identity
        self._resources = resources
        self._clock = resources.clock
        self._asked_at = asked_at
        self._spending = spending
        self._key: str | None = None  # of the record; None while the store is unavailable

    def run(self) -> CredentialState:
        source = self._identity.source
        if isinstance(source, ServiceAccountToken):
            label = self._identity.label
            held, warnings = read_app_token(source, self._revealed, clock=self._clock, label=label)
            if warnings and self._resources.due(label, "app token"):
                _log.warning("The app token for %s: %s", label, "; ".join(warnings))
            mark, offset = self._revealed.mark, self._before.offset
            return CredentialState(held=held, record=held.record, secrets_mark=mark, offset=offset, outcome="read")
        try:
            return self._with_store(source)
        except StoreUnavailable as error:
            self._resources.store_failed(error)
        # Without the store: what this process remembers, and one attempt for all its callers.
        self._key, self._state = None, self._before
        return self._usable(self._before, saved=self._before.saved) or self._ask(source)

    def _with_store(self, source: Source) -> CredentialState:
        """One process asks, the others find its token in the store."""
        store, limits = self._resources.store, self._resources.limits
        key = self._key = self._identity.store_key(store.fingerprint(self._revealed.joined))
        owner = f"{self._resources.owner}.{id(self)}"
        self._state = state = saved_state(self._before, key, self._resources)
        waited, pause = 0.0, _SHORTEST_PAUSE
        while True:
            stored = stored_state(state, key, self._resources)
            if stored.record is not None and (found := self._usable(stored)):
                return found
            if store.lease(key, owner=owner, seconds=limits.lease):
                break
            if waited >= limits.wait:
                raise TokenUnavailable("another process has been asking for it for too long.", reason="busy")
            time.sleep(pause)
            waited += pause
            pause = min(pause * 1.5, _LONGEST_PAUSE)
        try:
            stored = stored_state(state, key, self._resources)
            found = self._usable(stored)
            if found is None:
                self._state = newest(state, stored)
                found = self._ask(source)
            return found
        finally:
            with contextlib.suppress(StoreUnavailable):  # the lease runs out by itself then
                store.release(key, owner=owner)

    # -- a record in the store (or in memory) may be what is wanted, or say why it is not available --------------------

    def _usable(self, found: CredentialState, *, saved: bool = True) -> CredentialState | None:
        record, now, wall = found.record, self._clock.monotonic(), self._clock.wall()
        if record is None:
            return None
        held = self._hold(record, self._before.offset)
        found = replace(found, held=held, saved=saved, failure=None, outcome="found")
        if record.access_token not in ("", self._before.rejected):
            state = held.lifetime.state(now)
            if self._reason is RenewalReason.ASKED:
                serves = state is TokenState.FRESH and held.lifetime.received >= self._asked_at
            else:
                late = state is TokenState.STALE and now >= self._before.held.lifetime.hard
                serves = state is TokenState.FRESH or late
            if serves:
                self._resources.count("found_in_store")
                return found
        failure = record.failure
        if failure is None or not failure.left(wall) or self._reason is RenewalReason.ASKED:
            return None
        if failure.permanent and failure.until - failure.pause < self._resources.started:
            return None  # from before this program was started, perhaps with what was mended in between
        return self._may_still_serve(replace(found, failure=failure, outcome="failed before"))

    def _may_still_serve(self, state: CredentialState) -> CredentialState:
        """``state`` with its token only where that is better than nothing: valid, and not the one that was rejected."""
        token = state.held.record.access_token
        valid = token not in ("", self._before.rejected) and self._clock.monotonic() < state.held.end
        return state if valid else replace(state, held=NO_TOKEN)

    def _hold(self, record: Record, offset: float | None) -> HeldToken:
        return HeldToken.of(
            record,
            earlier=self._before.held,
            clock=self._clock,
            offset=offset,
            window=self._resources.window,
            jitter=self._identity.jitter,
        )

    # -- one attempt at the token endpoint: spend the refresh token or sign in, then save before use -------------------

    def _ask(self, source: Source) -> CredentialState:
        """Ask, save, and say what came of it; never raises for an endpoint or a store that fails."""
        deadline = self._clock.monotonic() + self._resources.limits.fetch
        try:
            granted = self._refresh(source, deadline)
            if granted is None:
                self._resources.count("token_requests")
                granted = self._resources.endpoint.login(source, self._revealed, deadline)
        except TransportError as error:
            message = f"{_asked(source, error.url)} did not answer: {error.detail}."
            # A lost response may have spent the refresh token; the mark stays, so that a later rejection is understood.
            lost = error.sent and self._state.record is not None and self._state.record.spending
            return self._failed(Failure(error.reason, message), spending=lost)
        except TokenEndpointError as error:
            return self._rejected(source, error)
        return self._granted(source, granted)

    def _refresh(self, source: Source, deadline: float) -> Granted | None:
        """Spend the refresh token; None where there is none any more and a sign-in is needed.

        Whatever words a server has for it, a rejected refresh is the end of that refresh token and of nothing else: the
        source signs in with what it holds, and only the rejection of that counts.
        """
        for _ in range(2):
            record = self._state.record
            if record is None or not record.refresh_token:
                return None
            if record.refresh_until and record.refresh_until <= self._clock.wall() + record.offset:
                _log.info("%s: the refresh token has expired, as announced.", self._identity.label)
                self._save(replace(record, refresh_token="", refresh_until=0.0, spending=False))
                return None
            self._save(replace(record, spending=True))
            if self._state.record is not None and self._state.record.refresh_token != record.refresh_token:
                continue  # a sibling has spent it in the meantime, and to send it again would look like a theft
            self._spending()
            self._resources.count("token_requests")
            refresh_token = Secret(record.refresh_token)
            try:
                return self._resources.endpoint.refresh(source, self._revealed, refresh_token, deadline)
            except TokenEndpointError as error:
                if not error.rejects:
                    raise
            # A sibling may have rotated it: then theirs is used, and nothing of theirs is thrown away.
            if not self._rotated_by_a_sibling(record):
                self._warn_of_rejected_refresh_token(record)
                self._save(replace(record, refresh_token="", refresh_until=0.0, spending=False))
                return None
        return None

    def _warn_of_rejected_refresh_token(self, spent: Record) -> None:
        """After a lost response a rejection was to be expected; at any other time it may be a sign of a theft."""
        label = self._identity.label
        if spent.spending:
            _log.info("%s: the refresh token was spent by a request whose response was lost.", label)
        else:
            self._resources.count("rejected_refresh_tokens")
            _log.warning(
                "%s: the refresh token was rejected; it has expired, was revoked, or somebody else has used it.", label
            )

    def _rotated_by_a_sibling(self, spent: Record) -> bool:
        """Read the store once more; True where it now holds another refresh token than ``spent``."""
        if self._key is None:
            return False
        try:
            found = stored_state(self._state, self._key, self._resources)
        except StoreUnavailable as error:
            self._resources.store_failed(error)
            return False
        if found.record is None or found.record.refresh_token in ("", spent.refresh_token):
            return False
        self._state = found
        return True

    def _granted(self, source: Source, granted: Granted) -> CredentialState:
        earlier = self._state.record or Record(label=self._identity.label)
        response = granted.response
        issued_at = self._clock.wall() + granted.offset - granted.round_trip
        duration = response.lifetime
        refresh_token = response.refresh_token or earlier.refresh_token
        if response.access_token == earlier.access_token and response.lifetime_from == "jwt":
            # Some servers answer with the token that they gave before. What they say of its lifetime counts; exp less
            # iat, and nothing else, is counted from the moment at which it was first seen.
            duration = min(duration, earlier.issued_at + earlier.duration - issued_at)
        if duration <= 0.0:
            # The refresh token that came with it is valid all the same, and the one before it is spent.
            self._state = replace(self._state, record=replace(earlier, refresh_token=refresh_token))
            return self._rejected(source, TokenEndpointError("expired_on_arrival"))
        for warning in response.warnings:
            self._resources.count("odd_answers")
            if self._resources.due(self._identity.label, warning):
                _log.warning("The token response for %s: %s", self._identity.label, warning)
        renewed_for = tuple(item for item in earlier.renewed_for if issued_at - item[1] < CIRCUIT_SECONDS)
        if self._before.rejected:
            renewed_for = (*renewed_for, (self._before.rejected_by, issued_at))[-_MOST_ORIGINS:]
        record = Record(
            access_token=response.access_token,
            token_type=response.token_type,
            scope=response.scope,
            issued_at=issued_at,
            offset=granted.offset,
            duration=duration,
            duration_from=response.lifetime_from,
            refresh_token=refresh_token,
            refresh_until=self._refresh_until(response, earlier, issued_at),
            renewed_for=renewed_for,
            label=self._identity.label,
        )
        saved = self._save(record)
        assert self._state.record is not None  # noqa: S101 - it was saved
        held = self._hold(self._state.record, granted.offset)
        return replace(self._state, held=held, saved=saved, failure=None, offset=granted.offset, outcome="fetched")

    def _refresh_until(self, response: TokenResponse, earlier: Record, issued_at: float) -> float:
        # Keycloak's refresh_expires_in of 0 is a refresh token without an end.
        if response.refresh_lifetime is not None and response.refresh_lifetime > 0.0:
            return issued_at + response.refresh_lifetime
        return 0.0 if response.refresh_token else earlier.refresh_until

    def _rejected(self, source: Source, error: TokenEndpointError) -> CredentialState:
        rejected_grant = error.error == "invalid_grant"
        message = rejection_message(
            asked=_asked(source, error.url),
            status=error.status,
            error=error.error,
            detail=str(error),
            secrets=self._revealed.origins,
            description=self._without_secrets(error.description),
        )
        permanent = error.permanent or rejected_grant
        failure = Failure(error.error, message, permanent=permanent, login_required=rejected_grant)
        return self._failed(failure, retry_after=error.retry_after)

    def _without_secrets(self, description: str) -> str:
        """``description`` of the server, or "" where it repeats something that it was sent."""
        record = self._state.record or Record()
        known = (*self._revealed.values.values(), record.refresh_token, record.access_token)
        shown = any(form in description for one in known if one for form in (one, quote_plus(one)))
        return "" if shown else description

    def _failed(self, failure: Failure, *, retry_after: float | None = None, spending: bool = False) -> CredentialState:
        record = self._state.record or Record(label=self._identity.label)
        wall = self._clock.wall()
        failure = failure.after(
            record.failure,
            wall=wall,
            retry_after=retry_after,
            usable_for=record.duration - record.age(wall) if record.access_token else 0.0,
            jitter=self._identity.jitter,
        )
        self._resources.count("failed_token_requests")
        _log.info("No new token for %s: %s", self._identity.label, failure.message)
        was_saved = self._state.saved
        saved = self._save(replace(record, failure=failure, spending=spending)) or was_saved
        assert self._state.record is not None  # noqa: S101 - it was saved
        held = self._hold(self._state.record, None)
        return self._may_still_serve(replace(self._state, held=held, saved=saved, failure=failure, outcome="failed"))

    def _save(self, record: Record) -> bool:
        """Save ``record``; where that fails it is kept in memory and False is returned.

        An attempt that comes back late, after its lease has run out, finds a newer token here and uses that one.
        """
        generation = self._state.generation
        self._state = replace(self._state, record=record)
        if self._key is None:
            return False
        try:
            for _ in range(3):
                saved = self._resources.store.save(self._key, record.to_bytes(), generation)
                if saved is not None:
                    self._state = replace(self._state, generation=saved)
                    return True
                stored = stored_state(self._state, self._key, self._resources)
                if stored.record is not None and stored.record.issued_at >= max(record.issued_at, 1.0):
                    self._state = stored
                    return True
                generation = stored.generation
        except StoreUnavailable as error:
            self._resources.store_failed(error)
        return False


def _asked(source: Source, url: str) -> str:
    """What was asked, in words: the token endpoint, or the issuer for its metadata."""
    endpoint = url or source.token_endpoint
    return f"the token endpoint {endpoint}" if endpoint else f"the issuer {source.issuer}"
