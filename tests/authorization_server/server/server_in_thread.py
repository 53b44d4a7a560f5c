"""The server in a thread of the test, around answers that a test lets go on step by step; and requests byte by byte."""

import asyncio
import re
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from roomkey.authorization_server.server.http_limits import Bounds
from roomkey.authorization_server.server.server import bind_socket, run
from roomkey.authorization_server.settings import Settings

HEADLIKE = b"HTTP/1.1 200 OK\r\n\r\n"
PATIENCE = 10.0


class Stages:
    """An application whose answers a test lets go on, step by step."""

    def __init__(self) -> None:
        self.steps = threading.Semaphore(0)

    async def __call__(self, scope, receive, send) -> None:
        async def head(status: int = 200, length: int | None = None) -> None:
            headers = [] if length is None else [(b"content-length", b"%d" % length)]
            await send({"type": "http.response.start", "status": status, "headers": headers})

        async def body(data: bytes | memoryview = b"", *, more: bool = False) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": more})

        async def step() -> None:
            await asyncio.to_thread(self.steps.acquire, timeout=PATIENCE)

        match scope["path"]:
            case "/plain":
                await head(length=5)
                await body(b"hello")
            case "/chunked":
                await head()
                await body(b"hello")
            case "/empty":
                await head(int(scope["query_string"]))
                await body()
            case "/large":
                await head(length=4_000_000)
                await body(b"x" * 4_000_000)
            case "/views":
                await head(length=10)
                await body(memoryview(b"hello"), more=True)
                await body(memoryview(b"world"))
            case "/stepwise":
                await head(length=1 + len(HEADLIKE) + 1)
                await body(b"<", more=True)
                await step()
                await body(HEADLIKE, more=True)
                await step()
                await body(b">")
            case "/torn":
                await head(length=5)
                raise ValueError("the answer had begun")
            case "/echo":
                data, more = b"", True
                while more:
                    message = await receive()
                    data, more = data + message.get("body", b""), message.get("more_body", False)
                await head(length=len(data))
                await body(data)
            case "/headers":
                message = {"more_body": True}
                while message.get("more_body"):
                    message = await receive()
                words = b" ".join(name for name, _ in scope["headers"])
                await head(length=len(words))
                await body(words)


class ServerInThread:
    """The server around ``app``, in a thread of the test."""

    def __init__(self, app: Stages, port: int, ending: threading.Event) -> None:
        self.app = app
        self.port = port
        self.ending = ending

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), PATIENCE)

    def send(self, data: bytes) -> bytes:
        """All that is answered to these bytes, without the dates."""
        with self.connect() as connection:
            connection.sendall(data)
            return undated(read_all(connection))


@contextmanager
def serving(folder: Path, bounds: Bounds) -> Iterator[ServerInThread]:
    settings, app = Settings.at(folder, port=0), Stages()
    ready, ending = threading.Event(), threading.Event()
    with bind_socket(settings) as taken:
        named = {"ready": ready.set, "ending": ending.is_set, "bounds": bounds}
        thread = threading.Thread(target=run, args=(settings, app, taken), kwargs=named, daemon=True)
        thread.start()
        assert ready.wait(20)
        yield ServerInThread(app, taken.getsockname()[1], ending)
        ending.set()
        thread.join(25)
        assert not thread.is_alive()


def asks(path: str, *lines: bytes, method: bytes = b"GET", last: bool = False) -> bytes:
    ending = (b"connection: close",) if last else ()
    return b"\r\n".join((method + b" " + path.encode() + b" HTTP/1.1", b"host: a", *lines, *ending, b"", b""))


def undated(answer: bytes) -> bytes:
    return re.sub(rb"date: [^\r]*\r\n", b"", answer)


def read_all(connection: socket.socket) -> bytes:
    """What comes to the end of the connection."""
    chunks = []
    with suppress(ConnectionResetError):
        while chunk := connection.recv(65_536):
            chunks.append(chunk)
    return b"".join(chunks)


def reads(connection: socket.socket, ending: bytes) -> bytes:
    """What comes, up to ``ending``, without the dates."""
    data = b""
    while not data.endswith(ending):
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return undated(data)
