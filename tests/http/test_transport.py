"""One request, one answer, one deadline."""

import gzip
import logging
import ssl
import time
import zlib

import pytest
from tests.support.leaks import LeakDetector

from roomkey.http.messages import Request
from roomkey.http.transport import Transport, TransportError
from roomkey.testing import Issuer, ProtectedAPI

TRANSPORT = Transport()


def ask(issuer: Issuer, seconds: float = 5.0) -> Request:
    return Request(
        "POST", issuer.token_endpoint, (("Content-Type", "application/x-www-form-urlencoded"),), b"x=secretvalue"
    )


def test_an_answer_comes_with_its_round_trip(issuer: Issuer) -> None:
    issuer.delay = 0.05
    answer = TRANSPORT.send(ask(issuer), seconds=5.0)
    assert answer.response.status == 400
    assert 0.05 <= answer.round_trip < 1.0
    assert answer.response.header("date") is not None


def test_a_redirect_is_an_answer_and_is_not_followed(issuer: Issuer, api: ProtectedAPI) -> None:  # client 56
    issuer.redirect_to(api.url + "/orders", status=307)
    assert TRANSPORT.send(ask(issuer), seconds=5.0).response.status == 307
    assert api.requests == []


def test_a_rejected_connection_surely_sent_nothing() -> None:
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(Request("POST", "http://127.0.0.1:1/token", (), b"x"), seconds=5.0)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


def test_a_host_without_an_address_is_unreachable() -> None:  # client 23
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(Request("POST", "http://no-such-host.invalid/token"), seconds=5.0)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


def test_an_endpoint_that_says_nothing_ends_with_the_deadline(issuer: Issuer) -> None:
    issuer.hang()
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=0.3)
    assert (caught.value.reason, caught.value.sent) == ("timeout", True)
    assert time.monotonic() - started < 10.0  # and not the two minutes of the hang


def test_an_endpoint_that_dribbles_ends_with_the_deadline(issuer: Issuer) -> None:
    issuer.drip(0.2)
    started = time.monotonic()
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=0.4)
    assert caught.value.reason == "timeout"
    assert time.monotonic() - started < 10.0


def test_a_broken_connection_may_have_sent_it(issuer: Issuer) -> None:
    issuer.drop()
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=5.0)
    assert (caught.value.reason, caught.value.sent) == ("connection_lost", True)


def test_an_answer_of_two_megabytes_is_cut_off(issuer: Issuer) -> None:  # client 49
    issuer.answer_with(body=b"x" * 2_000_000)
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=5.0)
    assert caught.value.reason == "answer_too_large"


def test_the_caller_says_how_large_an_answer_may_be(issuer: Issuer) -> None:  # validator 50
    for size, passes in ((1_000, True), (1_001, False)):
        issuer.answer_with(body=b"x" * size)
        if passes:
            assert len(TRANSPORT.send(ask(issuer), seconds=5.0, largest=1_000).response.body) == size
            continue
        with pytest.raises(TransportError) as caught:
            TRANSPORT.send(ask(issuer), seconds=5.0, largest=1_000)
        assert caught.value.reason == "answer_too_large"


def test_what_was_packed_unasked_is_unpacked_within_the_limit(issuer: Issuer) -> None:  # validator 50
    text = b'{"error": "invalid_client"}'
    for packing, packed in (
        ("gzip", gzip.compress(text)),
        ("X-GZIP", gzip.compress(text)),
        ("deflate", zlib.compress(text)),
    ):
        issuer.answer_with(401, headers={"Content-Encoding": packing}, body=packed)
        assert TRANSPORT.send(ask(issuer), seconds=5.0).response.body == text


@pytest.mark.parametrize(
    ("packing", "body", "reason"),
    [
        ("gzip", gzip.compress(bytes(50_000_000)), "answer_too_large"),
        ("gzip", gzip.compress(b"x" * 100)[:-9], "answer_unreadable"),
        ("gzip", b"not packed at all", "answer_unreadable"),
        ("br", b"\x0b\x02\x80hello\x03", "answer_unreadable"),
        ("gzip, gzip", gzip.compress(gzip.compress(b"x")), "answer_unreadable"),
    ],
    ids=["bomb", "cut", "plain", "unknown", "twice"],
)
def test_a_packing_that_cannot_be_undone_within_the_limit_is_an_error(
    issuer: Issuer, packing: str, body: bytes, reason: str
) -> None:  # validator 50
    issuer.answer_with(headers={"Content-Encoding": packing}, body=body)
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=5.0)
    assert (caught.value.reason, caught.value.sent) == (reason, True)


@pytest.mark.parametrize("name", ["utf-8", "UTF-8", "none", "binary", "identity", "8bit"])
def test_a_content_encoding_that_is_none_leaves_the_body_as_it_is(issuer: Issuer, name: str) -> None:
    issuer.answer_with(200, headers={"Content-Encoding": name}, body=b'{"a": 1}')
    assert TRANSPORT.send(ask(issuer), seconds=5.0).response.body == b'{"a": 1}'


def test_no_time_left_sends_nothing(issuer: Issuer) -> None:
    with pytest.raises(TransportError):
        TRANSPORT.send(ask(issuer), seconds=0.0)
    assert issuer.token_requests == []


def test_a_token_in_an_answers_header_is_not_logged_by_the_http_library(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:  # client 67
    caplog.set_level(logging.DEBUG)
    issuer.answer_with(headers={"X-Token": "header-token-value"}, body=b"{}")
    answer = TRANSPORT.send(ask(issuer), seconds=5.0)
    assert answer.response.header("x-token") == "header-token-value"
    assert "header-token-value" not in caplog.text
    assert "secretvalue" not in caplog.text


def test_an_error_carries_nothing_of_the_request(issuer: Issuer) -> None:  # client 66
    issuer.drop()
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(ask(issuer), seconds=5.0)
    error: BaseException | None = caught.value
    while error is not None:
        frames = error.__traceback__
        while frames is not None:
            assert "site-packages" not in frames.tb_frame.f_code.co_filename
            frames = frames.tb_next
        error = error.__context__


def test_https_to_a_server_that_speaks_none_is_unreachable(issuer: Issuer) -> None:
    with pytest.raises(TransportError) as caught:
        TRANSPORT.send(Request("POST", issuer.token_endpoint.replace("http:", "https:"), (), b"x"), seconds=5.0)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)


def test_a_proxy_of_the_environment_is_not_used_for_loopback(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    assert TRANSPORT.send(ask(issuer), seconds=5.0).response.status == 400


@pytest.mark.parametrize(
    "proxy", ["ftp://user:hunter22@127.0.0.1", "user:hunter22", "::::hunter22", "http://user:hunter22@127.0.0.1:1"]
)
def test_a_proxy_that_cannot_be_used_is_an_error_that_sent_and_shows_nothing(proxy: str) -> None:  # client 66
    transport = Transport(proxy=proxy, verify=ssl.create_default_context())
    with pytest.raises(TransportError) as caught:
        transport.send(Request("POST", "https://auth.example/token", (), b"x"), seconds=2.0)
    assert (caught.value.reason, caught.value.sent) == ("unreachable", False)
    LeakDetector(["hunter22"]).assert_clean(transport, caught.value)


def test_certificates_that_are_missing_sent_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no-such-file")
    monkeypatch.setattr("roomkey.http.transport._context", None)
    with pytest.raises(TransportError, match="certificates") as caught:
        TRANSPORT.send(Request("POST", "https://auth.example/token", (), b"x"), seconds=2.0)
    assert not caught.value.sent
