import threading

import pytest

from roomkey.testing.clock import FakeClock


def test_it_stands_still_until_it_is_moved():
    clock = FakeClock()
    assert (clock.monotonic(), clock.wall()) == (1000.0, 1_700_000_000.0)
    assert (clock.monotonic(), clock.wall()) == (1000.0, 1_700_000_000.0)


def test_advance_moves_both_clocks():
    clock = FakeClock(monotonic=5.0, wall=50.0)
    clock.advance(2.5)
    assert (clock.monotonic(), clock.wall()) == (7.5, 52.5)


def test_step_wall_leaves_the_monotonic_clock_alone():
    clock = FakeClock(monotonic=5.0, wall=50.0)
    clock.step_wall(-7200.0)
    assert (clock.monotonic(), clock.wall()) == (5.0, -7150.0)


def test_time_cannot_be_advanced_backwards():
    clock = FakeClock()
    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(-1.0)
    assert clock.monotonic() == 1000.0


def test_steps_of_many_threads_all_count():
    clock = FakeClock(monotonic=0.0, wall=0.0)

    def step() -> None:
        for _ in range(2000):
            clock.advance(1.0)

    threads = [threading.Thread(target=step) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (clock.monotonic(), clock.wall()) == (16_000.0, 16_000.0)
