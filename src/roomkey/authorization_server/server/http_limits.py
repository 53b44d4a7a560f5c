"""uvicorn's HTTP protocol with the bounds that it lacks: size and time of a request, connections of an address."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import ClassVar, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from roomkey.authorization_server.server.one_write import OneWrite

_ANSWERS: Final = {
    400: (b"400 Bad Request", b"This is no HTTP request."),
    408: (b"408 Request Timeout", b"The request came too slowly."),
    431: (b"431 Request Header Fields Too Large", b"The head of the request is too large."),
    503: (b"503 Service Unavailable", b"This address has too many connections open."),
}


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one client may take of the server.

    Attributes:
        head_bytes: of the request line, the headers and the trailers together.
        head_seconds: from the first byte, or the connection, to the end of the headers.
        body_seconds: from there to the end of the body.
        connections: of all clients together.
        connections_of_one: of one address that is no proxy of ours.
        proxies: addresses that many clients come from.
    """

    head_bytes: int = 16_384
    head_seconds: float = 10.0
    body_seconds: float = 20.0
    connections: int = 1024
    connections_of_one: int = 256
    proxies: tuple[str, ...] = field(default=())


class BoundedHttp(HttpToolsProtocol):
    """One connection; ``BoundedHttp.within(bounds)`` is the class that a server makes them of."""

    bounds: ClassVar[Bounds]
    _open: ClassVar[Counter[str]]
    _head = True  # a request's head is being read, or its first byte is awaited
    _unread = 0  # bytes that the parser was given since it last called anything out: they lie in its memory
    _too_large = False
    _counted: str | None = None
    _deadline: asyncio.TimerHandle | None = None

    @classmethod
    def within(cls, bounds: Bounds) -> type["BoundedHttp"]:
        """A class of connections that count together."""
        return type("BoundedHttp", (cls,), {"bounds": bounds, "_open": Counter()})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take the connection, unless its address has enough of them."""
        self._answers = OneWrite(transport)
        super().connection_made(self._answers)  # type: ignore[arg-type]
        address = self.client[0] if self.client else ""
        if address not in self.bounds.proxies:
            self._counted = address
            self._open[address] += 1
            if self._open[address] > self.bounds.connections_of_one:
                self._refuse(503)
                return
        self._within(self.bounds.head_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything that belongs to the connection."""
        self._within(None)
        if self._counted is not None:
            self._open[self._counted] -= 1
            if not self._open[self._counted]:
                del self._open[self._counted]
            self._counted = None
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, unless it is more than a head may be."""
        if self.transport.is_closing():
            return
        self._unset_keepalive_if_required()
        self._unread += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(431 if self._too_large else 400)
            return
        if self._unread > self.bounds.head_bytes and not self.transport.is_closing():
            self._refuse(431)
        elif self._deadline is None and (self.cycle is None or self.cycle.response_complete):
            self._within(self.bounds.head_seconds)  # bytes that begin no request end no wait for one

    def _parse(self, data: bytes) -> None:
        rest = memoryview(data)
        while True:
            try:
                self.parser.feed_data(rest)
            except httptools.HttpParserUpgrade as upgrade:
                # It would end the request here, and take the body for the next one (RFC 9110 section 7.8 lets us ignore
                # the wish): a parser that does not hear of it begins anew.
                rest = rest[upgrade.args[0] :]
                lines = [
                    b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
                ]
                lines += [b"%b: %b" % header for header in self.headers if header[0] != b"upgrade"]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn has it
                self.parser.feed_data(b"\r\n".join((*lines, b"", b"")))
            else:
                return

    def on_message_begin(self) -> None:
        """A request's first byte."""
        super().on_message_begin()
        self._head, self._called_out = True, 0
        if self._deadline is None:
            self._within(self.bounds.head_seconds)

    def on_url(self, url: bytes) -> None:
        """A piece of the request line."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header; or a trailer, which counts for nothing (RFC 9110 section 6.5.1)."""
        self._count(len(name) + len(value) + 4)
        if self._head:
            super().on_header(name, value)

    def _count(self, size: int) -> None:
        self._called_out += size
        if self._called_out > self.bounds.head_bytes:
            self._too_large = True
            raise ValueError("the head is too large")

    def on_headers_complete(self) -> None:
        """The head is whole; its body has a time of its own."""
        if self.parser.get_method() == b"CONNECT":
            raise ValueError("the server is no proxy")
        if self.parser.should_upgrade():
            return
        self._head, self._unread = False, 0
        self._within(self.bounds.body_seconds)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._unread = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        if self.parser.should_upgrade():
            return
        self._head, self._unread = True, 0
        self._within(None)
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer is whole, which may have no body."""
        self._answers.finish()
        super().on_response_complete()

    def _within(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = None if seconds is None else self.loop.call_later(seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        if not self.transport.is_closing():
            self._refuse(408)

    def _refuse(self, status: int) -> None:
        line, sentence = _ANSWERS[status]
        if not self._answers.begun:  # what is written into an answer would be taken for a part of it
            self.transport.write(
                b"HTTP/1.1 "
                + line
                + b"\r\ncontent-type: text/plain; charset=utf-8\r\nconnection: close\r\ncontent-length: "
                + str(len(sentence)).encode()
                + b"\r\n\r\n"
                + sentence
            )
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.close()
