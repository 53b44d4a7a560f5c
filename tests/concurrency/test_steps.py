"""One driver for each kind of caller: waits are made, results go back in, and what is no wait is passed on."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from typing import Any

import pytest
import trio

from roomkey.concurrency.single_flight import Flight
from roomkey.concurrency.steps import Steps, Wait, arelay, arun, relay, run

Drive = Callable[[Steps[Any]], Any]


def by_asyncio(steps: Steps[Any]) -> Any:
    return asyncio.run(arun(steps))


def by_trio(steps: Steps[Any]) -> Any:
    return trio.run(arun, steps)


async def in_loop() -> str:
    return "suspended"


def waiting() -> Wait[str]:
    return Wait(lambda: "blocked", in_loop)


def twice() -> Steps[list[str]]:
    first = yield waiting()
    second = yield from again()
    return [first, second]


def again() -> Steps[str]:
    return (yield waiting())


@pytest.mark.parametrize(
    ("drive", "expected"),
    [(run, "blocked"), (by_asyncio, "suspended"), (by_trio, "suspended")],
    ids=["thread", "asyncio", "trio"],
)
def test_each_driver_waits_in_its_own_way_and_returns_the_outcome(drive: Drive, expected: str) -> None:
    assert drive(twice()) == [expected, expected]


@pytest.mark.parametrize("drive", [run, by_asyncio, by_trio])
def test_steps_that_wait_for_nothing_return_at_once(drive: Drive) -> None:
    def steps() -> Steps[str]:
        yield from ()
        return "done"

    assert drive(steps()) == "done"


@pytest.mark.parametrize("drive", [run, by_asyncio, by_trio])
def test_what_a_wait_raises_reaches_the_caller_and_ends_the_steps(drive: Drive) -> None:
    def fail() -> str:
        raise OSError("no")

    async def fail_async() -> str:
        raise OSError("no")

    def steps() -> Steps[str]:
        return (yield Wait(fail, fail_async))

    running = steps()
    with pytest.raises(OSError, match="no"):
        drive(running)
    running.close()
    assert inspect.getgeneratorstate(running) == inspect.GEN_CLOSED


@pytest.mark.parametrize("drive", [run, by_asyncio, by_trio])
def test_a_flight_is_waited_for_no_longer_than_said(drive: Drive) -> None:
    def steps(flight: Flight[str]) -> Steps[str | None]:
        return (yield flight.within(0.01))

    done: Flight[str] = Flight(lambda: "landed")
    done.run()
    assert drive(steps(done)) == "landed"
    assert drive(steps(Flight(lambda: "landed"))) is None


def test_a_thread_that_blocks_does_a_job_without_a_worker_unless_it_has_no_time_to_lend() -> None:
    def steps(flight: Flight[str], *, lend: bool) -> Steps[str | None]:
        return (yield flight.within(0.01, lend=lend))

    for lend, expected in ((True, "landed"), (False, None)):
        lonely: Flight[str] = Flight(lambda: "landed")
        lonely.awaited = True
        assert run(steps(lonely, lend=lend)) == expected


def call() -> Generator[Any, Any, None]:
    token = yield waiting()
    response = yield f"request with {token}"
    yield f"again after {response}"


def test_relay_makes_the_waits_and_yields_all_else() -> None:
    flow = relay(call())
    assert next(flow) == "request with blocked"
    assert flow.send("401") == "again after 401"
    with pytest.raises(StopIteration):
        flow.send("200")


@pytest.mark.parametrize("loop", [asyncio.run, lambda main: trio.run(lambda: main)])
def test_arelay_does_the_same_in_a_loop(loop: Callable[[Any], Any]) -> None:
    async def drive(flow: AsyncGenerator[Any, Any]) -> list[str]:
        sent = [await anext(flow), await flow.asend("401")]
        with pytest.raises(StopAsyncIteration):
            await flow.asend("200")
        return sent

    assert loop(drive(arelay(call()))) == ["request with suspended", "again after 401"]
