"""Fresh, stale, expired: when the token endpoint is asked again, and what is made of its answer."""

import base64
import contextlib
import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.client.conftest import MakeManager
from tests.client.sources import client_credentials, settle

import roomkey
from roomkey.testing import FakeClock, Issuer


def test_a_fresh_token_is_reused(issuer: Issuer, timed: roomkey.Credential, clock: FakeClock) -> None:
    first = timed.header()
    clock.advance(200.0)
    assert timed.header() == first
    assert len(issuer.token_requests) == 1


def test_a_stale_token_is_served_while_the_next_one_is_fetched(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:
    first = timed.header()
    issuer.delay = 0.1
    clock.advance(250.0)
    assert [timed.header() for _ in range(100)] == [first] * 100
    settle(timed, lambda: timed.header() != first)
    assert len(issuer.token_requests) == 2


def test_an_expired_token_is_never_served(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 22
    first = timed.header()
    clock.advance(301.0)
    assert timed.header() != first
    assert timed.status().state is roomkey.TokenState.FRESH


def test_a_token_of_thirty_seconds_is_reused_for_twenty(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 17
    issuer.lifetime = 30
    timed.header()
    clock.advance(20.5)
    timed.header()
    assert len(issuer.token_requests) == 1


@pytest.mark.parametrize("step", [7200.0, -7200.0, 3600.0, -3600.0])
def test_a_step_of_the_wall_clock_changes_nothing_in_a_process(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock, step: float
) -> None:  # client 21
    first = timed.header()
    clock.step_wall(step)
    clock.advance(200.0)
    assert timed.header() == first
    assert len(issuer.token_requests) == 1
    clock.advance(101.0)
    assert timed.header() != first


def test_a_wall_clock_set_back_makes_no_token_young_again(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 21
    """A step that is smaller than the token's age: the store's record looks younger than it is."""
    first = timed.header()
    clock.advance(250.0)
    clock.step_wall(-200.0)
    timed.header()
    settle(timed, lambda: timed.header() != first)
    assert len(issuer.token_requests) == 2


@pytest.mark.parametrize("wrong", [3600.0, -3600.0])
def test_a_machine_whose_clock_is_wrong_shares_its_tokens_with_one_whose_clock_is_right(
    issuer: Issuer, wrong: float
) -> None:  # client 21
    store = roomkey.MemoryStore()
    source = client_credentials(issuer)
    issuer.date_offset = -wrong  # as that machine sees it
    off = FakeClock()
    with roomkey.TokenManager(store, clock=off) as first:
        token = first.credential(source).header()
        right = FakeClock(wall=off.wall() - wrong)
        issuer.date_offset = 0.0
        with roomkey.TokenManager(store, clock=right) as second:
            shared = second.credential(source)
            if wrong > 0:
                assert shared.header() != ""  # a token from the future is not believed, see below
            shared.refresh()
            assert shared.header() != token
            assert 299.0 <= shared.status().expires_in <= 301.0  # type: ignore[operator]


def test_a_restart_with_the_same_wrong_clock_finds_the_token_and_its_true_age(issuer: Issuer) -> None:  # client 21
    store, source = roomkey.MemoryStore(), client_credentials(issuer)
    issuer.date_offset = -3600.0
    before = FakeClock()
    with roomkey.TokenManager(store, clock=before) as manager:
        token = manager.credential(source).header()
    after = FakeClock(monotonic=5.0, wall=before.wall() + 100.0)
    with roomkey.TokenManager(store, clock=after) as manager:
        credential = manager.credential(source)
        assert credential.header() == token
        assert 198.0 <= credential.status().expires_in <= 201.0  # type: ignore[operator]


def test_a_token_that_seems_to_come_from_the_future_is_fetched_anew(issuer: Issuer) -> None:  # client 21
    store, source = roomkey.MemoryStore(), client_credentials(issuer)
    with roomkey.TokenManager(store, clock=FakeClock()) as manager:
        token = manager.credential(source).header()
    with roomkey.TokenManager(store, clock=FakeClock(wall=1_700_000_000.0 - 7200.0)) as manager:
        assert manager.credential(source).header() != token


def test_a_token_that_has_already_expired_is_an_error_and_not_a_loop(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 28
    issuer.lifetime = -5
    for _ in range(5):
        with pytest.raises(roomkey.TokenUnavailable) as caught:
            orders.header()
    assert caught.value.reason == "expired_on_arrival"
    assert len(issuer.token_requests) == 1


def test_the_same_token_again_lives_as_long_as_the_newest_response_says(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 30
    first = timed.header()
    issuer.same_token = True
    clock.advance(250.0)
    issuer.shape = lambda members: members | {"access_token": first.removeprefix("Bearer "), "expires_in": 300}
    timed.refresh()
    for _ in range(50):
        timed.header()
    assert len(issuer.token_requests) == 2
    assert timed.status().expires_in == pytest.approx(300.0, abs=1.0)
    clock.advance(100.0)
    assert timed.header() == first


def test_the_same_token_again_without_a_lifetime_is_used_on(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 30
    issuer.shape = lambda _: {"access_token": "for-ever", "token_type": "Bearer"}
    for _ in range(20):
        assert timed.header() == "Bearer for-ever"
        clock.advance(290.0)


def test_the_same_jwt_again_is_not_revived_by_its_own_times(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 30
    now = clock.wall()
    jwt = f"{_part(alg='ES256')}.{_part(iat=now, exp=now + 600)}.c2ln"
    issuer.shape = lambda _: {"access_token": jwt, "token_type": "Bearer"}
    assert timed.header() == f"Bearer {jwt}"
    clock.advance(595.0)
    with contextlib.suppress(roomkey.TokenUnavailable):
        timed.refresh()
    assert (timed.status().expires_in or 0.0) < 10.0


def _part(**members: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


def test_the_same_token_again_with_less_time_left_ends_when_the_server_says(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 30
    first = timed.token()
    issuer.shape = lambda members: members | {"access_token": first.value, "expires_in": 20}
    clock.advance(100.0)
    assert timed.refresh().value == first.value
    assert timed.status().expires_in == pytest.approx(20.0, abs=1.0)


def test_workers_that_began_together_grow_stale_one_after_another(
    make_manager: MakeManager, source: roomkey.ClientCredentials, clock: FakeClock
) -> None:  # client 29
    workers = [make_manager(clock=clock).credential(source) for _ in range(30)]
    for worker in workers:
        worker.header()
    clock.advance(228.0)
    states = [worker.status().state for worker in workers]
    assert set(states) == {roomkey.TokenState.FRESH, roomkey.TokenState.STALE}
    clock.advance(12.1)
    assert {worker.status().state for worker in workers} == {roomkey.TokenState.STALE}


def test_an_idle_credential_asks_for_nothing(
    issuer: Issuer, timed: roomkey.Credential, clock: FakeClock
) -> None:  # client 31
    timed.header()
    for _ in range(20):
        clock.advance(300.0)
    assert len(issuer.token_requests) == 1


def test_a_refresh_on_demand_is_shared_by_those_who_demand_it_together(
    issuer: Issuer, orders: roomkey.Credential
) -> None:

    first = orders.token()
    issuer.delay = 0.1
    with ThreadPoolExecutor(10) as pool:
        tokens = {token.value for token in pool.map(lambda _: orders.refresh(), range(10))}
    assert len(tokens) == 1
    assert first.value not in tokens
    assert len(issuer.token_requests) == 2


def test_a_lifetime_that_had_to_be_guessed_is_told(issuer: Issuer, orders: roomkey.Credential) -> None:  # client 19
    issuer.opaque = True
    issuer.shape = lambda members: {name: value for name, value in members.items() if name != "expires_in"}
    orders.header()
    assert orders.status().lifetime_from == "default"
    assert orders.status().expires_in == pytest.approx(300.0, abs=2.0)


def test_a_jwt_without_expires_in_lives_for_exp_minus_iat(issuer: Issuer) -> None:  # client 19
    issuer.lifetime = 120
    issuer.shape = lambda members: {name: value for name, value in members.items() if name != "expires_in"}
    hours_off = FakeClock(wall=1.0)
    with roomkey.TokenManager(roomkey.MemoryStore(), clock=hours_off) as manager:
        orders = manager.credential(client_credentials(issuer))
        orders.header()
        assert orders.status().lifetime_from == "jwt"
        assert orders.status().expires_in == pytest.approx(120.0, abs=2.0)
