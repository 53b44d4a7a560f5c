"""What went over the wire in the demo, as values: who sent what to whom, with fingerprints for tokens."""

import json
import re
import time
from dataclasses import dataclass
from typing import Final

from roomkey.cli.demo.events import Arrow, Party
from roomkey.secret import fingerprint
from roomkey.testing.loopback import Answer, ReceivedRequest

_OF_THE_API: Final = frozenset({"/oauth2/jwks", "/oauth2/introspect", "/oauth2/deny-list", "/oauth2/status-list"})
_OF_THE_APP: Final = frozenset({"/oauth2/token", "/oauth2/revoke"})
_TOKEN: Final = re.compile(rb"\beyJ[\w-]+\.[\w-]+\.[\w-]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request.

    Attributes:
        caller, server: from whom to whom.
        method, path: what is asked for.
        sent_key: fingerprint of the token that was shown, or "".
        arrived: ``time.monotonic()`` in seconds.
    """

    caller: Party
    server: Party
    method: str
    path: str
    sent_key: str
    arrived: float

    @property
    def request(self) -> str:
        """Method and path."""
        return f"{self.method} {self.path}"

    def arrow(self) -> Arrow:
        """The request as an arrow."""
        return Arrow(self.caller, self.server, self.request, self.arrived, self.sent_key)


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    Attributes:
        asked: the request.
        status: of the answer; 0 where the connection was dropped.
        got_key: fingerprint of the token that was given, or "".
        error: the error code of the answer's challenge or of a token endpoint's refusal, or "".
        leads_to: where the answer leads, or "".
        says: what the answer comes to: whom the API's claims name, or that a token is active; "" for others.
        took: seconds from the request's arrival to its answer.
    """

    asked: Asked
    status: int
    got_key: str
    error: str
    leads_to: str
    says: str
    took: float

    @property
    def ended(self) -> float:
        """When it was answered, as ``time.monotonic()`` in seconds."""
        return self.asked.arrived + self.took

    def resembles(self, other: "Exchange") -> bool:
        """Whether both differ in nothing but their times."""
        return self._kind() == other._kind()

    def _kind(self) -> tuple[object, ...]:
        asked = self.asked
        return (
            asked.caller,
            asked.server,
            asked.request,
            asked.sent_key,
            self.status,
            self.got_key,
            self.error,
        )

    def arrow(self) -> Arrow:
        """The answer as an arrow."""
        words = f"{self.status or 'no answer'}"
        if self.leads_to:
            words = f"{words} to {self.leads_to}"
        elif self.error:
            words = f"{words} {self.error}"
        elif self.says and self.asked.server is Party.AUTH:
            words = f"{words} {self.says}"
        return Arrow(
            self.asked.server,
            self.asked.caller,
            words,
            self.ended,
            self.got_key,
            is_answer=True,
            good=200 <= self.status < 400,
        )


def asked(server: Party, request: ReceivedRequest) -> Asked:
    """The request as it may be shown: no token, no query, no body."""
    return Asked(
        caller=Party.APP if server is Party.API else _caller(request.path),
        server=server,
        method=request.method,
        path=request.path,
        sent_key=_shown_key(request),
        arrived=request.arrived,
    )


def exchange(server: Party, request: ReceivedRequest, answer: Answer | None) -> Exchange:
    """The exchange as it may be shown. Reads the monotonic clock."""
    return Exchange(
        asked=asked(server, request),
        status=0 if answer is None else answer.status,
        got_key="" if answer is None else _given_key(request, answer),
        error="" if answer is None else _error(request, answer),
        leads_to="" if answer is None else _header(answer, "location"),
        says="" if answer is None or answer.status != 200 else _says(server, request, answer),
        took=time.monotonic() - request.arrived,
    )


def _caller(path: str) -> Party:
    if path in _OF_THE_API:
        return Party.API
    return Party.APP if path in _OF_THE_APP else Party.PERSON


def _shown_key(request: ReceivedRequest) -> str:
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    return fingerprint(rest) if scheme.lower() == "bearer" and rest else ""


def _given_key(request: ReceivedRequest, answer: Answer) -> str:
    """Of the token in a token answer, or on the page that shows one once."""
    if answer.status != 200 or request.path not in ("/oauth2/token", "/shown-once"):
        return ""
    found = _TOKEN.search(answer.body)
    return "" if found is None else fingerprint(found[0])


def _says(server: Party, request: ReceivedRequest, answer: Answer) -> str:
    if request.path == "/oauth2/introspect":
        return "active" if json.loads(answer.body).get("active") is True else "not active"
    if server is not Party.API:
        return ""
    members = json.loads(answer.body)
    user, app = members.get("username"), members.get("client_id")
    who = f"user {user}, app {app}" if user else f"app {app}"
    return f"{who}: grants {members.get('scope')}"


def _error(request: ReceivedRequest, answer: Answer) -> str:
    from roomkey.oauth.challenge import parse_challenges

    if answer.status == 400 and request.path == "/oauth2/token":
        return str(json.loads(answer.body).get("error", ""))

    values = [value for name, value in answer.headers if name.lower() == "www-authenticate"]
    return next((error for challenge in parse_challenges(values) if (error := challenge.parameter("error"))), "")


def _header(answer: Answer, wanted: str) -> str:
    return next((value for name, value in answer.headers if name.lower() == wanted), "")
