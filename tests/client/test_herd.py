"""Many callers, one token request."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio

import roomkey
from roomkey.testing import Issuer

LATENCY = 0.2


def held_back(issuer: Issuer) -> threading.Event:
    """The endpoint answers no request before this event is set; without it, it fails after 20 seconds."""
    release = threading.Event()

    def shape(members: dict[str, object]) -> dict[str, object]:
        assert release.wait(20)
        return members

    issuer.shape = shape
    return release


def test_64_threads_send_one_token_request(issuer: Issuer, orders: roomkey.Credential) -> None:  # client 1
    issuer.delay = LATENCY
    gate = threading.Barrier(64)

    def call(_: int) -> str:
        gate.wait()
        return orders.header()

    with ThreadPoolExecutor(64) as pool:
        assert len(set(pool.map(call, range(64)))) == 1
    assert len(issuer.token_requests) == 1


def test_500_tasks_send_one_token_request_and_never_block_the_loop(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 2
    release = held_back(issuer)

    async def call_all() -> set[str]:
        tasks = [asyncio.create_task(orders.header_async()) for _ in range(500)]
        for _ in range(100):
            await asyncio.sleep(0.001)
        release.set()  # a loop that waits for the endpoint never comes here
        return set(await asyncio.gather(*tasks))

    assert len(asyncio.run(call_all())) == 1
    assert len(issuer.token_requests) == 1


def test_threads_and_tasks_of_two_kinds_share_one_request(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 3
    issuer.delay = LATENCY
    headers: list[str] = []

    async def task() -> None:
        headers.append(await orders.header_async())

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(50)))

    async def nursery() -> None:
        async with trio.open_nursery() as opened:
            for _ in range(50):
                opened.start_soon(task)

    callers = [threading.Thread(target=lambda: headers.append(orders.header())) for _ in range(20)]
    callers += [
        threading.Thread(target=lambda: asyncio.run(tasks())),
        threading.Thread(target=lambda: trio.run(nursery)),
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (len(headers), len(set(headers)), len(issuer.token_requests)) == (120, 1, 1)


def test_a_slow_endpoint_of_one_key_delays_no_other_key(make_manager: object, issuer: Issuer) -> None:  # client 4
    manager = make_manager()  # type: ignore[operator]
    with Issuer() as slow:
        release = held_back(slow)
        source = roomkey.ClientCredentials(
            token_endpoint=slow.token_endpoint, client_id="reports", client_secret=slow.client.client_secret
        )
        waiting = threading.Thread(target=manager.credential(source).header)
        waiting.start()
        quick = roomkey.ClientCredentials(
            token_endpoint=issuer.token_endpoint, client_id="reports", client_secret=issuer.client.client_secret
        )
        manager.credential(quick).header()
        assert waiting.is_alive()
        release.set()
        waiting.join()


def test_forty_slow_keys_do_not_wait_for_a_free_worker(make_manager: object) -> None:  # client 4
    manager = make_manager()  # type: ignore[operator]
    with Issuer() as slow:
        source = roomkey.ClientCredentials(
            token_endpoint=slow.token_endpoint, client_id="reports", client_secret=slow.client.client_secret
        )
        manager.credential(source).header()  # so that what is loaded once is loaded
        credentials = [manager.credential(source, f"tenant {number}") for number in range(40)]
        all_of_them = threading.Barrier(40)

        def shape(members: dict[str, object]) -> dict[str, object]:
            all_of_them.wait(20)  # broken, and so an error, unless all 40 requests are on their way at one time
            return members

        slow.shape = shape
        with ThreadPoolExecutor(40) as pool:
            headers = set(pool.map(roomkey.Credential.header, credentials))
        assert len(headers) == 40
        assert slow.most_at_once == 40


def test_a_follower_out_of_time_ends_alone(issuer: Issuer, orders: roomkey.Credential) -> None:  # client 11
    issuer.delay = LATENCY
    leader = threading.Thread(target=orders.header)
    leader.start()
    with pytest.raises(roomkey.TokenUnavailable) as caught:
        orders.token(timeout=0.02)
    assert caught.value.reason == "timeout"
    leader.join()
    assert orders.header()
    assert len(issuer.token_requests) == 1


def test_a_cancelled_leader_leaves_the_token_to_its_followers(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 10
    issuer.delay = LATENCY

    async def crowd() -> list[object]:
        leader = asyncio.create_task(orders.header_async())
        await asyncio.sleep(0.01)
        followers = [asyncio.create_task(orders.header_async()) for _ in range(5)]
        await asyncio.sleep(0.01)
        leader.cancel()
        return list(await asyncio.gather(*followers))

    assert len(set(asyncio.run(crowd()))) == 1
    assert len(issuer.token_requests) == 1


def test_a_manager_outlives_the_event_loop_that_it_was_first_used_in(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 13
    first = asyncio.run(orders.header_async())
    issuer.revoke_all()
    assert orders.reject(first) is roomkey.RejectOutcome.RENEW
    second = asyncio.run(orders.header_async())
    assert first != second
    assert trio.run(orders.header_async) == second


def test_a_late_caller_gets_the_new_token_without_another_request(
    issuer: Issuer, orders: roomkey.Credential
) -> None:  # client 12
    old = orders.token()
    new = orders.refresh()
    assert orders.reject(old) is roomkey.RejectOutcome.SUPERSEDED
    assert orders.token().value == new.value != old.value
    assert len(issuer.token_requests) == 2
