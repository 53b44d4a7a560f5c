"""TokenBuckets: a burst at once, a rate in the long run, and a bounded number of callers."""

import time

import pytest

from roomkey.authorization_server.web import token_bucket
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.token_bucket import Rate, TokenBuckets


def test_an_empty_bucket_fills_at_the_rate():
    buckets = TokenBuckets(Rate(burst=3, per_second=0.5))
    assert [buckets.take("a", 0.0) for _ in range(4)] == [None, None, None, 2]
    assert buckets.take("b", 0.0) is None
    assert buckets.take("a", 1.9) == 1
    assert buckets.take("a", 2.0) is None
    assert [buckets.take("a", 1000.0) for _ in range(4)][:3] == [None] * 3


def test_an_unbounded_number_of_callers_takes_bounded_memory_and_time(monkeypatch):
    """A flood of addresses evicts the callers that were idle longest, not the one that is being limited."""
    monkeypatch.setattr(token_bucket, "_MAX_CALLERS", 1000)
    buckets = TokenBuckets(Rate(burst=2, per_second=0.001))
    begun = time.thread_time()
    for number in range(20_000):
        buckets.take(str(number), float(number) / 1e6)
        if number % 500 == 0:
            buckets.take("guesser", float(number) / 1e6)
    assert time.thread_time() - begun < 5.0
    assert len(buckets._levels) <= 1000


def test_the_concurrency_of_one_caller_does_not_limit_another():  # auth service 59
    limit = ConcurrencyLimit(max_requests=2)
    with limit.slot("a"), limit.slot("a"):
        with pytest.raises(OAuthError) as refused, limit.slot("a"):
            pass
        assert refused.value.status == 429
        with limit.slot("b"):
            pass
    with limit.slot("a"):
        pass
    assert limit._in_flight == {}
