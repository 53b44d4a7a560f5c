"""An HTTP/1.1 server on 127.0.0.1, on the standard library's ``http.server``: keep-alive, a thread per connection."""

import contextlib
import json
import os
import socket
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any, Final, Self
from urllib.parse import parse_qsl, urlsplit

from roomkey.secret import Confidential

_CLOSING_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True, repr=False)
class LoopbackRequest(Confidential):
    """A request as it was received; its repr shows method and path only.

    ``headers`` and ``query`` are (name, value) pairs, header names in lower case; ``arrived`` is ``time.monotonic()``
    in seconds.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: tuple[tuple[str, str], ...]
    body: bytes
    arrived: float = field(default_factory=time.monotonic)

    def header(self, name: str) -> str | None:
        """The first value of the header ``name`` (lower-case), or None."""
        return next((value for key, value in self.headers if key == name), None)

    def parameter(self, name: str) -> str | None:
        """The first value of the query parameter ``name``, or None."""
        return next((value for key, value in self.query if key == name), None)

    def __repr__(self) -> str:
        return f"LoopbackRequest({self.method} {self.path})"


@dataclass(frozen=True, slots=True, repr=False)
class LoopbackResponse(Confidential):
    """A response to send; its repr shows the status only.

    ``drip`` is the pause in seconds between two bytes of the body; 0 sends it in one piece.
    """

    status: int
    body: bytes = b""
    headers: Iterable[tuple[str, str]] = ()
    drip: float = 0.0

    def __repr__(self) -> str:
        return f"LoopbackResponse({self.status})"


def json_response(members: object, status: int = 200, *headers: tuple[str, str]) -> LoopbackResponse:
    """A response with ``members`` as JSON."""
    return LoopbackResponse(status, json.dumps(members).encode(), (("content-type", "application/json"), *headers))


class LoopbackServer:
    """Serve ``respond`` on 127.0.0.1 at a free port, each connection in its own daemon thread; a context manager.

    ``respond`` takes a :class:`LoopbackRequest` and returns a :class:`LoopbackResponse`, or None to drop the
    connection; it runs in many threads at once and may block. ``wall`` is the clock behind the ``Date`` header.

    Attributes:
        failures: requests for which ``respond`` raised an exception, which were answered with 500.
        port: the port, once the server has started; 0 before.
    """

    def __init__(
        self, respond: Callable[[LoopbackRequest], LoopbackResponse | None], wall: Callable[[], float]
    ) -> None:
        self._respond = respond
        self._wall = wall
        self.failures: list[str] = []
        self.port = 0
        self._closing = threading.Event()
        self._listener: _Listener | None = None
        self._process = 0

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:port``; the port is known once the server has started."""
        return f"http://127.0.0.1:{self.port}"

    def wall(self) -> float:
        """Seconds since 1970 by the clock of this server."""
        return self._wall()

    def start(self) -> Self:
        """Listen on 127.0.0.1, at the same port as before where the server had been stopped. Raises OSError."""
        if self._listener is not None:
            return self
        self._closing.clear()
        self._process = os.getpid()
        self._listener = _Listener(self, self.port)
        self.port = self._listener.server_address[1]
        threading.Thread(target=self._listener.serve_forever, name="loopback-accept", daemon=True).start()
        return self

    def stop(self) -> None:
        """Close the listener and every connection, and wait for their threads (at most about two seconds)."""
        listener = self._listener
        if listener is None or os.getpid() != self._process:  # a forked child must not stop its parent's server
            return
        self._closing.set()
        self._listener = None
        listener.close()

    def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` inside a response; True at once where the server is being stopped."""
        return self._closing.wait(seconds)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


class _Listener(ThreadingTCPServer):
    """Accept connections, and know those that are open."""

    allow_reuse_address = True
    request_queue_size = 1024

    def __init__(self, server: LoopbackServer, port: int) -> None:
        self.loopback = server
        self._threads_of: dict[socket.socket, threading.Thread] = {}
        super().__init__(("127.0.0.1", port), _Handler)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # wakes serve_forever(), which looks only twice a second by itself
            self.socket.shutdown(socket.SHUT_RDWR)
        self.shutdown()
        self.server_close()
        deadline = time.monotonic() + _CLOSING_SECONDS
        for connection, thread in list(self._threads_of.items()):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            if thread is not threading.current_thread():
                thread.join(max(0.0, deadline - time.monotonic()))

    def process_request(self, request: Any, client_address: Any) -> None:
        thread = threading.Thread(
            target=self.process_request_thread, args=(request, client_address), name="loopback", daemon=True
        )
        self._threads_of[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        with contextlib.suppress(OSError):  # a forked child may hold a copy: only a shutdown reaches the client
            request.shutdown(socket.SHUT_RDWR)
        request.close()
        self._threads_of.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or a connection that stop() closed, is no failure."""


class _Handler(BaseHTTPRequestHandler):
    """Read requests, pass them to ``respond``, and write what it returns."""

    protocol_version = default_request_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 120.0
    wbufsize = -1
    server: _Listener

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):  # any method is served
            return self._serve
        raise AttributeError(name)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has in the standard library
        """Nothing is printed."""

    def handle_expect_100(self) -> bool:
        proceed = super().handle_expect_100()
        self.wfile.flush()
        return proceed

    def _serve(self) -> None:
        loopback = self.server.loopback
        try:
            body = self._body()
        except ValueError:
            self.close_connection = True
            self._send(LoopbackResponse(400))
            return
        parts = urlsplit(self.path)
        query = tuple(parse_qsl(parts.query, keep_blank_values=True))
        headers = tuple((name.lower(), value.strip()) for name, value in self.headers.items())
        request = LoopbackRequest(self.command, parts.path, query, headers, body)
        response: LoopbackResponse | None
        try:
            response = loopback._respond(request)
        except Exception as error:  # noqa: BLE001 - a mistake in a response must reach the test, not end the thread
            loopback.failures.append(f"{request.method} {request.path}: {type(error).__name__}")
            response = json_response({"error": "failure_in_the_test_server"}, 500)
        if response is None:
            self.close_connection = True
        else:
            self._send(response)

    def _body(self) -> bytes:
        """The whole body; raises ValueError where its length is no number."""
        if (self.headers.get("transfer-encoding") or "").lower() != "chunked":
            return self._read(int(self.headers.get("content-length", "0")))
        chunks = []
        while size := int(self.rfile.readline(1024).partition(b";")[0], 16):
            chunks.append(self._read(size))
            self.rfile.readline(1024)
        while self.rfile.readline(65_536) not in (b"\r\n", b"\n", b""):
            pass
        return b"".join(chunks)

    def _read(self, size: int) -> bytes:
        data = self.rfile.read(size)
        if len(data) != size:
            raise ConnectionError("the client closed the connection within a body")
        return data

    def _send(self, response: LoopbackResponse) -> None:
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = "Unknown"
        self.send_response_only(response.status, phrase)
        headers = list(response.headers)
        names = {name.lower() for name, _ in headers}
        if "date" not in names:
            headers.append(("date", formatdate(self.server.loopback.wall(), usegmt=True)))
        if "content-length" not in names and response.status not in (204, 304):
            headers.append(("content-length", str(len(response.body))))
        if self.close_connection:
            headers.append(("connection", "close"))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        body = b"" if self.command == "HEAD" or response.status in (204, 304) else response.body
        if not response.drip:
            self.wfile.write(body)
            return
        self.wfile.flush()
        for index in range(len(body)):
            if self.server.loopback.pause(response.drip):
                self.close_connection = True
                return
            self.wfile.write(body[index : index + 1])
            self.wfile.flush()
