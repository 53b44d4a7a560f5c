"""An endpoint below Starlette's own requests and answers: the body read within limits, every error a right answer."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.types import Receive, Scope, Send

from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.web.form import LARGEST_BODY, Form, read_form
from roomkey.authorization_server.web.oauth_error import OAuthError, invalid_request
from roomkey.errors import place_of
from roomkey.secret import Confidential

_log = logging.getLogger("roomkey.authorization_server")
_OUTAGE_PAUSE: Final = 2
Headers = tuple[tuple[bytes, bytes], ...]
NO_STORE: Final = (b"cache-control", b"no-store")
JSON: Final = (b"content-type", b"application/json")
_BODILESS: Final = frozenset({204, 304})  # RFC 9110 section 8.6: a length would be that of another answer
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Answer:
    """A status, a body and its headers, but for the length."""

    status: int
    body: bytes = b""
    headers: Headers = ()


class Received(Confidential):
    """A request that came in whole; its repr shows nothing of its content.

    Attributes:
        method: such as POST.
        headers: name and value as bytes, in order.
        query: the query string as bytes.
        body: the body.
        address: where it came from.
        path: the parameters of the address, by name.
        state: what the log is told of the request: ``client_id``, ``grant``.
    """

    __slots__ = ("address", "body", "headers", "method", "path", "query", "state")

    def __init__(self, scope: Scope, body: bytes) -> None:
        self.method: str = scope["method"]
        self.headers: list[tuple[bytes, bytes]] = scope["headers"]
        self.query: bytes = scope["query_string"]
        self.body = body
        self.path: Mapping[str, str] = scope.get("path_params", {})
        self.state: dict[str, Any] = scope.setdefault("state", {})
        client = scope.get("client")
        self.address: str = client[0] if client else ""

    def values(self, name: bytes) -> list[bytes]:
        """All values of the header ``name``, which is in lower case."""
        return [value for key, value in self.headers if key == name]

    def form(self) -> Form:
        """The form in the body; raises OAuthError, also where anything stands in the address, which logs keep."""
        if self.query:
            raise invalid_request("Parameters belong into the body, never into the address.")
        types = self.values(b"content-type")
        return read_form(self.body, types[0] if len(types) == 1 else b"")

    def __repr__(self) -> str:
        return f"Received({self.method}, {len(self.body)} bytes)"


class Endpoint:
    """An ASGI application for one address, made of a function from what was received to an answer.

    Parameters:
        answer: the function.
        methods: what it is asked by.
        largest: what a body may measure, in bytes.
    """

    def __init__(
        self, answer: Callable[[Received], Awaitable[Answer]], *, methods: frozenset[str], largest: int = LARGEST_BODY
    ) -> None:
        self._answer = answer
        self._methods = methods
        self._largest = largest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Read, answer, send."""
        if scope["method"] not in self._methods:
            allowed = ", ".join(sorted(self._methods)).encode()
            await _send(send, Answer(405, b"", ((b"allow", allowed), NO_STORE)))
            return
        body = await _body(receive, self._largest)
        if isinstance(body, Answer):
            await _send(send, body)
            return
        received = Received(scope, body)
        try:
            answer = await self._answer(received)
        except OAuthError as error:
            answer = refusal(error)
        except ServiceError as error:
            answer = _told(error)
        except Exception as error:  # noqa: BLE001 - its words may hold a secret; the place is enough to find it
            _log.error("An endpoint failed: %s at %s", type(error).__name__, place_of(error))
            answer = json_answer({"error": "temporarily_unavailable"}, 500)
        await _send(send, answer)


async def _body(receive: Receive, largest: int) -> bytes | Answer:
    # How long it may take is the server's to hold (running.bounded_http), for every address alike.
    chunks: list[bytes] = []
    size = 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return Answer(400)
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > largest:
            return refusal(OAuthError("invalid_request", "The request is too large.", status=413))
        chunks.append(chunk)
        if not message.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _send(send: Send, answer: Answer) -> None:
    headers = list(answer.headers)
    if answer.status not in _BODILESS:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


def json_answer(members: Mapping[str, Any], status: int = 200, *headers: tuple[bytes, bytes]) -> Answer:
    """``members`` as JSON that nobody keeps."""
    return Answer(status, encoded(members), (JSON, NO_STORE, *headers))


def encoded(members: Mapping[str, Any]) -> bytes:
    """``members`` as JSON."""
    return _encode(members).encode()


def refusal(error: OAuthError) -> Answer:
    """The answer that tells of ``error`` (RFC 6749 section 5.2)."""
    headers: list[tuple[bytes, bytes]] = []
    if error.status == 401:
        headers.append((b"www-authenticate", b'Basic realm="roomkey", charset="UTF-8"'))
    if error.retry_after is not None:
        headers.append((b"retry-after", b"%d" % error.retry_after))
    return json_answer({"error": error.error, "error_description": str(error)}, error.status, *headers)


def _told(error: ServiceError) -> Answer:
    if error.status < 500:
        return refusal(OAuthError("invalid_request", str(error)))
    _log.error("%s", error)
    return outage()


def outage() -> Answer:
    """The answer while the database fails: nobody is told that a token is bad."""
    return refusal(OAuthError("temporarily_unavailable", "The service cannot answer now.", retry_after=_OUTAGE_PAUSE))
