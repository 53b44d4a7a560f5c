"""The windows of a token's life."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.client.lifetime import Lifetime, RefreshWindow, TokenState
from roomkey.concurrency.backoff import jitter_of

WINDOW = RefreshWindow()


def life(duration: float, jitter: float = 0.0) -> Lifetime:
    return Lifetime.of(received=1000.0, duration=duration, window=WINDOW, jitter=jitter)


def test_a_five_minute_token_is_fresh_for_four_minutes_and_relied_on_until_half_a_minute_before_its_end() -> None:
    token = life(300.0)
    assert [token.state(1000.0 + age) for age in (0, 239.9, 240, 269.9, 270, 299.9, 300)] == [
        TokenState.FRESH,
        TokenState.FRESH,
        TokenState.STALE,
        TokenState.STALE,
        TokenState.EXPIRING,
        TokenState.EXPIRING,
        TokenState.EXPIRED,
    ]


def test_an_hour_keeps_one_minute_of_skew() -> None:
    assert life(3600.0).hard == 1000.0 + 3540.0


def test_a_token_of_thirty_seconds_is_reused_for_more_than_twenty() -> None:  # client 17
    assert min(life(30.0, jitter).soft for jitter in (0.0, 0.5, 0.999)) > 1020.0
    assert life(30.0).hard == 1027.0


def test_a_short_token_leaves_time_for_an_outage() -> None:
    assert life(5.0).soft == 1001.25


@given(st.floats(0.001, 1e7), st.floats(0.0, 0.999))
def test_the_deadlines_stand_in_order_and_before_the_end(duration: float, jitter: float) -> None:  # client 29
    token = life(duration, jitter)
    assert token.received <= token.soft <= token.hard <= token.end


def test_a_thousand_workers_spread_their_refreshes() -> None:  # client 29
    softs = sorted(life(300.0, jitter_of(f"worker-{number}", "orders")).soft for number in range(1000))
    assert softs[-1] - softs[0] > 20.0
    assert softs[-1] <= 1240.0
    busiest = max(sum(1 for soft in softs if start <= soft < start + 1.0) for start in softs)
    assert busiest < 90  # of 1000 over 24 seconds


def test_jitter_is_the_same_for_the_same_worker_and_key() -> None:  # client 29
    assert jitter_of("worker-1", "orders") == jitter_of("worker-1", "orders")
    assert jitter_of("worker-1", "orders") != jitter_of("worker-1", "invoices")


@pytest.mark.parametrize(
    "wrong", [{"soft_fraction": 1.0}, {"skew": -1.0}, {"skew": float("nan")}, {"jitter_fraction": 2}]
)
def test_a_window_that_makes_no_sense_is_rejected(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="RefreshWindow"):
        RefreshWindow(**wrong)
