"""The server: what it takes from a client, how it ends, what it believes of where a request comes from."""

import signal
import sqlite3
import threading
import time
from pathlib import Path

import httpx2
import pytest
from tests.authorization_server.server.server_in_thread import read_all

from roomkey.authorization_server.server.server import bind_socket, run
from roomkey.authorization_server.settings import Settings

pytestmark = pytest.mark.slow

HEAD = b"POST /echo/x HTTP/1.1\r\nhost: localhost\r\n"


def test_a_signal_lets_requests_in_flight_end_and_the_exit_code_is_0(child, tmp_path: Path):
    serving, answers = child(), []
    asking = threading.Thread(target=lambda: answers.append(serving.get("/slow")))
    asking.start()
    while "slow" not in serving.out:
        time.sleep(0.01)
    serving.signal(signal.SIGTERM)
    time.sleep(0.3)
    with pytest.raises(OSError):  # noqa: PT011 - nobody new is taken
        serving.get("/health")
    asking.join()
    assert (answers[0][0], answers[0][2]) == (200, b"done")
    assert serving.ended() == 0
    database = sqlite3.connect(tmp_path / "data" / "roomkey.db")
    assert database.execute("SELECT value FROM counters WHERE name = 'slow'").fetchall() == [(1,)]
    database.close()


def test_an_interrupt_ends_it_in_the_same_way(child):
    serving = child()
    serving.signal(signal.SIGINT)
    assert serving.ended() == 0
    assert "Traceback" not in serving.err


def test_outside_of_the_main_thread_it_serves_until_ending(tmp_path: Path):
    settings = Settings.at(tmp_path, port=0)
    ready, ending = threading.Event(), threading.Event()

    async def app(scope, receive, send) -> None:
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    with bind_socket(settings) as taken:
        named = {"ready": ready.set, "ending": ending.is_set}
        thread = threading.Thread(target=run, args=(settings, app, taken), kwargs=named, daemon=True)
        thread.start()
        assert ready.wait(20)
        assert httpx2.get(f"http://127.0.0.1:{taken.getsockname()[1]}/").status_code == 204
        ending.set()
        thread.join(20)
        assert not thread.is_alive()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_signal_ends_it_at_once(child, number: int):
    serving = child()
    connection = serving.connect()
    connection.sendall(b"GET /slow?seconds=15 HTTP/1.1\r\nhost: localhost\r\n\r\n")
    while "slow" not in serving.out:
        time.sleep(0.01)
    serving.signal(number)
    time.sleep(0.2)
    serving.signal(number)
    assert serving.ended() == -number  # and not 0, as after an answer
    connection.close()


def test_a_head_that_is_too_large_is_rejected_in_one_piece_and_in_many(child):  # auth service 59
    serving = child(head_bytes=4096)
    whole = HEAD + b"x: " + b"a" * 5000 + b"\r\n\r\n"
    assert serving.send(whole).startswith(b"HTTP/1.1 431 ")
    assert serving.send(HEAD, *[b"x%d: %s\r\n" % (i, b"a" * 500) for i in range(12)]).startswith(b"HTTP/1.1 431 ")
    assert serving.send(b"GET /" + b"a" * 5000).startswith(b"HTTP/1.1 431 ")
    endless = HEAD + b"x: " + b"a" * 5000  # the parser keeps a value to itself until its line ends
    assert serving.send(endless).startswith(b"HTTP/1.1 431 ")
    fits = HEAD + b"x: " + b"a" * 3000 + b"\r\nconnection: close\r\n\r\n"
    assert serving.send(fits).startswith(b"HTTP/1.1 200 ")


def test_heads_of_one_connection_are_measured_one_by_one(child):
    serving = child(head_bytes=4096)
    one = HEAD + b"x: " + b"a" * 2500 + b"\r\ncontent-length: 3000\r\n\r\n" + b"b" * 3000
    last = HEAD + b"connection: close\r\n\r\n"
    answers = serving.send(*[one] * 6, last)
    assert answers.count(b"HTTP/1.1 200 ") == 7


@pytest.mark.parametrize("begun", [b"", b"GET /health HTT", b"\r\n", HEAD + b"x: y"])
def test_a_head_that_does_not_come_ends_its_connection(child, begun: bytes):  # auth service 59
    serving = child(head_seconds=0.5)
    began = time.monotonic()
    answer = serving.send(begun)
    assert 0.4 < time.monotonic() - began < 10
    assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_head_that_trickles_gets_no_more_time(child):  # auth service 59
    serving = child(head_seconds=0.5)
    began = time.monotonic()
    with serving.connect() as connection:
        connection.sendall(HEAD)
        try:
            while time.monotonic() - began < 15:
                connection.sendall(b"x: y\r\n")
                time.sleep(0.1)
        except OSError:
            pass
    assert time.monotonic() - began < 10


def test_line_ends_after_an_answer_do_not_hold_the_connection(child):  # auth service 59
    serving = child(head_seconds=0.5)
    with serving.connect() as connection:
        connection.sendall(HEAD + b"\r\n")
        answer = b""
        while not answer.endswith(b"\r\n\r\n0"):
            answer += connection.recv(65_536)
        connection.sendall(b"\r\n")
        began = time.monotonic()
        assert read_all(connection).startswith(b"HTTP/1.1 408 ")
        assert time.monotonic() - began < 10


def test_a_body_that_does_not_come_ends_its_connection(child):  # auth service 59
    serving = child(body_seconds=0.5)
    began = time.monotonic()
    answer = serving.send(HEAD + b"content-length: 10\r\n\r\n123")
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert time.monotonic() - began < 10
    assert serving.get("/health")[0] == 200


def test_a_body_that_comes_in_pieces_is_taken(child):
    serving = child(body_seconds=3, head_seconds=0.5)
    with serving.connect() as connection:
        connection.sendall(HEAD + b"content-length: 6\r\nconnection: close\r\n\r\n123")
        time.sleep(0.8)  # longer than a head may take
        connection.sendall(b"456")
        assert read_all(connection).endswith(b"\r\n\r\n6")


def test_more_connections_than_the_server_takes_are_answered_503(child):  # auth service 59
    serving = child(connections=4)
    held = [serving.connect() for _ in range(6)]
    time.sleep(0.1)
    assert serving.get("/health")[0] == 503
    for each in held:
        each.close()
    time.sleep(0.1)
    assert serving.get("/health")[0] == 200


def test_one_address_cannot_take_all_connections(child):  # auth service 59
    serving = child(connections_of_one=3)
    held = [serving.connect() for _ in range(3)]
    time.sleep(0.1)
    assert serving.send(b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n").startswith(b"HTTP/1.1 503 ")
    for each in held:
        each.close()
    time.sleep(0.1)
    assert serving.get("/health")[0] == 200


def test_a_proxy_may_have_more_of_them(child):
    serving = child(connections_of_one=2, trusted_proxies=["127.0.0.1"])
    held = [serving.connect() for _ in range(4)]
    assert serving.get("/health")[0] == 200
    for each in held:
        each.close()


@pytest.mark.parametrize(
    "junk", [b"\x16\x03\x01\x02\x00\x01", b"GET\r\n\r\n", b"CONNECT a:1 HTTP/1.1\r\nhost: a\r\n\r\n"]
)
def test_what_is_no_http_is_answered_400(child, junk: bytes):
    serving = child(head_seconds=1)
    answer = serving.send(junk)
    assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 405 ")), answer
    assert serving.get("/health")[0] == 200


def test_a_malformed_host_is_answered_400_and_none_is_believed(child):  # auth service 33
    serving = child()
    for host in (b"a b", b"a/b", b"a@b", b"a?b", b"", b"a:b", b"[::1", b"a:80:80", b"\xff", b"a,b"):
        answer = serving.send(b"GET /whence HTTP/1.1\r\nconnection: close\r\nhost: " + host + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 400 "), host
    two = b"GET /whence HTTP/1.1\r\nconnection: close\r\nhost: a\r\nhost: b\r\n\r\n"
    assert serving.send(two).startswith(b"HTTP/1.1 400 ")
    none = b"GET /whence HTTP/1.1\r\nconnection: close\r\n\r\n"
    assert serving.send(none).startswith(b"HTTP/1.1 400 ")
    for host in (b"auth.example", b"AUTH.example:8400", b"[::1]:8400", b"127.0.0.1", b"a_b.example."):
        answer = serving.send(b"GET /whence HTTP/1.1\r\nconnection: close\r\nhost: " + host + b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200 "), host


def test_who_is_no_trusted_proxy_cannot_say_where_a_request_comes_from(child):  # auth service 33
    headers = {"X-Forwarded-For": "203.0.113.7", "X-Forwarded-Proto": "https", "X-Forwarded-Host": "evil.example"}
    address, url = child().get("/whence", **headers)[2].decode().split()
    assert (address, url.partition(":")[0]) == ("127.0.0.1", "http")
    assert "evil.example" not in url


def test_a_trusted_proxy_says_where_a_request_comes_from(child):
    headers = {"X-Forwarded-For": "6.6.6.6, 203.0.113.7", "X-Forwarded-Host": "evil.example"}
    serving = child(trusted_proxies=["127.0.0.1"])
    address, url = serving.get("/whence", **headers)[2].decode().split()
    assert address == "203.0.113.7"  # what the proxy itself has added, not what its client has sent
    assert "evil.example" not in url


def test_an_answer_does_not_name_the_server(child):
    assert "server" not in child().get("/health")[1]


def test_a_failure_is_answered_500_and_logged_without_its_words(child):  # auth service 58
    serving = child()
    status, headers, body = serving.get("/broken")
    assert status == 500
    assert headers["x-request-id"].encode() in body
    assert b"hunter2" not in body
    told = serving.logged(event="unexpected")
    assert (told["error"], told["request_id"]) == ("ValueError", headers["x-request-id"])
    assert "serving_child.py:" in told["place"]
    assert "hunter2" not in serving.err
    assert "Traceback" not in serving.err


def test_each_request_is_one_line_that_nothing_forges(child):  # auth service 58
    serving = child()
    path = "/echo/secret-path%0d%0alevel=error?token=secret-query"
    _, headers, _ = serving.get(path, **{"X-Request-Id": "chosen-by-client", "User-Agent": "evil"})
    line = serving.logged(route="/echo/{name}")
    assert line["request_id"] == headers["x-request-id"] != "chosen-by-client"
    assert (line["method"], line["status"], line["event"]) == ("GET", 200, "request")
    assert line["ms"] < 5000
    assert "secret-" not in serving.err
