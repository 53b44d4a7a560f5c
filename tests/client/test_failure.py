"""When a token endpoint is asked again."""

import pytest

from roomkey.client.failure import Failure, step


def pause(count: int = 1, **values: float | bool | None) -> float:
    given = {"retry_after": None, "permanent": False, "usable_for": 0.0, "jitter": 0.0} | values
    return step(count=count, **given)


def test_the_steps_double_from_a_second_to_a_minute() -> None:
    assert [pause(count) for count in (1, 2, 3, 6, 7, 100)] == [1, 2, 4, 32, 60, 60]


def test_the_steps_are_spread() -> None:
    assert pause(3, jitter=0.5) == pytest.approx(3.6)


@pytest.mark.parametrize(("asked", "given"), [(7.0, 7.0), (0.0, 1.0), (1e9, 3600.0)])
def test_retry_after_is_honoured_and_capped(asked: float, given: float) -> None:  # client 26
    assert pause(retry_after=asked) == given


def test_probes_come_closer_together_towards_the_end_of_a_token() -> None:
    assert [pause(10, usable_for=seconds) for seconds in (400.0, 40.0, 2.0, 0.1)] == [60.0, 10.0, 0.5, 0.25]


@pytest.mark.parametrize("count", [1, 2, 50])
def test_a_rejection_is_remembered_for_a_minute_however_often_it_came(count: int) -> None:  # client 27
    assert pause(count=count, permanent=True) == 60.0
    assert pause(count=count, permanent=True, jitter=1.0) <= 60.0


def test_a_rejection_with_retry_after_waits_as_long_as_the_server_says() -> None:  # client 27
    assert pause(permanent=True, retry_after=120.0) == 120.0
    rejected = Failure("invalid_client", "…", permanent=True)
    failed = rejected.after(None, wall=0.0, retry_after=120.0, usable_for=0.0, jitter=0.0)
    assert (failed.until, failed.permanent) == (120.0, False), "a restarted program must wait for it too"


def test_failures_are_counted_on_and_end_by_the_wall_clock() -> None:
    first = Failure("unreachable", "…").after(None, wall=100.0, retry_after=None, usable_for=0.0, jitter=0.0)
    second = Failure("unreachable", "…").after(first, wall=101.0, retry_after=None, usable_for=0.0, jitter=0.0)
    assert (first.count, first.until, second.count, second.until) == (1, 101.0, 2, 103.0)
    assert second.left(102.5) == 0.5
    assert second.left(103.0) == 0.0


def test_a_failure_from_a_clock_two_hours_ahead_stops_nobody() -> None:  # client 21
    assert Failure("unreachable", "…").pausing(60.0, wall=7200.0).left(100.0) == 0.0
