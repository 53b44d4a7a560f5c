"""The token endpoint is down, slow or refuses."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate

import pytest
from tests.client.conftest import MakeManager
from tests.client.sources import client_credentials, settle

import roomkey
from roomkey.testing import FakeClock, Issuer


def paused(credential: roomkey.Credential) -> bool:
    return bool(credential.status().next_attempt_in)


def test_a_stale_token_is_served_through_an_outage_with_one_attempt_per_step(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 23
    first = timed.header()
    issuer.outage(503)
    clock.advance(250.0)
    for attempts in (2, 3, 4):
        assert {timed.header() for _ in range(50)} == {first}
        # A pause that lies ahead belongs to the attempt that was just made: the clock stands still.
        settle(timed, lambda attempts=attempts: len(issuer.token_requests) == attempts and paused(timed))  # type: ignore[misc]
        assert {timed.header() for _ in range(50)} == {first}
        assert len(issuer.token_requests) == attempts
        clock.advance(timed.status().next_attempt_in + 0.01)  # type: ignore[operator]


@pytest.mark.parametrize("trouble", ["outage", "unreachable", "drop"])
def test_a_token_valid_for_twenty_more_seconds_is_used_while_none_is_available(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, trouble: str
) -> None:  # client 23
    first = timed.header()
    clock.advance(280.0)
    {"outage": issuer.outage, "unreachable": issuer.unreachable, "drop": lambda: issuer.drop(times=50)}[trouble]()
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: timed.header(), range(200))) == {first}
    clock.advance(20.1)
    with pytest.raises(roomkey.TokenUnavailable):
        timed.header()


def test_a_token_valid_for_twenty_more_seconds_is_used_while_the_endpoint_says_nothing(
    issuer: Issuer, make_manager: MakeManager, source: roomkey.ClientCredentials, clock: FakeClock
) -> None:  # client 23
    """Each caller waits for one attempt at most."""
    limits = roomkey.Limits(fetch=0.3, lease=1.0)
    timed = make_manager(clock=clock, limits=limits).credential(source)
    first = timed.header()
    clock.advance(280.0)
    issuer.hang(times=50)
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: timed.header(), range(200))) == {first}
    assert len(issuer.token_requests) == 2


def test_a_new_process_uses_a_token_valid_for_twenty_more_seconds_too(issuer: Issuer) -> None:  # client 23
    store, source, clock = roomkey.MemoryStore(), client_credentials(issuer), FakeClock()
    with roomkey.TokenManager(store, clock=clock) as manager:
        first = manager.credential(source).header()
    clock.advance(280.0)
    issuer.outage(503)
    with roomkey.TokenManager(store, clock=clock) as manager:
        assert {manager.credential(source).header() for _ in range(20)} == {first}
    assert len(issuer.token_requests) == 2


def test_20_threads_without_a_token_and_an_endpoint_at_503_cause_one_hit(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 9, 24
    issuer.outage(503)
    gate = threading.Barrier(20)

    def call(_: int) -> roomkey.TokenUnavailable:
        gate.wait()
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            orders.header()
        return caught.value

    with ThreadPoolExecutor(20) as pool:
        errors = list(pool.map(call, range(20)))
    assert len(issuer.token_requests) == 1
    assert {error.reason for error in errors} == {"server_error"}
    assert len({id(error) for error in errors}) == 20
    waits = []
    for _ in range(5):
        started = time.monotonic()
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            orders.header()
        waits.append(time.monotonic() - started)
    assert min(waits) < 0.05
    assert 0.0 < caught.value.retry_after <= 1.0  # type: ignore[operator]
    assert len(issuer.token_requests) == 1


def test_the_first_success_ends_the_failure_for_all(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 25
    issuer.outage(503)
    for _ in range(3):
        with pytest.raises(roomkey.TokenUnavailable):
            timed.header()
        clock.advance(10.0)
    issuer.recover()
    header = timed.header()
    assert timed.status().last_error == ""
    assert {timed.header() for _ in range(20)} == {header}
    assert len(issuer.token_requests) == 4


def test_a_wall_clock_set_back_makes_no_pause_longer(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 21, 24
    issuer.outage(503)
    with pytest.raises(roomkey.TokenUnavailable):
        timed.header()
    issuer.recover()
    clock.step_wall(-1800.0)
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.header()
    assert caught.value.retry_after <= 1.0  # type: ignore[operator]
    clock.advance(1.0)
    assert timed.header()


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_honoured(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, status: int, form: str
) -> None:  # client 26
    issuer.outage(status, 30 if form == "seconds" else formatdate(clock.wall() + 30.0, usegmt=True))
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.header()
    assert caught.value.retry_after == pytest.approx(30.0, abs=1.5)
    issuer.recover()
    clock.advance(25.0)
    with pytest.raises(roomkey.TokenUnavailable):
        timed.header()
    assert len(issuer.token_requests) == 1
    clock.advance(6.5)
    assert timed.header()


def test_an_hour_is_the_longest_retry_after(issuer: Issuer, timed: roomkey.Credential) -> None:  # client 26
    issuer.outage(429, 10**9)
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.header()
    assert caught.value.retry_after == pytest.approx(3600.0, abs=1.0)


def test_a_rejected_client_is_not_hammered_until_its_secret_changes(
    issuer: Issuer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # client 27
    monkeypatch.setenv("ORDERS_SECRET", "wrong")
    source = client_credentials(issuer, client_secret=roomkey.Secret.from_env("ORDERS_SECRET"))
    with roomkey.TokenManager(roomkey.MemoryStore(), clock=clock) as manager:
        orders = manager.credential(source, name="orders")
        for _ in range(20):
            with pytest.raises(roomkey.TokenUnavailable) as caught:
                orders.header()
            clock.advance(5.9)
        assert caught.value.reason == "invalid_client"
        assert 0.0 < (caught.value.retry_after or 0.0) <= 60.0
        assert "ORDERS_SECRET" in str(caught.value)
        assert len(issuer.token_requests) == 2
        monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret or "")
        clock.advance(5.1)
        assert orders.header()


@pytest.mark.parametrize(("status", "error"), [(429, "access_denied"), (503, "invalid_client"), (500, "invalid_grant")])
def test_an_endpoint_in_trouble_says_nothing_for_good(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, status: int, error: str
) -> None:  # client 26, 27
    """Auth services and the gateways before them limit rates with any error code."""
    issuer.answer_with(status, {"retry-after": "2"}, {"error": error})
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.header()
    assert caught.value.retry_after == pytest.approx(2.0)
    clock.advance(2.1)
    assert timed.header()


@pytest.mark.parametrize("error", ["unauthorized_client", "invalid_scope", "unsupported_grant_type"])
def test_what_an_administrator_has_to_mend_is_asked_again_after_a_minute(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, error: str
) -> None:  # client 27
    issuer.answer_with(400, body={"error": error})
    for _ in range(11):
        with pytest.raises(roomkey.TokenUnavailable, match=r"Next attempt in [0-9]+ s") as caught:
            timed.header()
        assert caught.value.reason == error
        assert timed.status().next_attempt_in == pytest.approx(caught.value.retry_after)
        clock.advance(5.4)
    clock.advance(1.0)
    assert timed.header()
    assert len(issuer.token_requests) == 2


@pytest.mark.parametrize("error", ["invalid_client", "invalid_scope", "access_denied"])
def test_refresh_asks_whatever_is_remembered(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, error: str
) -> None:  # client 27
    issuer.answer_with(400, body={"error": error})
    for _ in range(3):
        with pytest.raises(roomkey.TokenUnavailable):
            timed.header()
        clock.advance(2.0)
    assert timed.refresh()
    assert len(issuer.token_requests) == 2


def test_processes_of_one_time_share_a_rejection(issuer: Issuer, clock: FakeClock) -> None:  # client 27
    store, source = roomkey.MemoryStore(), client_credentials(issuer, client_secret="wrong")
    managers = [roomkey.TokenManager(store, clock=clock) for _ in range(3)]
    for manager in managers:
        clock.advance(1.0)
        with manager, pytest.raises(roomkey.TokenUnavailable, match="invalid_client"):
            manager.credential(source).header()
    assert len(issuer.token_requests) == 1


def test_a_program_that_is_started_later_asks_once(issuer: Issuer, clock: FakeClock) -> None:  # client 27
    store, source = roomkey.MemoryStore(), client_credentials(issuer, client_secret="wrong")
    for started in range(1, 4):
        clock.advance(1.0)
        with roomkey.TokenManager(store, clock=clock) as manager:
            for _ in range(3):
                clock.advance(1.0)
                with pytest.raises(roomkey.TokenUnavailable, match="invalid_client"):
                    manager.credential(source).header()
        assert len(issuer.token_requests) == started


def test_a_program_that_is_started_later_waits_as_the_server_asked(issuer: Issuer, clock: FakeClock) -> None:
    store, source = roomkey.MemoryStore(), client_credentials(issuer)  # client 27
    issuer.answer_with(400, {"retry-after": "120"}, {"error": "invalid_client"})
    for _ in range(3):
        clock.advance(30.0)
        with roomkey.TokenManager(store, clock=clock) as manager, pytest.raises(roomkey.TokenUnavailable):
            manager.credential(source).header()
    assert len(issuer.token_requests) == 1


@pytest.mark.parametrize(
    ("status", "body"),
    [(401, {"message": "who are you"}), (401, {}), (403, {}), (400, {})],
)
def test_a_gateway_without_an_oauth_error_is_a_passing_failure(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, status: int, body: dict[str, str]
) -> None:  # client 27
    issuer.answer_with(status, body=body)
    with pytest.raises(roomkey.TokenUnavailable):
        timed.header()
    clock.advance(1.1)
    assert timed.header()


def test_discovery_finds_the_endpoint_once(issuer: Issuer) -> None:
    source = client_credentials(issuer, token_endpoint=None, issuer=issuer.url)
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        orders = manager.credential(source)
        assert orders.header() != orders.refresh().value
    assert [path for _, path in issuer.other_requests] == ["/.well-known/oauth-authorization-server"]


def test_an_issuer_that_claims_another_name_is_rejected(issuer: Issuer) -> None:
    issuer.claimed_issuer = "https://evil.example"
    source = client_credentials(issuer, token_endpoint=None, issuer=issuer.url)
    with (
        roomkey.TokenManager(roomkey.MemoryStore()) as manager,
        pytest.raises(roomkey.TokenUnavailable, match="issuer"),
    ):
        manager.credential(source).header()
    assert issuer.token_requests == []


def test_openid_metadata_serves_where_there_is_no_other(issuer: Issuer) -> None:
    issuer.metadata_paths = ("openid",)
    source = client_credentials(issuer, token_endpoint=None, issuer=issuer.url)
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        assert manager.credential(source).header()


def test_a_redirecting_token_endpoint_gets_no_second_request(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 56
    with Issuer() as other:
        issuer.redirect_to(other.token_endpoint, status=308)
        with pytest.raises(roomkey.TokenUnavailable):
            orders.header()
        assert other.token_requests == []


def test_a_plain_http_endpoint_is_rejected_except_on_loopback(issuer: Issuer) -> None:  # client 56
    with pytest.raises(roomkey.ConfigurationError, match="https"):
        client_credentials(issuer, token_endpoint="http://auth.example/token")


ODD_ANSWERS = {
    "error with status 200": (200, {"error": "server_error"}),
    "4xx without error": (400, {"problem": "yes"}),
    "a gateway's page": (502, "<html>Bad gateway secret-body</html>"),
    "empty": (200, b""),
    "no content": (204, b""),
    "two megabytes": (200, b"{" + b" " * 2_000_000 + b"}"),
    "not JSON": (200, b"\xff\xfe"),
    "no token": (200, {"expires_in": 3600}),
    "an empty token": (200, {"access_token": ""}),
    "a number": (200, {"access_token": 17}),
    "a line end": (200, {"access_token": "abc\r\nX-Evil: 1"}),
    "a space": (200, {"access_token": "abc def"}),
}


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_is_an_error_without_its_body(
    issuer: Issuer, orders: roomkey.Credential, name: str
) -> None:  # client 49, 50
    status, body = ODD_ANSWERS[name]
    issuer.answer_with(status, body=body)
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        orders.header()
    assert "secret-body" not in str(caught.value)
    assert "X-Evil" not in str(caught.value)
    assert orders.status().state is roomkey.TokenState.ABSENT


@pytest.mark.parametrize("name", ODD_ANSWERS)
def test_an_odd_answer_leaves_the_token_that_is_held(
    issuer: Issuer, orders: roomkey.Credential, name: str
) -> None:  # client 49
    held = orders.header()
    status, body = ODD_ANSWERS[name]
    issuer.answer_with(status, body=body)
    with pytest.raises(roomkey.TokenUnavailable):
        orders.refresh()
    assert orders.header() == held


@pytest.mark.parametrize("status", [404, 410])
def test_metadata_are_read_again_when_the_endpoint_is_gone(issuer: Issuer, clock: FakeClock, status: int) -> None:
    source = client_credentials(issuer, token_endpoint=None, issuer=issuer.url)
    with roomkey.TokenManager(roomkey.MemoryStore(), clock=clock) as manager:
        orders = manager.credential(source)
        orders.header()
        issuer.answer_with(status)
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            orders.refresh()
        assert f"the token endpoint {issuer.token_endpoint} answered {status}" in str(caught.value)
        clock.advance(1.1)
        orders.refresh()
    assert [path for _, path in issuer.other_requests] == ["/.well-known/oauth-authorization-server"] * 2


def test_the_servers_own_words_follow_ours_without_a_secret(
    issuer: Issuer, timed: roomkey.Credential
) -> None:  # client 60
    token = "x" * 80
    words = f"no \x1b[31m {token} \u00fc" + "y " * 300
    issuer.answer_with(400, body={"error": "invalid_scope", "error_description": words})
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.header()
    assert 'The server says: "no ' in str(caught.value)
    assert str(caught.value).isascii()
    assert str(caught.value).isprintable()
    assert token not in str(caught.value)
    assert len(str(caught.value)) < 600
    issuer.answer_with(400, body={"error": "invalid_scope", "error_description": f"bad {issuer.client.client_secret}"})
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        timed.refresh()
    assert "The server says" not in str(caught.value)
