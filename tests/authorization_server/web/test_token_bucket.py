"""Buckets: a burst at once, a rate in the long run, and a bounded number of callers."""

import time

import pytest

from roomkey.authorization_server.web import token_bucket
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.token_bucket import Buckets, Rate


def test_after_a_burst_there_is_as_much_as_time_has_brought():
    buckets = Buckets(Rate(burst=3, per_second=0.5))
    assert [buckets.take("a", 0.0) for _ in range(4)] == [None, None, None, 2]
    assert buckets.take("b", 0.0) is None
    assert buckets.take("a", 1.9) == 1
    assert buckets.take("a", 2.0) is None
    assert [buckets.take("a", 1000.0) for _ in range(4)][:3] == [None] * 3


def test_callers_without_number_take_neither_memory_nor_time(monkeypatch):
    """A flood of addresses puts out those that were quiet for longest, not the one that is being slowed down."""
    monkeypatch.setattr(token_bucket, "_MOST", 1000)
    buckets = Buckets(Rate(burst=2, per_second=0.001))
    begun = time.perf_counter()
    for number in range(20_000):
        buckets.take(str(number), float(number) / 1e6)
        if number % 500 == 0:
            buckets.take("guesser", float(number) / 1e6)
    assert time.perf_counter() - begun < 5.0
    assert len(buckets._levels) <= 1000


def test_a_crowd_of_one_caller_stands_in_nobody_elses_way():  # auth service 59
    crowd = ConcurrencyLimit(most=2)
    with crowd.place("a"), crowd.place("a"):
        with pytest.raises(OAuthError) as refused, crowd.place("a"):
            pass
        assert refused.value.status == 429
        with crowd.place("b"):
            pass
    with crowd.place("a"):
        pass
    assert crowd._inside == {}
