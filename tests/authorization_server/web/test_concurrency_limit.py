"""One caller's requests at once."""

import asyncio

import pytest

from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.oauth_error import OAuthError


def test_each_caller_has_slots_of_its_own():
    limit = ConcurrencyLimit(2)
    with limit.slot("a"), limit.slot("a"), limit.slot("b"):
        for _ in range(2):  # who is refused takes no place
            with pytest.raises(OAuthError) as refused, limit.slot("a"):
                pass
            assert refused.value.status == 429
    with limit.slot("a"), limit.slot("a"):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_a_slot_is_released_after_any_exception(error):
    limit = ConcurrencyLimit(1)
    for _ in range(3):
        with pytest.raises(error), limit.slot("a"):
            raise error
    with limit.slot("a"):
        pass


def test_a_slot_is_released_when_the_request_is_cancelled_or_rejected():
    limit = ConcurrencyLimit(1)

    async def request():
        with limit.slot("a"):
            await asyncio.sleep(60)

    async def cancelled():
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        with pytest.raises(OAuthError), limit.slot("a"):
            pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with limit.slot("a"):
            pass

    asyncio.run(cancelled())


def test_a_caller_without_requests_is_forgotten():
    limit = ConcurrencyLimit()
    for number in range(100):
        with limit.slot(str(number)):
            pass
    assert not limit._in_flight
