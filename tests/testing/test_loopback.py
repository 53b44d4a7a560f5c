import gc
import os
import socket
import threading
import time

import httpx2
import pytest

from roomkey.testing.loopback import Answer, LoopbackServer, json_answer


def echo(request):
    if request.path == "/broken":
        raise RuntimeError("a mistake in the test's own answer")
    if request.path == "/slow":
        time.sleep(0.1)
    return json_answer({"path": request.path, "query": request.query, "length": len(request.body)})


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
        http.get(server.origin)
        start = time.monotonic()
        for number in range(50):
            answer = http.post(f"{server.origin}/a?n={number}", content=b"x" * number)
            assert answer.json() == {"path": "/a", "query": [["n", str(number)]], "length": number}
        assert time.monotonic() - start < 1.0  # 50 delays of Nagle's algorithm would take two seconds
        (connection,) = server._connections
        assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_64_connections_are_served_at_one_time(server):
    ready = threading.Barrier(64)
    statuses = []

    def call():
        with httpx2.Client(timeout=10) as http:
            ready.wait(10)
            statuses.append(http.get(server.origin + "/slow").status_code)

    threads = [threading.Thread(target=call) for _ in range(64)]
    for thread in threads:
        thread.start()
    start = time.monotonic()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 64
    assert time.monotonic() - start < 3.0  # one after the other would take 6.4 seconds


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
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: x\r\n\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nContent-Length: 99999999999\r\n\r\n", b"413"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", b"400"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"413"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
    ],
)
def test_what_is_not_a_request_is_refused_and_the_connection_closed(server, data, status):
    assert raw(server, data).startswith(b"HTTP/1.1 " + status)


def test_half_a_request_is_not_answered(server):
    assert raw(server, b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\nabc") == b""
    assert raw(server, b"GET / HTTP/1.1\r\nHost: x\r\n") == b""
    assert server.failures == []


def test_a_mistake_in_an_answer_is_a_500_and_is_remembered(server):
    assert httpx2.get(server.origin + "/broken").status_code == 500
    assert server.failures == ["GET /broken: RuntimeError"]


def test_stopping_is_quick_and_closes_what_is_open():
    def hang(request):
        server.pause(60)

    before = set(threading.enumerate())
    server = LoopbackServer(hang, time.time)
    server.start()
    address = ("127.0.0.1", server.port)
    with socket.create_connection(address, timeout=5) as idle, socket.create_connection(address, timeout=5) as busy:
        busy.sendall(b"GET / HTTP/1.1\r\n\r\n")
        time.sleep(0.1)
        start = time.monotonic()
        server.stop()
        server.stop()
        assert time.monotonic() - start < 1.0
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
    answers = {"/204": Answer(204), "/299": Answer(299, b"odd"), "/dated": Answer(200, b"", [("date", "never")])}
    with LoopbackServer(lambda request: answers[request.path], lambda: 0.0) as server:
        empty, odd, dated = (httpx2.get(server.origin + path) for path in answers)
    assert (empty.status_code, "content-length" in empty.headers) == (204, False)
    assert empty.headers["date"] == "Thu, 01 Jan 1970 00:00:00 GMT"
    assert (odd.status_code, odd.text, odd.headers["content-length"]) == (299, "odd", "3")
    assert dated.headers.get_list("date") == ["never"]
