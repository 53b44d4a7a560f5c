"""What one client may take of the server, and what it makes of requests that mean to mislead it, byte by byte."""

import json
import socket
import time
from contextlib import ExitStack, suppress

import pytest
from tests.authorization_server.server.server_in_thread import asks, read_all, reads

from roomkey.authorization_server.server import http_limits

CHUNKED = asks("/headers", b"transfer-encoding: chunked", method=b"POST")
UPGRADE = b"connection: Upgrade, HTTP2-Settings", b"upgrade: h2c", b"http2-settings: AAMAAABkAAQCAAAAAAIAAAAA"


@pytest.mark.parametrize(
    "endless", [b"0\r\nx: ", b"0\r\n", b"1;"], ids=["a trailer's value", "a trailer's name", "a chunk's extension"]
)
def test_what_the_parser_keeps_to_itself_after_the_head_is_bounded_too(
    server_in_thread, endless: bytes
):  # auth service 59
    with server_in_thread(head_bytes=4096).connect() as connection:
        connection.sendall(CHUNKED + endless)
        sent = 0
        with suppress(OSError):
            while sent < 10_000_000:  # far more than both ends of the connection hold
                connection.sendall(b"a" * 4096)
                sent += 4096
        assert sent < 10_000_000


@pytest.mark.parametrize("request_", [b"GET /" + b"a" * 5000, b"no http at all\r\n\r\n"], ids=["431", "400"])
def test_a_client_that_goes_on_sending_can_read_the_error_response(server_in_thread, request_: bytes):
    with server_in_thread(head_bytes=4096).connect() as connection:
        connection.sendall(request_)
        time.sleep(0.2)  # the response is sent by now
        for _ in range(100):
            connection.sendall(b"a" * 4096)
            time.sleep(0.002)
        answer = read_all(connection)
    assert answer.startswith((b"HTTP/1.1 431 ", b"HTTP/1.1 400 "))
    assert answer.endswith((b"are too large.", b"is not valid HTTP."))


def test_bytes_after_an_error_response_are_read_up_to_a_bound(server_in_thread):  # auth service 59
    with server_in_thread(head_bytes=4096, linger_bytes=100_000, linger_seconds=60).connect() as connection:
        connection.sendall(b"GET /" + b"a" * 5000)
        sent = 0
        with suppress(OSError):
            while sent < 10_000_000:
                connection.sendall(b"a" * 4096)
                sent += 4096
        assert 100_000 <= sent < 10_000_000


def test_a_connection_stays_open_after_an_error_response_for_a_bounded_time(server_in_thread):  # auth service 59
    with server_in_thread(head_bytes=4096, linger_seconds=0.5).connect() as connection:
        connection.sendall(b"GET /" + b"a" * 5000)
        began = time.monotonic()
        with suppress(OSError):
            while time.monotonic() - began < 10:
                connection.sendall(b"a")
                time.sleep(0.02)
        assert 0.3 < time.monotonic() - began < 5


def test_few_connections_stay_open_after_an_error_response(server_in_thread, monkeypatch):  # auth service 59
    monkeypatch.setattr(http_limits, "_MAX_LINGERING", 2)
    server = server_in_thread(head_bytes=4096, linger_seconds=60)
    with ExitStack() as connections:
        opened = [connections.enter_context(server.connect()) for _ in range(3)]
        for each in opened:
            each.sendall(b"GET /" + b"a" * 5000)
            assert read_all(each).startswith(b"HTTP/1.1 431 ")
        for each in opened[:2]:
            each.sendall(b"a")
        with pytest.raises(OSError, match=r"reset|pipe"):
            flood(opened[2])


def flood(connection: socket.socket) -> None:
    for _ in range(100):
        connection.sendall(b"a")
        time.sleep(0.02)


def test_a_rejected_connection_does_not_count(server_in_thread):
    server = server_in_thread(connections_of_one=1, linger_seconds=60)
    with server.connect() as first, server.connect() as second:
        assert read_all(second).startswith(b"HTTP/1.1 503 ")
        first.sendall(asks("/plain", last=True))
        assert read_all(first).endswith(b"hello")
        assert server.send(asks("/plain", last=True)).endswith(b"hello")


def is_temporarily_unavailable(response):
    """Whether a client of the token endpoint takes it for a passing failure: status, headers and body."""
    head, _, body = response.partition(b"\r\n\r\n")
    line, *fields = head.decode("latin-1").lower().split("\r\n")
    headers = dict(field.split(": ", 1) for field in fields)
    assert (headers["content-type"], headers["connection"]) == ("application/json", "close")
    assert int(headers["content-length"]) == len(body)
    assert int(headers["retry-after"]) > 0
    return " 503 " in line and json.loads(body)["error"] == "temporarily_unavailable"


def test_a_connection_too_many_is_told_to_come_back(server_in_thread):  # auth service 59
    server = server_in_thread(connections_of_one=1, linger_seconds=60)
    with server.connect(), server.connect() as second:
        assert is_temporarily_unavailable(read_all(second))


def test_a_request_too_many_is_told_to_come_back_and_reaches_no_application(server_in_thread):  # auth service 59
    server = server_in_thread(connections=2)
    with server.connect() as first, server.connect() as second:
        second.sendall(b"POST /echo HTTP/1.1\r\nhost: localhost\r\ncontent-length: 3\r\n\r\nabc")
        assert is_temporarily_unavailable(read_all(second))
        first.sendall(asks("/plain", last=True))
        assert read_all(first).endswith(b"hello")


def test_trailers_that_are_too_large_together_are_answered_431(server_in_thread):  # auth service 59
    answer = server_in_thread(head_bytes=4096).send(CHUNKED + b"0\r\n" + (b"x: " + b"a" * 500 + b"\r\n") * 12)
    assert answer.startswith(b"HTTP/1.1 431 ")


def test_a_body_is_no_head_however_large_it_is(server_in_thread):
    server, body = server_in_thread(head_bytes=4096), b"a" * 300_000
    whole = asks("/echo", b"content-length: 300000", method=b"POST", last=True) + body
    assert server.send(whole).endswith(b"\r\n\r\n" + body)
    chunks = b"1000;x=y\r\n" + body[:4096] + b"\r\n" + b"1\r\nb\r\n" * 3000 + b"0\r\nx: y\r\n\r\n"
    whole = asks("/echo", b"transfer-encoding: chunked", method=b"POST", last=True) + chunks
    assert server.send(whole).endswith(b"\r\n\r\n" + body[:4096] + b"b" * 3000)


def test_a_trailer_is_none_of_the_headers(server_in_thread):  # auth service 33
    """Whatever stands before the application has judged these alone."""
    sent = CHUNKED + b"1\r\na\r\n0\r\nauthorization: Basic x\r\nhost: evil.example\r\n\r\n"
    with server_in_thread().connect() as connection:
        for _ in range(2):
            connection.sendall(sent)
            assert reads(connection, b"transfer-encoding").endswith(b"\r\n\r\nhost transfer-encoding")


@pytest.mark.parametrize("at_once", [True, False])
def test_an_upgrade_is_ignored_and_the_body_belongs_to_its_request(server_in_thread, at_once: bool):
    """Taken for a request of its own, a body could put words into the mouth of whoever shares a proxy's connection."""
    body = asks("/plain")
    head = asks("/echo", *UPGRADE, b"content-length: %d" % len(body), method=b"POST")
    expected = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(body) + body
    with server_in_thread().connect() as connection:
        for _ in range(2):
            for piece in (head + body,) if at_once else (head, body[:7], body[7:]):
                connection.sendall(piece)
                time.sleep(0.05)
            assert reads(connection, body) == expected
        last = asks("/plain", *UPGRADE, last=True) + asks("/plain")
        connection.sendall(asks("/headers", *UPGRADE) + last)
        whole = read_all(connection)
    assert b"\r\n\r\nhost connection http2-settingsHTTP/1.1 200 OK\r\n" in whole
    assert whole.endswith(b"\r\n\r\nhello")


def test_a_head_with_an_upgrade_is_limited_as_any_other(server_in_thread):  # auth service 59
    server = server_in_thread(head_bytes=4096)
    assert server.send(asks("/plain", *UPGRADE, b"x: " + b"a" * 4096)).startswith(b"HTTP/1.1 431 ")
    assert server.send(asks("/plain", *UPGRADE, b"x: " + b"a" * 3500, last=True)).endswith(b"hello")


@pytest.mark.parametrize("target", [b"a:1", b"/plain", b"*"])
@pytest.mark.parametrize("upgrade", [(), UPGRADE])
def test_connect_is_rejected(server_in_thread, target: bytes, upgrade):
    server = server_in_thread()
    request = asks(target.decode(), *upgrade, method=b"CONNECT") + asks("/plain")
    answer = server.send(request)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"hello" not in answer
    assert server.send(asks("/plain", last=True)).endswith(b"hello")


@pytest.mark.parametrize(
    "lines",
    [
        (b"content-length: 3", b"transfer-encoding: chunked"),
        (b"content-length: 3", b"content-length: 4"),
        (b"content-length: +3",),
        (b"transfer-encoding: chunked, identity",),
        (b"transfer-encoding : chunked",),
        (b"x: y\n z",),
    ],
)
@pytest.mark.parametrize("upgrade", [(), UPGRADE])
def test_a_request_whose_end_is_in_doubt_is_answered_400(server_in_thread, lines: tuple[bytes, ...], upgrade):
    answer = server_in_thread().send(asks("/echo", *upgrade, *lines, method=b"POST") + b"0\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
