"""HTTP limits: uvicorn's protocol with bounds on a request's size and time, and on the connections of one address.

It overrides methods of uvicorn's ``HttpToolsProtocol``: pyproject.toml names the versions of uvicorn and httptools that
the tests in tests/authorization_server/server have passed with.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_TEXT: Final = ((b"content-type", b"text/plain; charset=utf-8"),)
# What a client of the token endpoint reads, and waits for, rather than start anew (RFC 6749 section 5.2).
_PASSING: Final = (
    (b"content-type", b"application/json"),
    (b"cache-control", b"no-store"),
    (b"retry-after", b"2"),
)
_RESPONSES: Final = {
    400: (b"400 Bad Request", _TEXT, b"The request is not valid HTTP."),
    408: (b"408 Request Timeout", _TEXT, b"The request took too long to arrive."),
    431: (b"431 Request Header Fields Too Large", _TEXT, b"The request's headers are too large."),
    503: (
        b"503 Service Unavailable",
        _PASSING,
        b'{"error":"temporarily_unavailable","error_description":"This address has too many connections open."}',
    ),
}
_OVERLOADED: Final = (
    b'{"error":"temporarily_unavailable","error_description":"The service has too many connections open."}'
)
_MAX_LINGERING: Final = 64  # connections


@dataclass(frozen=True, slots=True)
class Bounds:
    """Limits on what one client may take of the server.

    Attributes:
        head_bytes: of the request line, the headers and the trailers together.
        head_seconds: from the first byte, or the connection, to the end of the headers.
        body_seconds: from there to the end of the body.
        connections: of all clients together.
        connections_of_one: of one address that is no proxy of ours.
        proxies: addresses that many clients come from.
        linger_bytes: read and dropped after an error response, before the connection is closed.
        linger_seconds: the longest time for that.
    """

    head_bytes: int = 16_384
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    connections: int = 1024
    connections_of_one: int = 256
    proxies: tuple[str, ...] = field(default=())
    linger_bytes: int = 1024 * 1024
    linger_seconds: float = 2.0


class OneWrite:
    """Transport that sends the head of a response together with its body: one system call, one packet.

    It holds the head until the next write, ``finish`` or ``close``. For one event loop.

    Attributes:
        begun: True after the head of a response was written and until ``finish``.
    """

    __slots__ = (
        "_head",
        "_transport",
        "_write",
        "begun",
        "get_extra_info",
        "is_closing",
        "pause_reading",
        "resume_reading",
        "set_protocol",
    )

    def __init__(self, transport: asyncio.Transport) -> None:
        self.begun = False
        self._head = b""
        self._transport = transport
        self._write = transport.write
        self.get_extra_info = transport.get_extra_info
        self.is_closing = transport.is_closing
        self.pause_reading = transport.pause_reading
        self.resume_reading = transport.resume_reading
        self.set_protocol = transport.set_protocol

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send ``data`` after the head that is held; where it is a head itself, hold it."""
        if self._head:
            data, self._head = self._head + data, b""
        elif not self.begun and bytes(data[:10]) != b"HTTP/1.1 1":  # 1xx is no response yet, and cannot wait
            self.begun = True
            if bytes(data[-4:]) == b"\r\n\r\n":
                self._head = bytes(data)
                return
        self._write(data)

    def finish(self) -> None:
        """Send the head that is held: the response is complete."""
        self._flush()
        self.begun = False

    def close(self) -> None:
        """Send the head that is held, then close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            data, self._head = self._head, b""
            self._write(data)

    def __getattr__(self, name: str) -> Any:
        self._flush()  # any other operation of the transport comes after it
        return getattr(self._transport, name)


class BoundedHttp(HttpToolsProtocol):
    """One connection; ``BoundedHttp.within(bounds)`` is the protocol class for a server."""

    bounds: ClassVar[Bounds]
    _open: ClassVar[Counter[str]]
    _lingering: ClassVar[set["BoundedHttp"]]
    _head = True  # a request's head is being read, or its first byte is awaited
    _unread = 0  # bytes fed to the parser since its last callback, all of which it may hold in memory
    _head_size = 0
    _too_large = False
    _counted: str | None = None
    _deadline: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, bounds: Bounds) -> type["BoundedHttp"]:
        """Return a class whose connections are counted together."""
        return type("BoundedHttp", (cls,), {"bounds": bounds, "_open": Counter(), "_lingering": set()})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Accept the connection, unless its address has too many."""
        self._responses = OneWrite(transport)
        self._served = self.app
        super().connection_made(self._responses)  # type: ignore[arg-type]
        address = self.client[0] if self.client else ""
        if address not in self.bounds.proxies:
            self._counted = address
            self._open[address] += 1
            if self._open[address] > self.bounds.connections_of_one:
                self._uncount()
                self._reject(503)
                return
        self._set_deadline(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Release what belongs to the connection."""
        self._set_deadline(None)
        self._lingering.discard(self)
        self._uncount()
        super().connection_lost(exc)

    def _uncount(self) -> None:
        if self._counted is not None:
            self._open[self._counted] -= 1
            if not self._open[self._counted]:
                del self._open[self._counted]
            self._counted = None

    def data_received(self, data: bytes) -> None:
        """Parse ``data`` within the limits; after an error response, drop it."""
        if self.transport.is_closing():
            return
        self._unread += len(data)
        if self in self._lingering:
            if self._unread > self.bounds.linger_bytes:
                self.transport.close()
            return
        self._unset_keepalive_if_required()
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._reject(431 if self._too_large else 400)
            return
        if self._unread > self.bounds.head_bytes and not self.transport.is_closing():
            self._reject(431)
        elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._set_deadline(self.bounds.head_seconds)  # bytes that begin no request do not extend the wait for one

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # httptools would end the request here and take its body for the next one. RFC 9110 section 7.8 lets us
                # ignore the upgrade: a new parser reads the same head without it.
                rest = rest[upgrade.args[0] :]
                lines = [
                    b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
                ]
                lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn sets it
                self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))
            else:
                return

    def on_message_begin(self) -> None:
        """Take a request's first byte."""
        super().on_message_begin()
        self._head, self._head_size = True, 0
        if self._deadline is None:
            self._set_deadline(self.bounds.head_seconds)

    def on_url(self, url: bytes) -> None:
        """Take a piece of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take one header; a trailer is counted and dropped (RFC 9110 section 6.5.1)."""
        self._count(len(name) + len(value) + 4)
        if self._head:
            super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self.bounds.head_bytes:
            self._too_large = True
            raise ValueError("the head is too large")

    def on_headers_complete(self) -> None:
        """Start the time of the body."""
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("the server is no proxy")
        if self.parser.should_upgrade():
            return
        self._head, self._unread = False, 0
        self._set_deadline(self.bounds.body_seconds)
        most = self.bounds.connections
        overloaded = len(self.connections) >= most or len(self.tasks) >= most
        self.app = _respond_overloaded if overloaded else self._served  # uvicorn's own limit responds in plain text
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End the time of the request."""
        if self.parser.should_upgrade():
            return
        self._head, self._unread = True, 0
        self._set_deadline(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """Send a response's head where no body followed it."""
        self._responses.finish()
        super().on_response_complete()

    def _set_deadline(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._time_out)

    def _time_out(self) -> None:
        self._deadline = None
        if self in self._lingering:
            self.transport.close()
        elif not self.transport.is_closing():
            self._reject(408)

    def _reject(self, status: int) -> None:
        """Send the error response, unless a response has begun, and close; a client that still sends can read it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self._responses.begun:  # the client would take an error response for a part of the one that has begun
            self.transport.close()
            return
        line, fields, body = _RESPONSES[status]
        lines = [b"%b: %b" % field for field in (*fields, *_closing(body))]
        self.transport.write(b"\r\n".join((b"HTTP/1.1 " + line, *lines, b"", body)))
        if status != 408 and len(self._lingering) < _MAX_LINGERING:  # 408: the client has had its time
            self._linger()
        else:
            self.transport.close()

    def _linger(self) -> None:
        """End our side, and read on for a bounded moment (lingering close, RFC 9112 section 9.6).

        A close while data arrives makes the kernel reset the connection, and the client may lose the response.
        """
        self._lingering.add(self)
        self._unread = 0
        self._set_deadline(self.bounds.linger_seconds)
        self.transport.write_eof()
        self.flow.resume_reading()


def _closing(body: bytes) -> tuple[tuple[bytes, bytes], ...]:
    return (b"connection", b"close"), (b"content-length", b"%d" % len(body))


async def _respond_overloaded(_scope: Scope, _receive: Receive, send: Send) -> None:
    headers = [*_PASSING, *_closing(_OVERLOADED)]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _OVERLOADED})
