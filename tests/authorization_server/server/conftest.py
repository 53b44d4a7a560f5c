"""The server in a process of its own: the real command, or an application of a test's own with bounds of its own."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tests.authorization_server.server.server_in_thread import ServerInThread, read_all, serving

from roomkey.authorization_server.server.http_limits import Bounds

COMMAND = (sys.executable, "-c", "import sys; from roomkey.cli.main import main; sys.exit(main())")
CHILD = (sys.executable, str(Path(__file__).with_name("serving_child.py")))
_PATIENCE = 30


class Serving:
    """A process that serves on loopback; whatever it wrote is in ``out`` and ``err``."""

    def __init__(self, folder: Path, command: tuple[str, ...], **environment: str) -> None:
        self._streams = folder / "out", folder / "err"
        home = {"HOME": str(folder), "PATH": os.environ["PATH"], "PYTHONWARNINGS": "error"}
        with self._streams[0].open("wb") as out, self._streams[1].open("wb") as err:
            self.process = subprocess.Popen(command, stdout=out, stderr=err, cwd=folder, env=home | environment)
        self.port = 0

    @property
    def out(self) -> str:
        return self._streams[0].read_text()

    @property
    def err(self) -> str:
        return self._streams[1].read_text()

    def wait_until_it_serves(self, port: Callable[[str], int]) -> None:
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self.process.poll() is None:
            with contextlib.suppress(OSError, ValueError, IndexError):
                self.port = port(self.out)
                if self.get("/health")[0] in (200, 503):
                    return
            time.sleep(0.02)
        raise AssertionError(f"it does not serve: {self.out}{self.err}")

    def get(self, path: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)
        try:
            connection.request("GET", path, headers=headers)
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), _PATIENCE)

    def send(self, *pieces: bytes) -> bytes:
        """All that the server answers to these bytes, to the end of the connection."""
        with self.connect() as connection:
            for piece in pieces:
                connection.sendall(piece)
            return read_all(connection)

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def ended(self) -> int:
        return self.process.wait(_PATIENCE)

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines() if line.startswith("{") and line.endswith("}")]

    def logged(self, **members: Any) -> dict[str, Any]:
        """The one line with these members; it comes a moment after the answer."""
        end = time.monotonic() + _PATIENCE
        while not (found := [line for line in self.log() if members.items() <= line.items()]):
            assert time.monotonic() < end, self.err
            time.sleep(0.01)
        (line,) = found
        return line

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts ``roomkey serve`` on a free port, its data in a folder of the test; JSON in its log."""
    started: list[Serving] = []

    def begin(*options: str, **environment: str) -> Serving:
        folder = tmp_path / f"process-{len(started)}"
        folder.mkdir()
        data = "--data", str(tmp_path / "data")
        words = (*COMMAND, "serve", *data, "--listen", "127.0.0.1:0", *options)
        serving = Serving(folder, words, **{"ROOMKEY_SERVER_LOG_FORMAT": "json"} | environment)
        started.append(serving)
        serving.wait_until_it_serves(lambda out: int(out.split(" port ")[1].split()[0]))
        return serving

    yield begin
    for each in started:
        each.stop()


@pytest.fixture
def child(tmp_path: Path) -> Iterator[Callable[..., Serving]]:
    """Starts serving_child.py with the bounds of a test."""
    started: list[Serving] = []

    def begin(**bounds: Any) -> Serving:
        folder = tmp_path / f"child-{len(started)}"
        folder.mkdir()
        serving = Serving(folder, (*CHILD, str(tmp_path / "data"), json.dumps(bounds)))
        started.append(serving)
        serving.wait_until_it_serves(lambda out: int(out.splitlines()[0]))
        return serving

    yield begin
    for each in started:
        each.stop()


@pytest.fixture
def server_in_thread(tmp_path: Path) -> Iterator[Callable[..., ServerInThread]]:
    """Starts the server in a thread, around ``Stages``, with the bounds of a test."""
    with ExitStack() as ends:
        yield lambda **bounds: ends.enter_context(serving(tmp_path, Bounds(**bounds)))
