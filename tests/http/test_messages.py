"""What the headers of an answer say of time."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roomkey.http.messages import Response, age, http_date, lifetime, retry_after, server_date


def answer(*headers: tuple[str, str]) -> Response:
    return Response(200, headers)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((), None),
        ((("Cache-Control", "public"),), None),
        ((("Cache-Control", "public, max-age=600"),), 600.0),
        ((("cache-control", 'MAX-AGE="600"'),), 600.0),
        ((("cache-control", "public"), ("cache-control", "max-age=600")), 600.0),
        ((("cache-control", "max-age=600"), ("age", "100")), 500.0),
        ((("cache-control", "max-age=600"), ("age", "700")), 0.0),
        ((("cache-control", "max-age=600, no-store"),), 0.0),
        ((("cache-control", "no-cache"),), 0.0),
        ((("cache-control", "max-age=-1"),), None),
        ((("cache-control", "s-maxage=600"),), None),
        ((("cache-control", "max-age=١٢"),), None),
    ],
)
def test_a_lifetime_is_max_age_less_the_time_in_caches(
    headers: tuple[tuple[str, str], ...], seconds: float | None
) -> None:
    assert lifetime(answer(*headers)) == seconds


def test_an_answer_from_its_origin_has_no_age() -> None:
    assert age(answer()) == 0.0
    assert age(answer(("Age", "12"))) == 12.0
    assert age(answer(("Age", "old"))) == 0.0


def test_a_date_is_counted_from_the_servers_own_clock() -> None:
    date = ("Date", "Tue, 14 Nov 2023 22:13:20 GMT")
    assert server_date(answer(date)) == http_date(date[1]) == 1_700_000_000.0
    assert retry_after(answer(date, ("Retry-After", "Tue, 14 Nov 2023 22:14:20 GMT")), wall=0.0) == 60.0
    assert retry_after(answer(("Retry-After", "Tue, 14 Nov 2023 22:14:20 GMT")), wall=1_700_000_050.0) == 10.0
    assert retry_after(answer(("Retry-After", "9" * 400)), wall=0.0) == 3_600.0
    assert retry_after(answer(("Retry-After", "soon")), wall=0.0) is None


@pytest.mark.parametrize("zone", ["Asia/Tokyo", "America/New_York", "UTC"])
@pytest.mark.parametrize(
    "date", ["Tue Nov 14 22:13:20 2023", "Tue, 14 Nov 2023 22:13:20", "Tue, 14 Nov 2023 22:13:20 -0000"]
)
def test_a_date_without_a_zone_is_utc_wherever_this_machine_stands(
    monkeypatch: pytest.MonkeyPatch, zone: str, date: str
) -> None:
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert http_date(date) == 1_700_000_000.0
    finally:
        monkeypatch.undo()
        time.tzset()


@given(st.text(max_size=30))
def test_no_header_causes_an_error(value: str) -> None:
    response = answer(("Cache-Control", value), ("Age", value), ("Date", value), ("Retry-After", value))
    assert (lifetime(response) or 0.0) >= 0.0
    assert age(response) >= 0.0
    assert 0.0 <= (retry_after(response, wall=0.0) or 0.0) <= 3_600.0
    server_date(response)
