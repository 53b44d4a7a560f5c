"""Asks the auth service about tokens: once for all who hold the same one, and never in a storm (RFC 7662 section 4)."""

import hashlib
import logging
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from roomkey.clock import Budget, Clock
from roomkey.concurrency.backoff import FIRST_STEP, FetchFailed, Outage
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, IntrospectionUnavailable
from roomkey.http.messages import Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.jose.reasons import invalid_token
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.source import Moment, reveal
from roomkey.oauth.token_response import TokenEndpointError
from roomkey.resource_server.introspection import LARGEST_ANSWER, Introspection, read_introspection
from roomkey.secret import Confidential


@final
class Activity(Confidential):
    """What the auth service said of one token: its claims, or None where it is not active. Its repr shows neither."""

    __slots__ = ("claims",)

    def __init__(self, claims: dict[str, Any] | None) -> None:
        self.claims = claims

    def __repr__(self) -> str:
        return "Activity(inactive)" if self.claims is None else "Activity(active)"


@dataclass(frozen=True, slots=True)
class Odd:
    """No usable answer about a token, which may have caused that itself: others need not suffer."""

    failed: FetchFailed


Said = Activity | Odd | FetchFailed


@final
class IntrospectionEndpoint(Forkable):
    """Asks the auth service of one issuer. Blocks on I/O, for at most ``settings.timeout``; safe in any thread."""

    __slots__ = ("_clock", "_discovery", "_issuer", "_settings", "_transport")

    def __init__(self, settings: Introspection, *, issuer: str, transport: Transport, clock: Clock) -> None:
        self._settings = settings
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._discovery = Discovery(transport, clock)
        tell_of_forks(self)

    def ask(self, token: str) -> Said:
        """What the auth service says of ``token``. Errors are values: their frames would hold the token."""
        try:
            return self._exchange(token)
        except TransportError as error:
            failed = FetchFailed(error.reason, error.detail)
            return Odd(failed) if error.sent else failed
        except TokenEndpointError as error:
            return FetchFailed(error.error, str(error), error.retry_after)
        except ConfigurationError as error:
            _log.error("The auth service cannot be asked about tokens: %s", error)
            return FetchFailed(error.code, "the API cannot prove who it is")
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            return Odd(FetchFailed("internal", f"the attempt ended in {type(error).__name__}"))

    def _exchange(self, token: str) -> Said:
        settings, budget = self._settings, Budget(self._settings.timeout, self._clock)
        endpoint = settings.endpoint
        if endpoint is None:
            endpoint = self._discovery.introspection_endpoint(self._issuer, seconds=budget.left)
        moment = Moment(self._clock.wall(), secrets.token_urlsafe(16))
        revealed = reveal(settings.secrets())
        request = settings.request(endpoint, token, revealed, moment, issuer=self._issuer)
        response = self._transport.send(request, seconds=budget.left, largest=LARGEST_ANSWER).response
        if response.status == 200:
            said = read_introspection(response)
            if said == "malformed":
                return Odd(FetchFailed("malformed", "the answer does not say whether the token is active"))
            return Activity(None if said == "inactive" else said)
        if settings.endpoint is None:
            self._discovery.forget(self._issuer)  # the endpoint may have moved
        return self._refusal(response, revealed.origins)

    def _refusal(self, response: Response, origins: str) -> Odd | FetchFailed:
        status, wait = response.status, retry_after(response, wall=self._clock.wall())
        detail = f"the answer has the status {status}"
        if status in (401, 403):
            _log.error(
                "The auth service does not let client %r ask about tokens (HTTP %d); %s.",
                self._settings.client_id,
                status,
                origins,
            )
            return FetchFailed("invalid_client", detail, wait)
        if status == 429 or (status == 503 and wait is not None):
            return FetchFailed("overloaded", detail, wait)
        return Odd(FetchFailed("server_error" if status >= 500 else f"status_{status}", detail, wait))

    def after_fork_in_child(self) -> None:
        """Make the lock of the discovery anew."""
        self._discovery.reset_after_fork()


_log = logging.getLogger("roomkey")
_SLACK: Final = 0.5
_MOST_FLIGHTS: Final = 256
_ODD_IN_A_ROW: Final = 5
_TIMEOUT: Final = FetchFailed("timeout", "no answer yet")


@dataclass(frozen=True, slots=True)
class _Known:
    """What counts for a token until so far on the monotonic clock."""

    said: Activity | Odd
    until: float


@final
class Introspector(Forkable):
    """One issuer's introspection endpoint. Safe in any thread, in asyncio and trio, and after a fork."""

    __slots__ = (
        "_active",
        "_clock",
        "_endpoint",
        "_flights",
        "_issuer",
        "_lock",
        "_odd",
        "_others",
        "_outage",
        "_probe",
        "_workers",
        "settings",
    )

    def __init__(self, settings: Introspection, *, issuer: str, transport: Transport, clock: Clock) -> None:
        self.settings = settings
        self._issuer = issuer
        self._clock = clock
        self._endpoint = IntrospectionEndpoint(settings, issuer=issuer, transport=transport, clock=clock)
        self._workers = Workers()
        # _lock guards what follows; the two books are read without it. Junk drives no good token out of its book.
        self._lock = threading.Lock()
        self._active: dict[bytes, _Known] = {}
        self._others: dict[bytes, _Known] = {}
        self._flights: dict[bytes, Flight[Said]] = {}
        self._outage: Outage | None = None
        self._probe: Flight[Said] | None = None
        self._odd = 0
        tell_of_forks(self)

    def course(self, token: str, *, fresh: bool) -> Steps[Mapping[str, Any]]:
        """The claims of ``token`` as the auth service knows it.

        ``fresh`` takes no answer to a question that was asked before. Raises InvalidToken for a token that is not
        active, IntrospectionUnavailable where nobody can tell.
        """
        key = hashlib.sha256(token.encode()).digest()
        said: Said | None = self._remembered(key, fresh=fresh)
        if said is None:
            said = yield from self._asking(token, key, fresh=fresh)
        if not isinstance(said, Activity):
            raise self._unavailable(said.failed if isinstance(said, Odd) else said)
        if said.claims is None:
            raise invalid_token("inactive")
        return said.claims

    def _remembered(self, key: bytes, *, fresh: bool) -> Activity | Odd | None:
        """What counts for a token now; for a ``fresh`` caller that is only that the token makes trouble."""
        now = self._clock.monotonic()
        for book in (self._active, self._others):
            known = book.get(key)
            if known is not None and now < known.until and not (fresh and isinstance(known.said, Activity)):
                return known.said
        return None

    def _asking(self, token: str, key: bytes, *, fresh: bool) -> Steps[Said]:
        seconds = self.settings.timeout + _SLACK
        earlier = self._flights.get(key) if fresh else None
        if earlier is not None:
            yield earlier.within(
                seconds
            )  # its answer may have been given before this caller came, so another question follows
        joined = self._join(token, key, fresh=fresh)
        if isinstance(joined, Flight):
            return _TIMEOUT if joined is earlier else (yield joined.within(seconds)) or _TIMEOUT
        return joined

    def _join(self, token: str, key: bytes, *, fresh: bool) -> Said | Flight[Said]:
        """The flight with the question about ``token``; what is said where that came meanwhile, or none can come."""
        now = self._clock.monotonic()
        with self._lock:
            known, flight, outage = self._remembered(key, fresh=fresh), self._flights.get(key), self._outage
            if known is not None:
                return known
            if flight is not None:
                if flight.awaited:
                    flight.start(self._workers)
                return flight
            if outage is not None and now < outage.until:
                return outage.last
            if len(self._flights) >= _MOST_FLIGHTS:
                return FetchFailed("busy", "too many tokens are being asked about")
            asked: Flight[Said] = Flight(lambda: self._land(self._endpoint.ask(token), key, asked))
            self._flights[key] = asked
            if outage is not None:  # one question finds out whether it is over; the others go on without
                self._outage, self._probe = outage.probed(now + self.settings.timeout), asked
            asked.start(self._workers)
            return asked

    def _land(self, said: Said, key: bytes, flight: Flight[Said]) -> Said:
        """Take over what was said; runs in the flight's thread, just before its waiters wake."""
        now = self._clock.monotonic()
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if isinstance(said, Activity):
                self._odd, self._outage = 0, None
                self._remember(key, said, now)
                return said
            probe = self._outage is None or flight is self._probe
            begins = self._fails(key, said, now, probe=probe)
        if begins:
            failed = said.failed if isinstance(said, Odd) else said
            _log.warning("The auth service of %s cannot be asked about tokens: %s.", self._issuer, failed.detail)
        return said

    def _remember(self, key: bytes, said: Activity, now: float) -> None:
        claims, lifetime = said.claims, self.settings.inactive_ttl
        if claims is not None:
            expires = claims.get("exp")
            left = expires - self._clock.wall() if isinstance(expires, int | float) else self.settings.ttl
            lifetime = min(self.settings.ttl, left)
        self._active.pop(key, None)
        self._others.pop(key, None)
        if lifetime > 0.0:
            self._enter(self._others if claims is None else self._active, key, _Known(said, now + lifetime))

    def _fails(self, key: bytes, said: Odd | FetchFailed, now: float, *, probe: bool) -> bool:
        """True where an outage begins or goes on.

        An odd answer concerns its token alone, until so many came in a row that it is no token's fault. Questions that
        were on their way when an outage began make it no longer; ``probe`` is False for them.
        """
        self._odd = self._odd + 1 if isinstance(said, Odd) else 0
        if isinstance(said, Odd) and self._odd < _ODD_IN_A_ROW:
            if probe:
                self._outage = None
            self._enter(self._others, key, _Known(said, now + FIRST_STEP))
            return False
        if probe:
            failed = said.failed if isinstance(said, Odd) else said
            self._outage = Outage.after(self._outage, failed, jitter=0.0, now=now)
        return probe

    def _enter(self, book: dict[bytes, _Known], key: bytes, known: _Known) -> None:
        book.pop(key, None)
        book[key] = known
        if len(book) > self.settings.most:
            del book[next(iter(book))]

    def _unavailable(self, failed: FetchFailed) -> IntrospectionUnavailable:
        outage = self._outage
        return IntrospectionUnavailable(
            f"The auth service of {self._issuer} cannot be asked about the token: {failed.reason}.",
            reason=failed.reason,
            retry_after=FIRST_STEP if outage is None else outage.wait(self._clock.monotonic()),
        )

    def after_fork_in_child(self) -> None:
        """Make locks, threads and flights anew; answers stay usable."""
        self._lock = threading.Lock()
        self._flights = {}
        self._workers = Workers()
