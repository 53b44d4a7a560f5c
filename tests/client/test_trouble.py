"""What nobody foresaw, inside roomkey and around it: no waiter hangs, no secret is shown, the next call works."""

import asyncio
import contextlib
import logging
import sys
import threading
import time
from dataclasses import dataclass

import pytest
from tests.client.conftest import MakeManager
from tests.client.sources import client_credentials

import roomkey
from roomkey.http.messages import Response
from roomkey.oauth.token_response import TokenResponse
from roomkey.testing import Issuer


@dataclass(frozen=True, slots=True, kw_only=True)
class Mistaken(roomkey.ClientCredentials):
    """A source of somebody's own, with a mistake in it."""

    def read_response(self, response: Response, *, wall: float) -> TokenResponse:
        token = response.body.decode()
        raise LookupError(token)


def test_an_unforeseen_error_is_reported_by_its_place_and_never_with_frames_or_words_that_hold_secrets(
    issuer: Issuer, make_manager: MakeManager, caplog: pytest.LogCaptureFixture
) -> None:  # client 66, 67
    source = Mistaken(
        token_endpoint=issuer.token_endpoint, client_id="reports", client_secret=issuer.client.client_secret
    )
    with pytest.raises(roomkey.TokenUnavailable, match="LookupError") as caught:
        make_manager().credential(source).header()
    (record,) = (record for record in caplog.records if record.levelno >= logging.ERROR)
    assert "LookupError at" in record.getMessage()
    assert "test_trouble.py:" in record.getMessage()
    assert record.exc_info is None
    for secret in issuer.secret_values:
        assert secret not in caplog.text + str(caught.value)


def test_a_secret_that_ends_its_thread_hangs_nobody(issuer: Issuer, make_manager: MakeManager) -> None:
    source = client_credentials(issuer, client_secret=roomkey.Secret.from_callable(sys.exit))
    orders = make_manager(limits=roomkey.Limits(wait=5.0)).credential(source)
    with pytest.raises(roomkey.TokenUnavailable, match="SystemExit") as caught:
        orders.header()
    assert caught.value.retry_after == pytest.approx(1.0, abs=0.5)


def test_the_name_of_a_tenant_begins_no_line_of_the_log(issuer: Issuer, make_manager: MakeManager) -> None:
    issuer.outage(503)
    orders = make_manager().credential(client_credentials(issuer), "acme\nCRITICAL root \x1b[31m\u202e")
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        orders.header()
    assert str(caught.value).isprintable()
    assert 'context "acme\\u000aCRITICAL' in str(caught.value)


def test_a_log_that_fails_hangs_nobody(issuer: Issuer, make_manager: MakeManager) -> None:
    def fail(record: logging.LogRecord) -> bool:
        raise LookupError(record.name)

    orders = make_manager(limits=roomkey.Limits(wait=5.0)).credential(client_credentials(issuer))
    issuer.answer_with(body={"access_token": "opaque"})  # which is odd, and told in the log
    logger = logging.getLogger("roomkey")
    logger.addFilter(fail)
    try:
        with pytest.raises(roomkey.TokenUnavailable, match="LookupError"):
            orders.header()
    finally:
        logger.removeFilter(fail)


def test_a_log_that_needs_the_token_that_is_being_fetched_does_not_wait_for_itself(
    issuer: Issuer, make_manager: MakeManager
) -> None:
    """Such as a handler that ships records to an API behind the same credential."""
    orders = make_manager(limits=roomkey.Limits(wait=20.0)).credential(client_credentials(issuer))
    reasons: list[str] = []

    class Shipping(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            with pytest.raises(roomkey.TokenUnavailable) as caught:
                orders.header()
            reasons.append(caught.value.reason)

    issuer.answer_with(body={"access_token": "opaque"})  # which is odd, and told in the log
    logger, handler = logging.getLogger("roomkey"), Shipping(logging.WARNING)
    logger.addHandler(handler)
    started = time.monotonic()
    try:
        assert orders.header() == "Bearer opaque"
    finally:
        logger.removeHandler(handler)
    assert reasons == ["timeout"]
    assert time.monotonic() - started < 15.0  # and not the 20 seconds of wait


def test_a_caller_with_little_time_lends_no_thread(issuer: Issuer, make_manager: MakeManager) -> None:  # client 11
    issuer.hang(times=32)
    manager, source = make_manager(), client_credentials(issuer)

    def wait(context: str) -> None:
        with contextlib.suppress(roomkey.TokenUnavailable):  # its connection is cut at the end
            manager.credential(source, context).header()

    busy = [threading.Thread(target=wait, args=(f"busy {number}",)) for number in range(32)]
    for thread in busy:
        thread.start()
    late = manager.credential(source, "late")
    end = time.monotonic() + 10.0
    while len(issuer.token_requests) < 32:
        assert time.monotonic() < end
        time.sleep(0.005)
    issuer.delay = 10.0
    started = time.monotonic()
    with pytest.raises(roomkey.TokenUnavailable):
        late.token(timeout=0.1)
    assert time.monotonic() - started < 5.0
    issuer.delay = 0.0
    issuer.recover()
    for thread in busy:
        thread.join(10.0)


def test_tasks_that_found_no_thread_get_one_at_the_next_call(
    issuer: Issuer, make_manager: MakeManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    orders = make_manager(limits=roomkey.Limits(wait=0.1)).credential(client_credentials(issuer))
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", none_left)
        with pytest.raises(roomkey.TokenUnavailable):
            asyncio.run(orders.header_async())
    make_manager().credential(client_credentials(issuer)).header()  # so that what is loaded once is loaded
    issuer.token_requests.clear()
    assert asyncio.run(orders.header_async())
    assert len(issuer.token_requests) == 1
