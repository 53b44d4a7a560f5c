"""An API refuses a token."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.client.sources import client_credentials, password

import roomkey
from roomkey.testing import FakeClock, Issuer

API = "https://orders.example"
OTHER = "https://invoices.example"


def test_only_the_token_that_was_rejected_is_dropped(issuer: Issuer, orders: roomkey.Credential) -> None:  # client 38
    first = orders.header()
    assert orders.reject(first, origin=API) is roomkey.RejectOutcome.RENEW
    second = orders.header()
    assert second != first
    for late in range(20):
        assert orders.reject(first, origin=f"https://late-{late}.example") is roomkey.RejectOutcome.SUPERSEDED
    assert orders.header() == second
    assert len(issuer.token_requests) == 2


def test_20_refusals_of_one_token_cause_one_refresh(issuer: Issuer, orders: roomkey.Credential) -> None:  # client 39
    first = orders.header()
    issuer.delay = 0.1
    gate = threading.Barrier(20)

    def call(_: int) -> str:
        gate.wait()
        assert orders.reject(first, origin=API) in {roomkey.RejectOutcome.RENEW, roomkey.RejectOutcome.SUPERSEDED}
        return orders.header()

    with ThreadPoolExecutor(20) as pool:
        headers = set(pool.map(call, range(20)))
    assert len(headers) == 1
    assert first not in headers
    assert len(issuer.token_requests) == 2


def test_an_api_that_rejects_everything_causes_one_refresh_in_thirty_seconds(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 40
    assert timed.reject(timed.header(), origin=API) is roomkey.RejectOutcome.RENEW
    second = timed.header()
    for _ in range(29):
        assert timed.reject(timed.header(), origin=API) is roomkey.RejectOutcome.CIRCUIT_OPEN
        assert timed.header() == second
        clock.advance(1.0)
    assert len(issuer.token_requests) == 2
    clock.advance(2.0)
    assert timed.reject(timed.header(), origin=API) is roomkey.RejectOutcome.RENEW
    assert timed.header() != second


def test_an_api_that_rejects_everything_does_not_stop_the_others(
    issuer: Issuer, timed: roomkey.Credential
) -> None:  # client 40
    timed.reject(timed.header(), origin=API)
    assert timed.reject(timed.header(), origin=API) is roomkey.RejectOutcome.CIRCUIT_OPEN
    second = timed.header()
    assert timed.reject(second, origin=OTHER) is roomkey.RejectOutcome.RENEW
    assert timed.header() != second
    assert timed.reject(timed.header(), origin=API) is roomkey.RejectOutcome.CIRCUIT_OPEN
    assert len(issuer.token_requests) == 3


def test_a_hundred_processes_share_the_circuit(issuer: Issuer, clock: FakeClock) -> None:  # client 40
    store, source = roomkey.MemoryStore(), client_credentials(issuer)
    managers = [roomkey.TokenManager(store, clock=clock) for _ in range(10)]
    credentials = [manager.credential(source) for manager in managers]
    for credential in credentials:
        credential.header()
    for _ in range(3):
        for credential in credentials:
            credential.reject(credential.header(), origin=API)
            credential.header()
    assert len(issuer.token_requests) == 2
    for manager in managers:
        manager.close()


def test_another_process_has_renewed_it_already(issuer: Issuer, clock: FakeClock) -> None:  # client 38
    store, source = roomkey.MemoryStore(), client_credentials(issuer)
    with roomkey.TokenManager(store, clock=clock) as one, roomkey.TokenManager(store, clock=clock) as two:
        here, there = one.credential(source), two.credential(source)
        old = here.header()
        assert there.header() == old
        here.reject(old, origin=API)
        new = here.header()
        assert there.reject(old, origin=API) is roomkey.RejectOutcome.RENEW
        assert there.header() == new
    assert len(issuer.token_requests) == 2


def test_a_rejected_token_is_never_served_again_even_while_no_other_is_available(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 24
    first = orders.header()
    issuer.outage(503)
    orders.reject(first, origin=API)
    for _ in range(3):
        with pytest.raises(roomkey.TokenUnavailable):
            orders.header()


def test_a_refusal_while_a_refresh_is_under_way_is_not_undone_by_it(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:
    first = timed.header()
    issuer.delay = 0.1
    clock.advance(250.0)
    assert timed.header() == first  # starts a refresh in the background
    timed.reject(first, origin=API)
    assert timed.header() != first
    assert len(issuer.token_requests) == 2


def test_rejecting_an_access_token_keeps_the_refresh_token(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 36
    issuer.refresh_tokens = True
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        user = manager.credential(password(issuer))
        user.reject(user.header(), origin=API)
        user.header()
    assert [request.grant_type for request in issuer.token_requests] == ["password", "refresh_token"]


def test_a_token_object_and_a_header_value_are_rejected_alike(orders: roomkey.Credential) -> None:
    token = orders.token()
    assert orders.reject(token.value + "x") is roomkey.RejectOutcome.SUPERSEDED
    assert orders.reject(token) is roomkey.RejectOutcome.RENEW
    assert orders.reject(orders.header(), origin=OTHER) is roomkey.RejectOutcome.RENEW
