from roomkey.cli.time_words import date, duration, relative


def test_a_duration_has_its_two_largest_units():
    assert [duration(seconds) for seconds in (0, 0.25, 9.9, 9.96, 59.6, 60, 252, 3600, 3720, 90_000, 86_400 * 400)] == [
        "0 s", "0.2 s", "9.9 s", "10 s", "1 min", "1 min", "4 min 12 s", "1 h", "1 h 2 min", "1 d 1 h", "400 d",
    ]  # fmt: skip


def test_a_negative_duration_has_a_sign():
    assert duration(-61) == "-1 min 1 s"


def test_a_date_is_utc_and_a_number_that_no_calendar_has_stays_a_number():
    assert date(1_700_000_000) == "2023-11-14 22:13:20 UTC"
    assert date(1e300) == "1e+300"
    assert date(float("nan")) == "nan"


def test_relative_tells_past_from_future():
    assert relative(100.0, 40.0) == "in 1 min"
    assert relative(40.0, 100.0) == "1 min ago"
