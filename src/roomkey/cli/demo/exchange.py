"""What went over the wire in the demo, as values: who sent what to whom, with fingerprints for tokens."""

import json
import time
from dataclasses import dataclass

from roomkey.secret import fingerprint
from roomkey.testing.api_endpoints import ENDPOINTS
from roomkey.testing.loopback import Answer, ReceivedRequest


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer.

    Attributes:
        caller: ``client`` or ``api``.
        server: ``issuer`` or ``api``.
        request: method and path.
        sent_key: fingerprint of the token that was shown, or "".
        status: of the answer; 0 where the connection was dropped.
        got_key: fingerprint of the token that was given, or "".
        error: the error code of the answer's challenge, or "".
        arrived: ``time.monotonic()`` in seconds.
        took: seconds from the request's arrival to its answer.
    """

    caller: str
    server: str
    request: str
    sent_key: str
    status: int
    got_key: str
    error: str
    arrived: float
    took: float

    def resembles(self, other: "Exchange") -> bool:
        """Whether both differ in nothing but their times."""
        return self._kind() == other._kind()

    def _kind(self) -> tuple[str, str, str, str, int, str, str]:
        return (self.caller, self.server, self.request, self.sent_key, self.status, self.got_key, self.error)


def exchange(server: str, request: ReceivedRequest, answer: Answer | None) -> Exchange:
    """The exchange as it may be shown: no token, no body. Reads the monotonic clock."""
    return Exchange(
        caller="api" if server == "issuer" and request.path in ENDPOINTS else "client",
        server=server,
        request=f"{request.method} {request.path}",
        sent_key=_shown_key(request),
        status=0 if answer is None else answer.status,
        got_key="" if answer is None else _given_key(answer),
        error="" if answer is None else _error(answer),
        arrived=request.arrived,
        took=time.monotonic() - request.arrived,
    )


def _shown_key(request: ReceivedRequest) -> str:
    scheme, _, rest = (request.header("authorization") or "").partition(" ")
    return fingerprint(rest) if scheme.lower() == "bearer" and rest else ""


def _given_key(answer: Answer) -> str:
    if answer.status != 200 or b'"access_token"' not in answer.body:
        return ""
    return fingerprint(str(json.loads(answer.body)["access_token"]))


def _error(answer: Answer) -> str:
    from roomkey.oauth.challenge import parse_challenges

    values = [value for name, value in answer.headers if name.lower() == "www-authenticate"]
    return next((error for challenge in parse_challenges(values) if (error := challenge.parameter("error"))), "")
