"""Dates and durations in the words of the pages."""

import pytest

from roomkey.authorization_server.backoffice import time_words

NOW = 1_700_000_000
DAY = 86_400


@pytest.mark.parametrize(
    ("away", "words"),
    [
        (0, "just now"),
        (-4, "just now"),
        (-5, "5 seconds ago"),
        (60, "in 1 minute"),
        (-3600, "1 hour ago"),
        (30 * DAY - 1, "in 30 days"),
        (59 * DAY, "in 59 days"),
        (60 * DAY, "in 2 months"),
        (-400 * DAY, "13 months ago"),
        (730 * DAY, "in 2 years"),
    ],
)
def test_how_far_a_time_is(away: int, words: str):
    assert time_words.relative(NOW + away, NOW) == words


@pytest.mark.parametrize(
    ("seconds", "words", "option"),
    [
        (30, "30 seconds", "30s"),
        (300, "5 minutes", "5m"),
        (5400, "90 minutes", "90m"),
        (3600, "1 hour", "1h"),
        (90 * DAY, "90 days", "90d"),
        (365 * DAY, "1 year", "365d"),
        (3601, "3601 seconds", "3601s"),
    ],
)
def test_how_long_something_is(seconds: int, words: str, option: str):
    assert time_words.duration(seconds) == words
    assert time_words.option(seconds) == option


def test_a_time_that_no_calendar_has_is_a_number():
    assert time_words.absolute(10**15) == str(10**15)
    assert time_words.machine(10**15) == ""
    assert time_words.absolute(NOW) == "2023-11-14 22:13:20 UTC"
    assert time_words.machine(NOW) == "2023-11-14T22:13:20Z"
