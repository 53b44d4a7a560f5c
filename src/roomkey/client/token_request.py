"""One token request: find the endpoint, build the request, send it, read the response; or read an app token."""

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
from roomkey.oauth.token_response import TokenEndpointError, TokenResponse
from roomkey.secret import Secret

RECHECK_SECONDS: Final = 5.0
"""Seconds that a rotated file or variable with an app token may go unnoticed."""
_CLOCK_NOISE: Final = 5.0
_UNKNOWN_EXPIRY: Final = 315_360_000.0
_GONE: Final = frozenset({404, 405, 410})


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
        server = self._server(source, deadline)
        url = server.url
        response = self._send(lambda moment: source.login_request(url, revealed, moment), server, deadline)
        if response.response.status == 401 and revealed.authorization is not None:
            app = source.authenticated_by
            assert app is not None  # noqa: S101 - the header is its own
            app.reject(revealed.authorization, origin=url)
            renewed = app.header()
            if renewed != revealed.authorization:
                again = revealed.authorized_by(renewed)
                response = self._send(lambda moment: source.login_request(url, again, moment), server, deadline)
        return self._read(source, server, response)

    def refresh(self, source: Source, revealed: Revealed, refresh_token: Secret, deadline: float) -> Granted:
        """Spend ``refresh_token`` for a new token.

        When the response was lost the same refresh token is sent once more: inside the server's grace window that
        gives the same response, and outside of it nothing is lost that was not lost already (RFC 9700, 4.14).
        """
        server = self._server(source, deadline)

        def send() -> TimedResponse:
            return self._send(
                lambda moment: source.refresh_request(server.url, revealed, refresh_token.reveal(), moment),
                server,
                deadline,
            )

        try:
            response = send()
        except TransportError as error:
            if not error.sent:
                raise
        else:
            return self._read(source, server, response)
        try:
            return self._read(source, server, send())
        except TransportError as error:
            error.sent = True  # the first one was
            raise

    def reset_after_fork(self) -> None:
        """Make what the discovery locks with anew in a child process."""
        self.discovery.reset_after_fork()

    def _server(self, source: Source, deadline: float) -> "_Server":
        if source.token_endpoint is not None:
            return _Server(source.token_endpoint)
        assert source.issuer is not None  # noqa: S101 - every source checks that it has one of the two
        seconds = deadline - self.clock.monotonic()
        url = self.discovery.token_endpoint(source.issuer, seconds=seconds)
        metadata = self.discovery.metadata(source.issuer, seconds=seconds)
        return _Server(url, source.issuer, metadata.authentication_methods, metadata.assertion_algorithms)

    def _send(self, request: Callable[[Moment], Request], server: "_Server", deadline: float) -> TimedResponse:
        moment = Moment(self.clock.wall(), secrets.token_urlsafe(16), server.methods, server.algorithms)
        try:
            return self.transport.send(request(moment), seconds=deadline - self.clock.monotonic())
        except TransportError as error:
            error.url = server.url
            self._gone(server)
            raise

    def _gone(self, server: "_Server") -> None:
        """Read the metadata again before the next attempt: the endpoint may have moved."""
        if server.issuer is not None:
            self.discovery.expire(server.issuer)

    def _read(self, source: Source, server: "_Server", timed: TimedResponse) -> Granted:
        wall = self.clock.wall()
        date = server_date(timed.response)
        ahead = 0.0 if date is None else date - wall
        offset = ahead if abs(ahead) > _CLOCK_NOISE + timed.round_trip else 0.0
        try:
            response = source.read_response(timed.response, wall=wall + offset)
        except TokenEndpointError as error:
            error.url = server.url
            if timed.response.status in _GONE:
                self._gone(server)
            raise
        return Granted(response, timed.round_trip, offset)


@dataclass(frozen=True, slots=True)
class _Server:
    """Where a token request goes, and what the metadata of the issuer says of it."""

    url: str
    issuer: str | None = None
    methods: tuple[str, ...] = ()
    algorithms: tuple[str, ...] = ()
