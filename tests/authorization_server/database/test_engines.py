"""The connections to PostgreSQL: none hangs on a server that is cut off silently."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.statements import driver


@pytest.fixture
def over_tcp(postgresql_url: str) -> Iterator[str]:
    """The URL of an empty PostgreSQL database over TCP; the tests' server itself has a Unix socket."""
    asked = urlsplit(postgresql_url)
    folder = Path(parse_qs(asked.query)["host"][0])
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = threading.Thread(target=_pass_on_one, args=(listener, folder / ".s.PGSQL.5432"))
        serving.start()
        yield f"postgresql://roomkey@127.0.0.1:{listener.getsockname()[1]}{asked.path}"
        serving.join(10)


def _pass_on_one(listener: socket.socket, server: Path) -> None:
    near, _ = listener.accept()
    with near, socket.socket(socket.AF_UNIX) as far:
        far.connect(str(server))
        back = threading.Thread(target=_pass_on, args=(far, near))
        back.start()
        _pass_on(near, far)
        back.join(10)


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.mark.skipif(not hasattr(socket, "TCP_USER_TIMEOUT"), reason="this system has no such option")
def test_a_server_that_is_cut_off_is_noticed_within_seconds(over_tcp: str):
    with closing(Database.open(over_tcp)) as database, database.reading() as connection:
        with socket.socket(fileno=os.dup(driver(connection).fileno())) as used:
            assert used.family == socket.AF_INET
            assert used.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) == 1
            idle, pause, count, unanswered = (
                used.getsockopt(socket.IPPROTO_TCP, option)
                for option in (
                    socket.TCP_KEEPIDLE,
                    socket.TCP_KEEPINTVL,
                    socket.TCP_KEEPCNT,
                    socket.TCP_USER_TIMEOUT,  # in milliseconds
                )
            )
        assert idle + pause * count <= 15
        assert 0 < unanswered <= 15_000
