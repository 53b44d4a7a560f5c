"""One conversation with a token endpoint: find it, build the request, send it, read the answer."""

import secrets
from dataclasses import dataclass
from typing import Final

from roomkey.clock import Budget, Clock
from roomkey.http.messages import Request, server_date
from roomkey.http.transport import Answer, Transport, TransportError
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.source import Moment, Revealed, Source
from roomkey.oauth.token_response import TokenResponse
from roomkey.secret import Secret

_CLOCK_NOISE: Final = 5.0


@dataclass(frozen=True, slots=True)
class Granted:
    """A token answer with the times around it.

    Attributes:
        answer: what the endpoint granted.
        round_trip: seconds between the request and its answer.
        offset: seconds that the server's clock is ahead of this machine's; 0 where that is no more than noise.
    """

    answer: TokenResponse
    round_trip: float
    offset: float


class Exchange:
    """Asks token endpoints. Blocks on I/O; safe in any thread; holds no state but what discovery remembers."""

    __slots__ = ("_clock", "_discovery", "_transport")

    def __init__(self, transport: Transport, discovery: Discovery, clock: Clock) -> None:
        self._transport = transport
        self._discovery = discovery
        self._clock = clock

    def endpoint(self, source: Source, budget: Budget) -> str:
        """The URL that ``source`` gets its tokens from; raises TransportError or TokenEndpointError."""
        if source.token_endpoint is not None:
            return source.token_endpoint
        assert source.issuer is not None  # noqa: S101 - every source checks that it has one of the two
        return self._discovery.token_endpoint(source.issuer, seconds=budget.left)

    def login(self, source: Source, revealed: Revealed, budget: Budget) -> Granted:
        """Get a token with the source's own credentials; raises TransportError or TokenEndpointError.

        A login that carries the app's own token is tried once more with a new one when that was refused.
        """
        endpoint = self.endpoint(source, budget)
        app = source.authenticated_by
        answer = self._send(source.login_request(endpoint, revealed, self._moment()), budget)
        if app is not None and answer.response.status == 401 and revealed.authorization is not None:
            app.reject(revealed.authorization, origin=endpoint)
            renewed = app.header()
            if renewed != revealed.authorization:
                again = source.login_request(endpoint, revealed.authorized_by(renewed), self._moment())
                answer = self._send(again, budget)
        return self._read(source, answer)

    def refresh(self, source: Source, revealed: Revealed, refresh_token: Secret, budget: Budget) -> Granted:
        """Spend ``refresh_token`` for a new token; raises TransportError or TokenEndpointError.

        When the answer was lost the same refresh token is sent once more: inside the server's grace window that gives
        the same answer, and outside of it nothing is lost that was not lost already (RFC 9700, 4.14).
        """
        endpoint = self.endpoint(source, budget)

        def send() -> Answer:
            request = source.refresh_request(endpoint, revealed, refresh_token.reveal(), self._moment())
            return self._send(request, budget)

        try:
            answer = send()
        except TransportError as error:
            if not error.sent:
                raise
        else:
            return self._read(source, answer)
        try:
            return self._read(source, send())
        except TransportError as error:
            error.sent = True  # the first one was
            raise

    def reset_after_fork(self) -> None:
        """Make what the discovery locks with anew in a child process."""
        self._discovery.reset_after_fork()

    def _moment(self) -> Moment:
        return Moment(self._clock.wall(), secrets.token_urlsafe(16))

    def _send(self, request: Request, budget: Budget) -> Answer:
        return self._transport.send(request, seconds=budget.left)

    def _read(self, source: Source, answer: Answer) -> Granted:
        wall = self._clock.wall()
        date = server_date(answer.response)
        ahead = 0.0 if date is None else date - wall
        offset = ahead if abs(ahead) > _CLOCK_NOISE + answer.round_trip else 0.0
        return Granted(source.read_response(answer.response, wall=wall + offset), answer.round_trip, offset)
