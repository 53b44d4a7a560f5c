import gc
import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest

from roomkey.testing.loopback import LoopbackResponse, LoopbackServer, json_response


def echo(request):
    if request.path == "/broken":
        raise RuntimeError("a mistake in the test's own answer")
    return json_response({"path": request.path, "query": request.query, "length": len(request.body)})


@pytest.fixture
def server():
    with LoopbackServer(echo, time.time) as running:
        yield running


def raw(server, data):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65_536):
            answer += piece
    return answer


def test_one_connection_serves_many_requests_without_delay(server):
    with httpx2.Client() as http:
        for number in range(5):
            answer = http.post(f"{server.origin}/a?n={number}", content=b"x" * number)
            assert answer.json() == {"path": "/a", "query": [["n", str(number)]], "length": number}
        (connection,) = server._listener._threads_of
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.slow
def test_64_connections_are_served_at_one_time():
    everybody = threading.Barrier(64)

    def respond(request):
        everybody.wait(20)  # broken, and so a failure, unless all 64 requests are being answered at one time
        return LoopbackResponse(200)

    def call(number):
        with httpx2.Client(timeout=30) as http:
            return http.get(server.origin).status_code

    with LoopbackServer(respond, time.time) as server, ThreadPoolExecutor(64) as threads:
        assert list(threads.map(call, range(64))) == [200] * 64
    assert server.failures == []


def test_pipelined_and_head_requests_are_answered_in_order(server):
    answer = raw(server, b"HEAD /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert b'"/a"' not in answer
    assert answer.endswith(b'{"path": "/b", "query": [], "length": 0}')


def test_expect_100_continue_is_answered_before_the_body(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"abc")
        assert b'"length": 3' in connection.recv(1000)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_a_malformed_request_is_rejected_and_the_connection_closed(server, data, status):
    assert raw(server, data).startswith(b"HTTP/1.1 " + status)


def test_half_a_body_is_not_answered(server):
    assert raw(server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc") == b""
    assert server.failures == []


def test_a_mistake_in_an_answer_is_a_500_and_is_remembered(server):
    assert httpx2.get(server.origin + "/broken").status_code == 500
    assert server.failures == ["GET /broken: RuntimeError"]


def test_stopping_ends_every_connection_and_its_thread():
    arrived = threading.Event()

    def hang(request):
        arrived.set()
        server.pause(60)

    before = set(threading.enumerate())
    server = LoopbackServer(hang, time.time)
    server.start()
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=5) as idle, socket.create_connection(address, timeout=5) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert arrived.wait(10)
        server.stop()
        server.stop()
        assert (idle.recv(10), busy.recv(10)) == (b"", b"")
    assert not [thread for thread in set(threading.enumerate()) - before if thread.name.startswith("loopback")]
    gc.collect()  # a socket left open would be a ResourceWarning, and so an error


def test_it_can_be_started_again_at_the_same_port():
    server = LoopbackServer(echo, time.time)
    server.start()
    port = server.port
    assert httpx2.get(server.origin).status_code == 200
    server.stop()
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(server.origin)
    server.start()
    assert (server.port, httpx2.get(server.origin).status_code) == (port, 200)
    server.stop()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # newer Pythons warn of threads, which is the point
def test_a_forked_child_cannot_stop_its_parents_server(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert b'"/a"' in connection.recv(1000)
        child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        os.waitpid(child, 0)
        connection.sendall(b"GET /b HTTP/1.1\r\n\r\n")
        assert b'"/b"' in connection.recv(1000)
    assert httpx2.get(server.origin).status_code == 200


def test_a_connection_is_closed_where_the_client_asks_for_it(server):
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := connection.recv(1000):
            answer += piece
    assert b"connection: close" in answer


def test_unusual_answers_are_sent_as_they_are():
    answers = {
        "/204": LoopbackResponse(204),
        "/299": LoopbackResponse(299, b"odd"),
        "/dated": LoopbackResponse(200, b"", [("date", "never")]),
    }
    with LoopbackServer(lambda request: answers[request.path], lambda: 0.0) as server:
        empty, odd, dated = (httpx2.get(server.origin + path) for path in answers)
    assert (empty.status_code, "content-length" in empty.headers) == (204, False)
    assert empty.headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (odd.status_code, odd.text, odd.headers["content-length"]) == (299, "odd", "3")
    assert dated.headers.get_list("date") == ["never"]
