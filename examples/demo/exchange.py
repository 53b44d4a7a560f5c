"""HTTP requests and responses of the demo as values: from whom to whom, with fingerprints for tokens."""

import json
import re
import time
from dataclasses import dataclass
from typing import Final

from examples.demo.events import Arrow, Party

from roomkey.oauth.challenge import parse_challenges
from roomkey.secret import fingerprint
from roomkey.testing import LoopbackRequest, LoopbackResponse

_SENT_BY_APIS: Final = frozenset({"/oauth2/jwks", "/oauth2/introspect", "/oauth2/deny-list", "/oauth2/status-list"})
_SENT_BY_APPS: Final = frozenset({"/oauth2/token", "/oauth2/revoke"})
_TOKEN: Final = re.compile(rb"\beyJ[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True, slots=True)
class SentRequest:
    """One request.

    Attributes:
        caller, server: sender and receiver.
        line: method and path.
        path: alone.
        token: fingerprint of the token in its Authorization header, or "".
        arrived: ``time.monotonic()`` in seconds.
    """

    caller: Party
    server: Party
    line: str
    path: str
    token: str
    arrived: float

    def arrow(self) -> Arrow:
        """The request as an arrow."""
        return Arrow(self.caller, self.server, self.line, self.arrived, self.token)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its response.

    Attributes:
        request: the request.
        status: of the response; 0 where the connection was dropped.
        token: fingerprint of the issued token, or "".
        error: the error code of the challenge or of the token endpoint, or "".
        location: of a redirect, or "".
        result: the user and client that an API saw, or "active" for introspection; "" for others.
        took: seconds from the request's arrival to its response.
    """

    request: SentRequest
    status: int
    token: str
    error: str
    location: str
    result: str
    took: float

    @property
    def finished(self) -> float:
        """The time of the response, as ``time.monotonic()`` in seconds."""
        return self.request.arrived + self.took

    def resembles(self, other: "Exchange") -> bool:
        """True where both differ in nothing but their times."""
        return self._kind() == other._kind()

    def _kind(self) -> tuple[object, ...]:
        sent = self.request
        return (sent.caller, sent.server, sent.line, sent.token, self.status, self.token, self.error)

    def arrow(self) -> Arrow:
        """The response as an arrow."""
        words = f"{self.status or 'no response'}"
        if self.location:
            words = f"{words} to {self.location}"
        elif self.error:
            words = f"{words} {self.error}"
        elif self.result and self.request.server is Party.AUTH:
            words = f"{words} {self.result}"
        return Arrow(
            self.request.server,
            self.request.caller,
            words,
            self.finished,
            self.token,
            is_response=True,
            good=200 <= self.status < 400,
        )


def sent_request(server: Party, request: LoopbackRequest) -> SentRequest:
    """The request as it may be shown: no token, no query, no body."""
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    return SentRequest(
        caller=Party.APP if server is Party.API else _caller(request.path),
        server=server,
        line=f"{request.method} {request.path}",
        path=request.path,
        token=fingerprint(rest) if scheme.lower() == "bearer" and rest else "",
        arrived=request.arrived,
    )


def exchange(server: Party, request: LoopbackRequest, answer: LoopbackResponse | None) -> Exchange:
    """The exchange as it may be shown. Reads the monotonic clock."""
    return Exchange(
        request=sent_request(server, request),
        status=0 if answer is None else answer.status,
        token="" if answer is None else _issued_token(request, answer),
        error="" if answer is None else _error(request, answer),
        location="" if answer is None else next(iter(_headers(answer, "location")), ""),
        result="" if answer is None or answer.status != 200 else _result(server, request, answer),
        took=time.monotonic() - request.arrived,
    )


def _caller(path: str) -> Party:
    if path in _SENT_BY_APIS:
        return Party.API
    return Party.APP if path in _SENT_BY_APPS else Party.USER


def _issued_token(request: LoopbackRequest, answer: LoopbackResponse) -> str:
    """The fingerprint of the token in a token response, or on the page that shows one once."""
    if answer.status != 200 or request.path not in ("/oauth2/token", "/shown-once"):
        return ""
    found = _TOKEN.search(answer.body)
    return "" if found is None else fingerprint(found[0])


def _result(server: Party, request: LoopbackRequest, answer: LoopbackResponse) -> str:
    if request.path == "/oauth2/introspect":
        return "active" if json.loads(answer.body).get("active") is True else "not active"
    if server is not Party.API:
        return ""
    members = json.loads(answer.body)
    user, client = members.get("username"), members.get("client_id")
    who = f"user {user}, app {client}" if user else f"app {client}"
    return f"{who}: scope {members.get('scope')}"


def _error(request: LoopbackRequest, answer: LoopbackResponse) -> str:
    if answer.status == 400 and request.path == "/oauth2/token":
        return str(json.loads(answer.body).get("error", ""))
    challenges = parse_challenges(_headers(answer, "www-authenticate"))
    return next((error for challenge in challenges if (error := challenge.parameter("error"))), "")


def _headers(answer: LoopbackResponse, wanted: str) -> list[str]:
    return [value for name, value in answer.headers if name.lower() == wanted]
