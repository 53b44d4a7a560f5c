"""One caller's requests at once."""

import asyncio

import pytest

from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.oauth_error import OAuthError


def test_a_caller_has_so_many_places_and_another_has_its_own():
    crowd = ConcurrencyLimit(2)
    with crowd.place("a"), crowd.place("a"), crowd.place("b"):
        for _ in range(2):  # who is refused takes no place
            with pytest.raises(OAuthError) as refused, crowd.place("a"):
                pass
            assert refused.value.status == 429
    with crowd.place("a"), crowd.place("a"):
        pass


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, asyncio.CancelledError])
def test_a_place_is_free_again_whatever_happens_in_it(error):
    crowd = ConcurrencyLimit(1)
    for _ in range(3):
        with pytest.raises(error), crowd.place("a"):
            raise error
    with crowd.place("a"):
        pass


def test_a_place_is_free_again_when_the_request_is_cancelled_or_refused_within():
    crowd = ConcurrencyLimit(1)

    async def request():
        with crowd.place("a"):
            await asyncio.sleep(60)

    async def cancelled():
        task = asyncio.create_task(request())
        await asyncio.sleep(0)
        with pytest.raises(OAuthError), crowd.place("a"):
            pass
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with crowd.place("a"):
            pass

    asyncio.run(cancelled())


def test_a_caller_who_is_gone_is_forgotten():
    crowd = ConcurrencyLimit()
    for number in range(100):
        with crowd.place(str(number)):
            pass
    assert not crowd._inside
