"""The client of an introspection endpoint: one request for all who hold the same token, cached, never in a storm.

RFC 7662 section 4. Requests are shared by single flight; after failures they back off.
"""

import hashlib
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FIRST_STEP, FetchFailed, Outage
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, IntrospectionUnavailable
from roomkey.http.messages import Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.jose.reasons import invalid_token
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.source import Moment, reveal
from roomkey.oauth.token_response import TokenEndpointError
from roomkey.resource_server.introspection import LARGEST_RESPONSE, Introspection, read_introspection
from roomkey.secret import Confidential

_log = logging.getLogger("roomkey")
_MARGIN_SECONDS: Final = 0.5
_MOST_FLIGHTS: Final = 256
_UNUSABLE_IN_A_ROW: Final = 5
_TIMEOUT: Final = FetchFailed("timeout", "no response yet")


@final
class IntrospectionResult(Confidential):
    """The auth service's response about one token: its claims, or None where it is not active. Its repr shows neither.

    Immutable.
    """

    __slots__ = ("claims",)

    def __init__(self, claims: dict[str, Any] | None) -> None:
        self.claims = claims

    def __repr__(self) -> str:
        return f"IntrospectionResult({'inactive' if self.claims is None else 'active'})"


@dataclass(frozen=True, slots=True)
class UnusableResponse:
    """A response without a result, which the token may have caused itself: other tokens need not suffer."""

    failed: FetchFailed


IntrospectionOutcome = IntrospectionResult | UnusableResponse | FetchFailed


@dataclass(frozen=True, slots=True)
class _Cached:
    """An outcome that is used for a token until this time on the monotonic clock."""

    outcome: IntrospectionResult | UnusableResponse
    until: float


@final
class Introspector(Forkable):
    """One issuer's introspection endpoint with its cache. Safe in any thread, in asyncio and trio, and after a fork."""

    __slots__ = (
        "_active",
        "_clock",
        "_discovery",
        "_flights",
        "_issuer",
        "_lock",
        "_others",
        "_outage",
        "_probe",
        "_transport",
        "_unusable",
        "_workers",
        "settings",
    )

    def __init__(self, settings: Introspection, *, issuer: str, transport: Transport, clock: Clock) -> None:
        self.settings = settings
        self._issuer = issuer
        self._clock = clock
        self._transport = transport
        self._discovery = Discovery(transport, clock)
        self._workers = Workers()
        # _lock guards what follows; the two caches are read without it. Junk evicts no active token from its cache.
        self._lock = threading.Lock()
        self._active: dict[bytes, _Cached] = {}
        self._others: dict[bytes, _Cached] = {}
        self._flights: dict[bytes, Flight[IntrospectionOutcome]] = {}
        self._outage: Outage | None = None
        self._probe: Flight[IntrospectionOutcome] | None = None
        self._unusable = 0
        forkables[id(self)] = self

    def introspect(self, token: str, *, fresh: bool) -> Steps[Mapping[str, Any]]:
        """Return the claims of ``token`` as the auth service knows it.

        ``fresh`` accepts no response to a request that was sent before. Raises InvalidToken for a token that is not
        active, IntrospectionUnavailable where there is no result.
        """
        key = hashlib.sha256(token.encode()).digest()
        outcome: IntrospectionOutcome | None = self._cached(key, fresh=fresh)
        if outcome is None:
            outcome = yield from self._ask(token, key, fresh=fresh)
        if not isinstance(outcome, IntrospectionResult):
            raise self._unavailable(outcome.failed if isinstance(outcome, UnusableResponse) else outcome)
        if outcome.claims is None:
            raise invalid_token("inactive")
        return outcome.claims

    def _cached(self, key: bytes, *, fresh: bool) -> IntrospectionResult | UnusableResponse | None:
        """Return the outcome to use for a token now; for a ``fresh`` caller only that it has no usable response."""
        now = self._clock.monotonic()
        for cache in (self._active, self._others):
            cached = cache.get(key)
            if (
                cached is not None
                and now < cached.until
                and not (fresh and isinstance(cached.outcome, IntrospectionResult))
            ):
                return cached.outcome
        return None

    def _ask(self, token: str, key: bytes, *, fresh: bool) -> Steps[IntrospectionOutcome]:
        seconds = self.settings.timeout + _MARGIN_SECONDS
        earlier = self._flights.get(key) if fresh else None
        if earlier is not None:
            # Its response may have been given before this caller came, so another request follows.
            yield earlier.within(seconds)
        joined = self._join(token, key, fresh=fresh)
        if isinstance(joined, Flight):
            return _TIMEOUT if joined is earlier else (yield joined.within(seconds)) or _TIMEOUT
        return joined

    def _join(self, token: str, key: bytes, *, fresh: bool) -> IntrospectionOutcome | Flight[IntrospectionOutcome]:
        """Return the flight with the request about ``token``, or the outcome that came meanwhile or instead."""
        now = self._clock.monotonic()
        with self._lock:
            cached, flight, outage = self._cached(key, fresh=fresh), self._flights.get(key), self._outage
            if cached is not None:
                return cached
            if flight is not None:
                if flight.awaited:
                    flight.start(self._workers)
                return flight
            if outage is not None and now < outage.until:
                return outage.last
            if len(self._flights) >= _MOST_FLIGHTS:
                return FetchFailed("busy", "too many tokens are being introspected")
            new: Flight[IntrospectionOutcome] = Flight(lambda: self._finish(self._request(token), key, new))
            self._flights[key] = new
            if outage is not None:  # one request finds out whether it is over; the others go on without
                self._outage, self._probe = outage.probed(now + self.settings.timeout), new
            new.start(self._workers)
            return new

    def _request(self, token: str) -> IntrospectionOutcome:
        """Send one request, for at most ``settings.timeout``; returns errors, whose frames would hold the token."""
        try:
            return self._send(token)
        except TransportError as error:
            failed = FetchFailed(error.reason, error.detail)
            return UnusableResponse(failed) if error.sent else failed
        except TokenEndpointError as error:
            return FetchFailed(error.error, str(error), error.retry_after)
        except ConfigurationError as error:
            _log.error("Tokens cannot be introspected: %s", error)
            return FetchFailed(error.code, "the API cannot authenticate to its auth service")
        except Exception as error:  # noqa: BLE001 - those who wait must get an outcome
            return UnusableResponse(FetchFailed("internal", f"the attempt ended in {type(error).__name__}"))

    def _send(self, token: str) -> IntrospectionOutcome:
        settings, now = self.settings, self._clock.monotonic
        end, endpoint = now() + settings.timeout, settings.endpoint
        if endpoint is None:
            endpoint = self._discovery.introspection_endpoint(self._issuer, seconds=end - now())
        moment = Moment(self._clock.wall(), secrets.token_urlsafe(16))
        revealed = reveal(settings.secrets())
        request = settings.request(endpoint, token, revealed, moment, issuer=self._issuer)
        response = self._transport.send(request, seconds=end - now(), largest=LARGEST_RESPONSE).response
        if response.status == 200:
            claims = read_introspection(response)
            if claims == "malformed":
                return UnusableResponse(FetchFailed("malformed", "the response does not say whether it is active"))
            return IntrospectionResult(None if claims == "inactive" else claims)
        if settings.endpoint is None:
            self._discovery.forget(self._issuer)  # the endpoint may have moved
        return self._failure(response, revealed.origins)

    def _failure(self, response: Response, origins: str) -> UnusableResponse | FetchFailed:
        status, wait = response.status, retry_after(response, wall=self._clock.wall())
        detail = f"the response has the status {status}"
        if status in (401, 403):
            _log.error(
                "The auth service does not let client %r introspect tokens (HTTP %d); %s.",
                self.settings.client_id,
                status,
                origins,
            )
            return FetchFailed("invalid_client", detail, wait)
        if status == 429 or (status == 503 and wait is not None):
            return FetchFailed("overloaded", detail, wait)
        return UnusableResponse(FetchFailed("server_error" if status >= 500 else f"status_{status}", detail, wait))

    def _finish(
        self, outcome: IntrospectionOutcome, key: bytes, flight: Flight[IntrospectionOutcome]
    ) -> IntrospectionOutcome:
        """Store the outcome; runs in the flight's thread, just before its waiters wake."""
        now = self._clock.monotonic()
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if isinstance(outcome, IntrospectionResult):
                self._unusable, self._outage = 0, None
                self._store(key, outcome, now)
                return outcome
            probe = self._outage is None or flight is self._probe
            begins = self._fail(key, outcome, now, probe=probe)
        if begins:
            failed = outcome.failed if isinstance(outcome, UnusableResponse) else outcome
            _log.warning("Tokens of %s cannot be introspected: %s.", self._issuer, failed.detail)
        return outcome

    def _store(self, key: bytes, result: IntrospectionResult, now: float) -> None:
        claims, lifetime = result.claims, self.settings.inactive_ttl
        if claims is not None:
            expires = claims.get("exp")
            left = expires - self._clock.wall() if isinstance(expires, int | float) else self.settings.ttl
            lifetime = min(self.settings.ttl, left)
        self._active.pop(key, None)
        self._others.pop(key, None)
        if lifetime > 0.0:
            self._put(self._others if claims is None else self._active, key, _Cached(result, now + lifetime))

    def _fail(self, key: bytes, outcome: UnusableResponse | FetchFailed, now: float, *, probe: bool) -> bool:
        """Return True where an outage begins or goes on.

        An unusable response concerns its token alone, until so many came in a row that it is no token's fault. Requests
        that were on their way when an outage began do not prolong it; ``probe`` is False for them.
        """
        self._unusable = self._unusable + 1 if isinstance(outcome, UnusableResponse) else 0
        if isinstance(outcome, UnusableResponse) and self._unusable < _UNUSABLE_IN_A_ROW:
            if probe:
                self._outage = None
            self._put(self._others, key, _Cached(outcome, now + FIRST_STEP))
            return False
        if probe:
            failed = outcome.failed if isinstance(outcome, UnusableResponse) else outcome
            self._outage = Outage.after(self._outage, failed, jitter=0.0, now=now)
        return probe

    def _put(self, cache: dict[bytes, _Cached], key: bytes, cached: _Cached) -> None:
        cache.pop(key, None)
        cache[key] = cached
        if len(cache) > self.settings.most:
            del cache[next(iter(cache))]

    def _unavailable(self, failed: FetchFailed) -> IntrospectionUnavailable:
        outage = self._outage
        return IntrospectionUnavailable(
            f"The token cannot be introspected at {self._issuer}: {failed.reason}.",
            reason=failed.reason,
            retry_after=FIRST_STEP if outage is None else outage.wait(self._clock.monotonic()),
        )

    def after_fork_in_child(self) -> None:
        """Replace locks, threads and flights; the cache stays."""
        self._lock = threading.Lock()
        self._flights = {}
        self._workers = Workers()
        self._discovery.reset_after_fork()
