"""The machine's clocks."""

import time

import pytest

from roomkey.clock import SystemClock


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="this system has no clock that counts while it sleeps")
def test_the_time_that_a_laptop_sleeps_counts() -> None:  # client 22
    """No test can send a machine to sleep: this one sees that the clock is the one that goes on counting then."""
    assert SystemClock.monotonic.args == (time.CLOCK_BOOTTIME,)  # type: ignore[attr-defined]
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= SystemClock().monotonic() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_the_wall_clock_is_the_machines() -> None:
    before = time.time()
    assert before <= SystemClock().wall() <= time.time()
