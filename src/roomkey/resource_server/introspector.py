"""Asks the auth service about tokens: once for all who hold the same one, and never in a storm (RFC 7662 section 4)."""

import hashlib
import logging
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from roomkey.clock import Budget, Clock
from roomkey.concurrency.backoff import FIRST_STEP, backoff
from roomkey.concurrency.flight import Flight
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.workers import Workers
from roomkey.errors import IntrospectionUnavailable, SecretUnavailable
from roomkey.jose.refusal import refused
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.endpoint_error import TokenEndpointError
from roomkey.oauth.source import Moment, reveal
from roomkey.resource_server.introspection import LARGEST_ANSWER, Introspection, read_introspection
from roomkey.resource_server.waits import Course, Landing
from roomkey.secret import Confidential
from roomkey.wire.headers import retry_after
from roomkey.wire.messages import Response
from roomkey.wire.transport import Transport, TransportError

_log = logging.getLogger("roomkey")
_SLACK: Final = 0.5
_MOST_FLIGHTS: Final = 256
_LONGEST_RETRY_AFTER: Final = 300.0
# What one odd token can cause must not stop the questions about all others; what only an outage causes may at once.
_FAILURES_OF_ONE_TOKEN: Final = 2


@final
class Activity(Confidential):
    """What the auth service said of one token: its claims, or None where it is not active. Its repr shows neither."""

    __slots__ = ("claims", "until")

    def __init__(self, claims: Mapping[str, Any] | None, until: float) -> None:
        """``until`` is when to ask again, on the monotonic clock."""
        self.claims = claims
        self.until = until

    def __repr__(self) -> str:
        return "Activity(inactive)" if self.claims is None else "Activity(active)"


@dataclass(frozen=True, slots=True)
class Unanswered:
    """No usable answer came back.

    Attributes:
        reason: a stable word.
        retry_after: seconds that the auth service asks to wait, or None.
        certain: True where this surely says nothing of the one token that was asked about.
    """

    reason: str
    retry_after: float | None = None
    certain: bool = False


_Said = dict[str, Any] | None | Unanswered
"""The claims of an active token, None for one that is not active, or no answer."""


@dataclass(frozen=True, slots=True)
class _Pause:
    reason: str
    until: float


@final
class Introspector(Forkable):
    """One issuer's introspection endpoint. Safe in any thread, in asyncio and trio, and after a fork."""

    __slots__ = (
        "_answers",
        "_clock",
        "_discovery",
        "_failures",
        "_flights",
        "_issuer",
        "_lock",
        "_pause",
        "_transport",
        "_workers",
        "settings",
    )

    def __init__(self, settings: Introspection, *, issuer: str, transport: Transport, clock: Clock) -> None:
        self.settings = settings
        self._issuer = issuer
        self._transport = transport
        self._clock = clock
        self._discovery = Discovery(transport, clock)
        self._workers = Workers()
        # _lock guards the four below it.
        self._lock = threading.Lock()
        self._answers: OrderedDict[bytes, Activity] = OrderedDict()
        self._flights: dict[bytes, Flight[Activity | Unanswered]] = {}
        self._failures = 0
        self._pause: _Pause | None = None
        tell_of_forks(self)

    def course(self, token: str, *, fresh: bool) -> Course[Mapping[str, Any]]:
        """The claims of ``token`` as the auth service knows it.

        ``fresh`` takes no answer that was there before, but one that somebody is waiting for already. Raises
        InvalidToken for a token that is not active, IntrospectionUnavailable where nobody can tell.
        """
        found = self._found(token, hashlib.sha256(token.encode()).digest(), fresh=fresh)
        if isinstance(found, Flight):
            landed = yield Landing(found, self.settings.timeout + _SLACK)
            found = Unanswered("timeout") if landed is None else landed
        if isinstance(found, Unanswered):
            raise self._unavailable(found)
        if found.claims is None:
            raise refused("inactive")
        return found.claims

    def _found(self, token: str, key: bytes, *, fresh: bool) -> Activity | Unanswered | Flight[Activity | Unanswered]:
        now = self._clock.monotonic()
        with self._lock:
            known = self._answers.get(key)
            if known is not None and now < known.until and not fresh:
                return known
            flight = self._flights.get(key)
            if flight is not None:
                if flight.awaited:
                    flight.awaited = not self._workers.submit(flight.run)
                return flight
            pause = self._pause
            if pause is not None and now < pause.until:
                return Unanswered(pause.reason, pause.until - now)
            if len(self._flights) >= _MOST_FLIGHTS:
                return Unanswered("busy", 1.0)
            if pause is not None:  # one question finds out whether the outage is over; the others go on waiting
                self._pause = _Pause(pause.reason, now + self.settings.timeout)
            return self._launch(token, key)

    def _launch(self, token: str, key: bytes) -> Flight[Activity | Unanswered]:
        flight: Flight[Activity | Unanswered] = Flight(lambda: self._land(self._asked(token), key, flight))
        self._flights[key] = flight
        flight.awaited = not self._workers.submit(flight.run)
        return flight

    def _asked(self, token: str) -> _Said:
        """What the auth service says; runs in a worker. Errors are values: their frames would hold the token."""
        try:
            return self._exchange(token)
        except TransportError as error:
            return Unanswered(error.reason, certain=not error.sent)
        except TokenEndpointError as error:
            return Unanswered(error.error, error.retry_after, certain=True)
        except SecretUnavailable as error:
            _log.error("The auth service cannot be asked about tokens: %s", error)
            return Unanswered("secret_unavailable", certain=True)
        except Exception as error:  # noqa: BLE001 - whoever waits must hear of it
            return Unanswered(f"internal_{type(error).__name__}")

    def _exchange(self, token: str) -> _Said:
        settings, budget = self.settings, Budget(self.settings.timeout, self._clock)
        endpoint = settings.endpoint
        if endpoint is None:
            endpoint = self._discovery.introspection_endpoint(self._issuer, seconds=budget.left)
        moment = Moment(self._clock.wall(), secrets.token_urlsafe(16))
        request = settings.request(endpoint, token, reveal(settings.secrets()), moment, issuer=self._issuer)
        response = self._transport.send(request, seconds=budget.left, largest=LARGEST_ANSWER).response
        if response.status == 200:
            said = read_introspection(response)
            return Unanswered("malformed") if said == "malformed" else None if said == "inactive" else said
        if settings.endpoint is None:
            self._discovery.forget(self._issuer)  # the endpoint may have moved
        return self._refusal(response)

    def _refusal(self, response: Response) -> Unanswered:
        status, wait = response.status, retry_after(response, wall=self._clock.wall())
        if status in (401, 403):
            _log.error(
                "The auth service does not let client %r ask about tokens (HTTP %d).", self.settings.client_id, status
            )
            return Unanswered("invalid_client", wait, certain=True)
        if status == 429 or (status == 503 and wait is not None):
            return Unanswered("overloaded", wait, certain=True)
        return Unanswered("server_error" if status >= 500 else f"status_{status}", wait)

    def _land(self, said: _Said, key: bytes, flight: Flight[Activity | Unanswered]) -> Activity | Unanswered:
        now = self._clock.monotonic()
        with self._lock:
            if self._flights.get(key) is flight:
                del self._flights[key]
            if isinstance(said, Unanswered):
                self._failed(said, now)
                return said
            self._failures, self._pause = 0, None
            answer = self._activity(said, now)
            self._answers.pop(key, None)
            if answer.until > now:
                self._answers[key] = answer
                while len(self._answers) > self.settings.most:
                    self._answers.popitem(last=False)
            return answer

    def _activity(self, claims: dict[str, Any] | None, now: float) -> Activity:
        if claims is None:
            return Activity(None, now + self.settings.inactive_ttl)
        expires = claims.get("exp")
        left = expires - self._clock.wall() if isinstance(expires, int | float) else self.settings.ttl
        return Activity(claims, now + min(self.settings.ttl, left))

    def _failed(self, failed: Unanswered, now: float) -> None:
        self._failures += 1
        if not failed.certain and self._failures <= _FAILURES_OF_ONE_TOKEN:
            return
        pause = backoff(self._failures, 0.0)
        if failed.retry_after is not None:
            pause = min(max(failed.retry_after, FIRST_STEP), _LONGEST_RETRY_AFTER)
        self._pause = _Pause(failed.reason, now + pause)
        _log.warning("The auth service of %s cannot be asked about tokens: %s.", self._issuer, failed.reason)

    def _unavailable(self, found: Unanswered) -> IntrospectionUnavailable:
        wait = max(1.0, found.retry_after or 0.0)
        return IntrospectionUnavailable(
            f"The auth service of {self._issuer} cannot be asked about the token: {found.reason}.",
            reason=found.reason,
            retry_after=wait,
        )

    def after_fork_in_child(self) -> None:
        """Make locks, threads and flights anew; answers stay usable."""
        self._lock = threading.Lock()
        self._flights = {}
        self._workers = Workers()
        self._discovery.reset_after_fork()
