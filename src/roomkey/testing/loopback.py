"""A small HTTP/1.1 server on 127.0.0.1: keep-alive, a thread per connection, quick to start and to stop."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from http import HTTPStatus
from typing import Final, Protocol, Self
from urllib.parse import parse_qsl, urlsplit

from roomkey.secret import Confidential

_BACKLOG: Final = 1024
_IDLE_SECONDS: Final = 120.0
_LONGEST_LINE: Final = 65_536
_MOST_HEADERS: Final = 200
_LARGEST_BODY: Final = 16 * 1024 * 1024


class ReceivedRequest(Confidential):
    """One request as it came over the wire; its repr shows method and path only.

    ``headers`` are (lower-case name, value) pairs; ``arrived`` is ``time.monotonic()`` in seconds.
    """

    __slots__ = ("arrived", "body", "headers", "method", "path", "query")

    def __init__(self, method: str, target: str, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        parts = urlsplit(target)
        self.method = method
        self.path = parts.path
        self.query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        self.headers = headers
        self.body = body
        self.arrived = time.monotonic()

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower-case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def parameter(self, name: str) -> str | None:
        """The first value of the query parameter ``name``, or None."""
        return next((value for key, value in self.query if key == name), None)

    def __repr__(self) -> str:
        return f"ReceivedRequest({self.method} {self.path})"


class Answer(Confidential):
    """What the server sends back; its repr shows the status only.

    ``drip`` is the pause in seconds between two bytes of the body; 0 sends it in one piece.
    """

    __slots__ = ("body", "drip", "headers", "status")

    def __init__(
        self, status: int, body: bytes = b"", headers: Iterable[tuple[str, str]] = (), *, drip: float = 0.0
    ) -> None:
        self.status = status
        self.body = body
        self.headers = tuple(headers)
        self.drip = drip

    def __repr__(self) -> str:
        return f"Answer({self.status})"


def json_answer(members: object, status: int = 200, *headers: tuple[str, str]) -> Answer:
    """``members`` as a JSON answer."""
    return Answer(status, json.dumps(members).encode(), (("content-type", "application/json"), *headers))


class _Reader(Protocol):
    def read(self, size: int, /) -> bytes: ...
    def readline(self, size: int, /) -> bytes: ...


class _Unreadable(Exception):
    """What was received is not a request that this server takes; ``status`` says why."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class LoopbackServer:
    """Serve ``respond`` on 127.0.0.1 at a free port, each connection in its own daemon thread.

    ``respond`` takes a :class:`ReceivedRequest` and returns an :class:`Answer`, or None to drop the connection; it runs
    in many threads at once and may block. ``wall`` is the clock behind the ``Date`` header. A context manager.
    """

    def __init__(self, respond: Callable[[ReceivedRequest], Answer | None], wall: Callable[[], float]) -> None:
        self._respond = respond
        self._wall = wall
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._closing = threading.Event()
        self._process = 0
        self.failures: list[str] = []
        self.port = 0

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:port``; the port is known once the server has started."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, at the same port as before where the server had been stopped. Raises OSError."""
        if self._listener is not None:
            return
        listener = socket.create_server(("127.0.0.1", self.port), backlog=_BACKLOG)
        self.port = listener.getsockname()[1]
        self._closing.clear()
        self._process = os.getpid()
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), name="loopback-accept", daemon=True)
        self._acceptor.start()

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads (at most about two seconds)."""
        if self._listener is None or os.getpid() != self._process:  # a forked child must not end its parent's server
            return
        with self._lock:
            left = dict(self._connections)  # also those that end by themselves as soon as they see that it closes
        self._closing.set()
        with contextlib.suppress(OSError):  # one connection wakes accept() on every system; close() does not
            socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
        assert self._acceptor is not None  # noqa: S101 - start() sets both
        self._acceptor.join(2.0)
        self._listener.close()
        self._listener = None
        with self._lock:
            left |= self._connections
        for connection in left:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        deadline = time.monotonic() + 2.0
        for thread in left.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` inside an answer; True at once where the server is being stopped."""
        return self._closing.wait(seconds)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            if self._closing.is_set():
                connection.close()
                return
            thread = threading.Thread(target=self._serve, args=(connection,), name="loopback", daemon=True)
            with self._lock:
                self._connections[connection] = thread
            thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection.settimeout(_IDLE_SECONDS)
            with connection.makefile("rb", 65_536) as reader:
                while not self._closing.is_set() and self._exchange(connection, reader):
                    pass
        except OSError:  # the client went away, or stop() ended the connection
            pass
        finally:
            with self._lock:
                self._connections.pop(connection, None)
            with contextlib.suppress(OSError):  # a forked child may hold a copy: only a shutdown reaches the client
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()

    def _exchange(self, connection: socket.socket, reader: _Reader) -> bool:
        try:
            request = _read_request(connection, reader)
        except _Unreadable as problem:
            self._send(connection, Answer(problem.status), head_only=False, close=True)
            return False
        if request is None:
            return False
        try:
            answer = self._respond(request)
        except Exception as error:  # noqa: BLE001 - a mistake in an answer must reach the test, not end the thread
            self.failures.append(f"{request.method} {request.path}: {type(error).__name__}")
            answer = json_answer({"error": "failure_in_the_test_server"}, 500)
        if answer is None:
            return False
        close = (request.header("connection") or "").lower() == "close"
        return self._send(connection, answer, head_only=request.method == "HEAD", close=close) and not close

    def _send(self, connection: socket.socket, answer: Answer, *, head_only: bool, close: bool) -> bool:
        try:
            phrase = HTTPStatus(answer.status).phrase
        except ValueError:
            phrase = "Unknown"
        names = {name.lower() for name, _ in answer.headers}
        lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
        if "date" not in names:
            lines.append(f"date: {formatdate(self._wall(), usegmt=True)}")
        if "content-length" not in names and answer.status not in (204, 304):
            lines.append(f"content-length: {len(answer.body)}")
        if close:
            lines.append("connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1", "replace")
        body = b"" if head_only or answer.status in (204, 304) else answer.body
        if not answer.drip:
            connection.sendall(head + body)
            return True
        connection.sendall(head)
        for index in range(len(body)):
            if self.pause(answer.drip):
                return False
            connection.sendall(body[index : index + 1])
        return True


def _read_line(reader: _Reader) -> bytes:
    line = reader.readline(_LONGEST_LINE)
    if len(line) >= _LONGEST_LINE:
        raise _Unreadable(431)
    return line


def _read_request(connection: socket.socket, reader: _Reader) -> ReceivedRequest | None:
    start = _read_line(reader)
    if not start:
        return None
    words = start.decode("latin-1").split()
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        raise _Unreadable(400)
    headers: list[tuple[str, str]] = []
    while (line := _read_line(reader)) not in (b"\r\n", b"\n"):
        if not line:
            return None
        name, colon, value = line.decode("latin-1").partition(":")
        if not colon or len(headers) >= _MOST_HEADERS:
            raise _Unreadable(400)
        headers.append((name.strip().lower(), value.strip()))
    known = dict(headers)
    if known.get("expect", "").lower() == "100-continue":
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = _read_body(reader, known.get("transfer-encoding", ""), known.get("content-length", "0"))
    return None if body is None else ReceivedRequest(words[0], words[1], tuple(headers), body)


def _read_body(reader: _Reader, encoding: str, length: str) -> bytes | None:
    if encoding.lower() != "chunked":
        size = int(length) if length.isdecimal() else -1
        if not 0 <= size <= _LARGEST_BODY:
            raise _Unreadable(413 if size > 0 else 400)
        body = reader.read(size)
        return body if len(body) == size else None
    chunks: list[bytes] = []
    total = 0
    while True:
        try:
            size = int(_read_line(reader).partition(b";")[0], 16)
        except ValueError:
            raise _Unreadable(400) from None
        total += size
        if total > _LARGEST_BODY:
            raise _Unreadable(413)
        chunks.append(reader.read(size))
        if len(chunks[-1]) != size:
            return None
        if size == 0:
            while _read_line(reader) not in (b"\r\n", b"\n", b""):
                pass
            return b"".join(chunks)
        _read_line(reader)
