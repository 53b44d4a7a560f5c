"""How long to leave alone what has failed."""

from roomkey.concurrency.backoff import backoff, jitter_of


def test_the_steps_double_from_a_second_to_a_minute_whatever_the_count() -> None:
    assert [backoff(count, 0.0) for count in (1, 2, 3, 6, 7, 100, 10**6)] == [1, 2, 4, 32, 60, 60, 60]


def test_jitter_makes_them_up_to_a_fifth_shorter() -> None:
    assert backoff(3, 1.0) == 3.2
    assert 0.0 <= jitter_of("a process", "a key set") < 1.0
    assert len({round(jitter_of(str(number)), 2) for number in range(1_000)}) > 90
