"""Answers over real sockets, byte by byte: each is whole, in order, and leaves in as few packets as it can."""

import asyncio
import socket
import struct
import sys
import time

import pytest
from tests.authorization_server.server.server_in_thread import HEADLIKE, PATIENCE, asks, read_all, reads, undated

from roomkey.authorization_server.server.http_limits import OneWrite

_SEGMENTS_IN = 152  # where Linux has tcpi_data_segs_in in its struct tcp_info


def segments(connection: socket.socket) -> int:
    """How many packets with data have come in on ``connection``."""
    (count,) = struct.unpack_from("I", connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 256), _SEGMENTS_IN)
    return count


@pytest.mark.skipif(sys.platform != "linux", reason="it counts with Linux' struct tcp_info")
@pytest.mark.parametrize(
    ("path", "method", "ending"),
    [
        ("/plain", b"GET", b"hello"),
        ("/plain", b"HEAD", b"\r\n\r\n"),
        ("/chunked", b"GET", b"0\r\n\r\n"),
        ("/empty?204", b"GET", b"\r\n\r\n"),
        ("/empty?304", b"GET", b"\r\n\r\n"),
    ],
)
def test_an_answer_is_one_packet(server_in_thread, path: str, method: bytes, ending: bytes):
    with server_in_thread().connect() as connection:
        for number in range(1, 4):
            connection.sendall(asks(path, method=method))
            assert reads(connection, ending).startswith(b"HTTP/1.1 ")
            assert segments(connection) == number


@pytest.mark.parametrize("last", [False, True])
def test_answers_without_a_body_arrive_whether_the_connection_stays_or_ends(server_in_thread, last: bool):
    server = server_in_thread()
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    unchanged = b"HTTP/1.1 304 Not Modified\r\n\r\n"
    with server.connect() as connection:
        for path, method, expected in (
            ("/plain", b"HEAD", head),
            ("/empty?204", b"GET", nothing),
            ("/empty?304", b"HEAD", unchanged),
        ):
            if last:
                told = expected.removesuffix(b"\r\n") + b"connection: close\r\n\r\n"
                assert server.send(asks(path, method=method, last=True)) == told
            else:
                connection.sendall(asks(path, method=method))
                assert reads(connection, b"\r\n\r\n") == expected


def test_requests_sent_at_once_are_answered_in_their_order(server_in_thread):
    paths = (("/plain", b"HEAD"), ("/empty?204", b"GET"), ("/plain", b"GET"), ("/chunked", b"HEAD"))
    whole = b"".join(asks(path, method=method) for path, method in paths) + asks("/views", last=True)
    assert server_in_thread().send(whole) == (
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"
        b"HTTP/1.1 204 No Content\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello"
        b"HTTP/1.1 200 OK\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\nhelloworld"
    )


def test_each_piece_of_an_answer_leaves_when_it_is_written_and_looks_like_what_it_may(server_in_thread):
    server = server_in_thread()
    with server.connect() as connection:
        connection.sendall(asks("/stepwise"))
        assert reads(connection, b"\r\n\r\n<") == b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n<"
        server.app.steps.release()
        assert reads(connection, HEADLIKE) == HEADLIKE
        server.app.steps.release()
        assert reads(connection, b">") == b">"


def test_a_client_that_awaits_leave_to_send_its_body_gets_it(server_in_thread):
    with server_in_thread().connect() as connection:
        connection.sendall(asks("/echo", b"expect: 100-continue", b"content-length: 3", method=b"POST"))
        assert reads(connection, b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"abc")
        assert reads(connection, b"abc") == b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabc"


def test_a_large_answer_to_who_reads_slowly_comes_whole(server_in_thread):
    answer = server_in_thread().send(asks("/large", last=True))
    assert answer.partition(b"\r\n\r\n")[2] == b"x" * 4_000_000


def test_an_answer_that_fails_after_its_head_ends_the_connection(server_in_thread):
    assert server_in_thread().send(asks("/torn")) == b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n"


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_an_answer_that_has_begun_is_finished_when_the_server_ends(server_in_thread, method: bytes):
    server = server_in_thread()
    with server.connect() as connection:
        connection.sendall(asks("/stepwise", method=method))
        time.sleep(0.2)
        server.ending.set()
        time.sleep(0.3)
        server.app.steps.release(2)
        whole = b"" if method == b"HEAD" else b"<" + HEADLIKE + b">"
        assert undated(read_all(connection)) == b"HTTP/1.1 200 OK\r\ncontent-length: 21\r\n\r\n" + whole


def test_a_client_that_leaves_in_the_middle_of_an_answer_disturbs_nobody(server_in_thread):
    server = server_in_thread()
    for method in (b"GET", b"HEAD", b"GET"):
        with server.connect() as connection:
            connection.sendall(asks("/stepwise", method=method))
            time.sleep(0.05)
        server.app.steps.release(2)
    assert server.send(asks("/plain", last=True)).endswith(b"hello")


@pytest.mark.parametrize(
    "junk", [b"no http at all\r\n\r\n", b"GET /" + b"a" * 5000, asks("/echo", b"content-length: 3", method=b"POST")]
)
def test_nothing_is_put_into_an_answer_that_has_begun(server_in_thread, junk: bytes):
    """Neither for what is no HTTP (400), nor for what is too large (431) or too slow (408)."""
    server = server_in_thread(head_bytes=4096, body_seconds=0.3)
    with server.connect() as connection:
        connection.sendall(asks("/stepwise"))
        reads(connection, b"\r\n\r\n<")
        connection.sendall(junk)
        assert read_all(connection) == b""
    server.app.steps.release(2)


@pytest.mark.parametrize("junk", [b"no http at all\r\n\r\n", b"GET /" + b"a" * 5000])
def test_after_an_answer_its_connection_is_told_what_is_wrong(server_in_thread, junk: bytes):
    with server_in_thread(head_bytes=4096).connect() as connection:
        connection.sendall(asks("/plain"))
        reads(connection, b"hello")
        connection.sendall(junk)
        assert read_all(connection).startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))


def test_whatever_else_is_done_with_a_transport_comes_after_what_is_held():
    async def written() -> bytes:
        ours, theirs = socket.socketpair()
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(asyncio.Protocol, ours)
        answers = OneWrite(transport)
        answers.write(HEADLIKE)
        answers.writelines([b"a", b"b"])
        answers.finish()
        answers.write(HEADLIKE)
        answers.write_eof()
        with theirs:
            theirs.settimeout(PATIENCE)
            data = await asyncio.to_thread(read_all, theirs)
        transport.close()
        return data

    assert asyncio.run(written()) == HEADLIKE + b"ab" + HEADLIKE
