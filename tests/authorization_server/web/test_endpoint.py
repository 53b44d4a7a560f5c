"""Endpoints over real HTTP: slow, large, broken and many requests; and answers that tell nothing they should not."""

import json
import logging
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx2
import pytest
from tests.authorization_server.oauth_service import FORM, OAuthService, error_of
from tests.authorization_server.running_service import running_service

from roomkey.authorization_server.errors import DatabaseUnavailable, DatabaseUnsuitable
from roomkey.authorization_server.web.oauth_error import CODES, OAuthError
from roomkey.authorization_server.web.request_response import error_response

TOKEN = {"grant_type": "client_credentials"}


@pytest.fixture
def running(tmp_path, clock):
    with running_service(tmp_path / "data", clock) as service, OAuthService(service) as oauth:
        oauth.api = oauth.add_api()
        yield oauth


def raw(oauth, *pieces, pause=0.0, patience=5.0):
    """What comes back for these bytes on a connection of their own."""
    address = urlsplit(oauth.service.settings.issuer)
    with socket.create_connection((address.hostname, address.port), patience) as connection:
        for piece in pieces:
            connection.sendall(piece)
            time.sleep(pause)
        connection.settimeout(patience)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
            head, _, body = answer.partition(b"\r\n\r\n")
            length = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            if length and len(body) >= int(length[0].split(b":")[1]):
                break
        return answer


def head(*lines, length=None):
    usual = [b"POST /oauth2/token HTTP/1.1", b"host: 127.0.0.1", *lines]
    if length is not None:
        usual.append(b"content-length: %d" % length)
    return b"\r\n".join(usual) + b"\r\n\r\n"


def test_a_body_is_read_no_further_than_it_may_be_long(running):  # auth service 59
    reports = running.add_account()
    url = running.service.settings.issuer + "/oauth2/token"
    assert error_of(httpx2.post(url, content=b"a" * 65_537, headers=FORM)) == (413, "invalid_request")
    chunked = raw(running, head(b"transfer-encoding: chunked"), b"10001\r\n" + b"a" * 65_537 + b"\r\n0\r\n\r\n")
    assert chunked.startswith(b"HTTP/1.1 413")
    just = b"grant_type=client_credentials&x="
    whole = just + b"a" * (65_536 - len(just))
    assert httpx2.post(url, content=whole, headers=FORM | reports.basic).status_code == 200


@pytest.mark.slow
@pytest.mark.slow
def test_the_flood_of_one_client_does_not_slow_another(running):  # auth service 59
    flooder, other = running.add_account("flooder"), running.add_account("other")
    url = running.service.settings.issuer + "/oauth2/token"
    stop = threading.Event()
    statuses = set()

    def flood():
        with httpx2.Client(headers=flooder.basic) as http:
            while not stop.is_set():
                statuses.add(http.post(url, data=TOKEN).status_code)

    with ThreadPoolExecutor(16) as pool:
        for _ in range(16):
            pool.submit(flood)
        try:
            with httpx2.Client(headers=other.basic) as http:
                assert {http.post(url, data=TOKEN).status_code for _ in range(20)} == {200}
        finally:
            stop.set()
    assert statuses <= {200, 429}


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [b"content-type: application/json"],
        [b"content-type: application/x-www-form-urlencoded"] * 2,
        [b"content-type: application/x-www-form-urlencoded, text/plain"],
        [b"content-type: \xff\xfe"],
    ],
    ids=["none", "json", "twice", "two in one", "bytes"],
)
def test_a_content_type_that_is_not_the_one_is_a_bad_request(running, lines):
    body = b"grant_type=client_credentials"
    answer = raw(running, head(*lines, length=len(body)), body)
    assert answer.startswith(b"HTTP/1.1 400")
    assert b'"invalid_request"' in answer


def test_a_caller_who_leaves_takes_nothing_along(running):
    """The connection is closed before the answer; the server answers others."""
    reports = running.add_account()
    body = b"grant_type=client_credentials"
    words = [name.encode() + b": " + value.encode() for name, value in (FORM | reports.basic).items()]
    address = urlsplit(running.service.settings.issuer)
    for cut in (len(body), 3):
        for _ in range(10):
            with socket.create_connection((address.hostname, address.port)) as connection:
                connection.sendall(head(*words, length=len(body)) + body[:cut])
    answer = httpx2.post(running.service.settings.issuer + "/oauth2/token", data=TOKEN, headers=reports.basic)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (DatabaseUnavailable("disk I/O error at SELECT secret"), (503, "temporarily_unavailable")),
        (DatabaseUnsuitable("the key /etc/secret is gone"), (503, "temporarily_unavailable")),
        (RuntimeError("SELECT * FROM hunter2"), (500, "temporarily_unavailable")),
        (UnicodeEncodeError("utf-8", "hunter2", 0, 1, "x"), (500, "temporarily_unavailable")),
    ],
    ids=lambda one: type(one).__name__,
)
def test_an_internal_error_reveals_nothing_to_the_caller(
    oauth, monkeypatch, caplog, error, expected
):  # auth service 58
    reports = oauth.add_account()

    async def failing(*_, **__):
        raise error

    monkeypatch.setattr(type(oauth.service.database), "read", failing)
    with caplog.at_level(logging.ERROR):
        answer = oauth.token(reports)
    assert error_of(answer) == expected
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    for word in ("SELECT", "hunter2", "Traceback", "/etc", "disk"):
        assert word not in answer.text
    assert answer.headers["x-request-id"]
    assert caplog.records
    assert "hunter2" not in caplog.text


def test_an_outage_is_no_word_on_a_token(oauth, monkeypatch):  # auth service 55
    """An API that hears "inactive" would tell its caller that the token is bad."""
    token = oauth.token(oauth.add_account()).json()["access_token"]
    assert oauth.active(oauth.api, token)

    async def failing(*_, **__):
        raise DatabaseUnavailable("The database cannot be used now.")

    monkeypatch.setattr(type(oauth.service.database), "read_inline", failing)
    answer = oauth.introspect(oauth.api, token)
    assert error_of(answer) == (503, "temporarily_unavailable")
    assert int(answer.headers["retry-after"]) > 0


def test_every_error_is_one_of_the_codes_and_a_sentence_of_our_own(oauth):  # auth service 34, 58
    reports = oauth.add_account()
    evil = "<script>\r\nSet-Cookie: x=1\x1b[31m"
    for fields in (
        TOKEN | {"scope": evil},
        TOKEN | {"resource": evil},
        {"grant_type": evil},
        {evil: evil},
        {"grant_type": "refresh_token", "refresh_token": evil},
    ):
        answer = oauth.post("/oauth2/token", fields, reports)
        body = json.loads(answer.content)
        assert body.keys() == {"error", "error_description"}
        assert body["error"] in CODES
        assert answer.headers["content-type"] == "application/json"
        assert "<script" not in answer.text
        assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("given", "sent"), [(None, b"2"), (0, b"2"), (7, b"7")])
def test_every_passing_failure_says_when_to_come_back(status, given, sent):  # auth service 55
    error = OAuthError("temporarily_unavailable", "Later.", status=status, retry_after=given)
    response = error_response(error)
    assert dict(response.raw_headers)[b"retry-after"] == sent
    assert json.loads(response.body)["error"] == "temporarily_unavailable"
