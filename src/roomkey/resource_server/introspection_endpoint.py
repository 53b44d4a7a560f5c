"""The endpoint at which an auth service answers what it knows of a token: one question, one answer (RFC 7662)."""

import logging
import secrets
from dataclasses import dataclass
from typing import Any, final

from roomkey.clock import Budget, Clock
from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.concurrency.outage import FetchFailed
from roomkey.errors import ConfigurationError
from roomkey.http.messages import Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.source import Moment, reveal
from roomkey.oauth.token_response import TokenEndpointError
from roomkey.resource_server.introspection import LARGEST_ANSWER, Introspection, read_introspection
from roomkey.secret import Confidential

_log = logging.getLogger("roomkey")


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
