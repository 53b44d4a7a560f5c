"""One token request: find the endpoint, build the request, send it, read the response; or read an app token."""

import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from roomkey.client.credential_state import HeldToken, Record
from roomkey.client.lifetime import Lifetime
from roomkey.clock import Clock
from roomkey.http.messages import Request, server_date
from roomkey.http.transport import TimedResponse, Transport, TransportError
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Moment, Revealed, Source
from roomkey.oauth.token_response import TokenResponse
from roomkey.secret import Secret

_log = logging.getLogger("roomkey")

RECHECK_SECONDS: Final = 5.0
"""Seconds that a rotated file or variable with an app token may go unnoticed."""
_CLOCK_NOISE: Final = 5.0
_UNKNOWN_EXPIRY: Final = 315_360_000.0


@dataclass(frozen=True, slots=True)
class Granted:
    """A token response with the times around it.

    Attributes:
        response: what the endpoint granted.
        round_trip: seconds between the request and its response.
        offset: seconds that the server's clock is ahead of this machine's; 0 where that is no more than noise.
    """

    response: TokenResponse
    round_trip: float
    offset: float


def read_app_token(
    source: ServiceAccountToken, revealed: Revealed, *, clock: Clock, label: str
) -> tuple[HeldToken, tuple[str, ...]]:
    """The app token as it stands in its file, variable or setting now, and warnings: nothing is requested.

    Raises LoginRequired when it has expired and ConfigurationError where it cannot be used.
    """
    wall, now = clock.wall(), clock.monotonic()
    token = source.read(revealed, wall=wall)
    duration = min(token.lifetime, _UNKNOWN_EXPIRY)
    end = now + duration
    record = Record(
        access_token=token.access_token,
        token_type=token.token_type,
        scope=token.scope,
        issued_at=wall,
        duration=duration,
        duration_from=token.lifetime_from,
        label=label,
    )
    soft = end if source.token.kind == "value" else min(now + RECHECK_SECONDS, end)
    return HeldToken(record, Lifetime(now, soft, end, end)), token.warnings


@dataclass(frozen=True, slots=True)
class TokenEndpoint:
    """Sends token requests. Blocks on I/O; safe in any thread; holds no state but what discovery remembers.

    ``deadline`` is a monotonic second throughout. Raises TransportError or TokenEndpointError.
    """

    transport: Transport
    discovery: Discovery
    clock: Clock

    def login(self, source: Source, revealed: Revealed, deadline: float) -> Granted:
        """Get a token with the source's own credentials.

        A login that carries the app's own token is tried once more with a new one when that was rejected.
        """
        url = self._url(source, deadline)
        response = self._send(lambda moment: source.login_request(url, revealed, moment), deadline)
        if response.response.status == 401 and revealed.authorization is not None:
            app = source.authenticated_by
            assert app is not None  # noqa: S101 - the header is its own
            app.reject(revealed.authorization, origin=url)
            renewed = app.header()
            if renewed != revealed.authorization:
                again = revealed.authorized_by(renewed)
                response = self._send(lambda moment: source.login_request(url, again, moment), deadline)
        return self._read(source, response)

    def refresh(self, source: Source, revealed: Revealed, refresh_token: Secret, deadline: float) -> Granted:
        """Spend ``refresh_token`` for a new token.

        When the response was lost the same refresh token is sent once more: inside the server's grace window that
        gives the same response, and outside of it nothing is lost that was not lost already (RFC 9700, 4.14).
        """
        url = self._url(source, deadline)

        def send() -> TimedResponse:
            return self._send(
                lambda moment: source.refresh_request(url, revealed, refresh_token.reveal(), moment), deadline
            )

        try:
            response = send()
        except TransportError as error:
            if not error.sent:
                raise
        else:
            return self._read(source, response)
        try:
            return self._read(source, send())
        except TransportError as error:
            error.sent = True  # the first one was
            raise

    def reset_after_fork(self) -> None:
        """Make what the discovery locks with anew in a child process."""
        self.discovery.reset_after_fork()

    def _url(self, source: Source, deadline: float) -> str:
        if source.token_endpoint is not None:
            return source.token_endpoint
        assert source.issuer is not None  # noqa: S101 - every source checks that it has one of the two
        return self.discovery.token_endpoint(source.issuer, seconds=deadline - self.clock.monotonic())

    def _send(self, request: Callable[[Moment], Request], deadline: float) -> TimedResponse:
        moment = Moment(self.clock.wall(), secrets.token_urlsafe(16))
        return self.transport.send(request(moment), seconds=deadline - self.clock.monotonic())

    def _read(self, source: Source, timed: TimedResponse) -> Granted:
        wall = self.clock.wall()
        date = server_date(timed.response)
        ahead = 0.0 if date is None else date - wall
        offset = ahead if abs(ahead) > _CLOCK_NOISE + timed.round_trip else 0.0
        return Granted(source.read_response(timed.response, wall=wall + offset), timed.round_trip, offset)
