"""One job, many who wait for it."""

import asyncio
import functools
import sys
import threading
import time

import pytest
import trio

from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.concurrency.steps import Steps, arun, run


def in_thread(flight: Flight[str]) -> threading.Thread:
    thread = threading.Thread(target=flight.run)
    thread.start()
    return thread


def slow(seconds: float = 0.05) -> Flight[str]:
    def job() -> str:
        time.sleep(seconds)
        return "done"

    return Flight(job)


def test_the_job_is_done_once_no_matter_who_runs_it() -> None:
    runs: list[int] = []
    flight = Flight(lambda: runs.append(1))
    threads = [threading.Thread(target=flight.run) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert runs == [1]


def test_a_job_whose_thread_was_interrupted_is_left_to_the_next_one() -> None:
    attempts: list[int] = []

    def job() -> str:
        attempts.append(1)
        if len(attempts) == 1:
            raise KeyboardInterrupt
        return "done"

    flight = Flight(job)
    with pytest.raises(KeyboardInterrupt):
        flight.run()
    assert (flight.awaited, flight.done) == (True, False)
    flight.run()
    assert flight.wait(0.0) == "done"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_jobs_that_end_their_threads_leave_the_others_a_thread() -> None:
    workers = Workers()
    for _ in range(40):
        workers.submit(functools.partial(sys.exit, 1))
    done = threading.Event()
    end = time.monotonic() + 10.0
    while not done.wait(0.01):
        assert time.monotonic() < end
        workers.submit(done.set)


def test_threads_and_tasks_of_two_loops_and_trio_wait_for_one_flight() -> None:  # client 3, 13
    flight, results = slow(), []

    async def task() -> None:
        results.append(await flight.wait_async(5.0))

    async def tasks() -> None:
        await asyncio.gather(*(task() for _ in range(50)))

    async def nursery() -> None:
        async with trio.open_nursery() as opened:
            for _ in range(50):
                opened.start_soon(task)

    waiters = [
        threading.Thread(target=lambda: results.append(flight.wait(5.0))),
        threading.Thread(target=lambda: asyncio.run(tasks())),
        threading.Thread(target=lambda: asyncio.run(tasks())),
        threading.Thread(target=lambda: trio.run(nursery)),
    ]
    for waiter in waiters:
        waiter.start()
    in_thread(flight).join()
    for waiter in waiters:
        waiter.join()
    assert results == ["done"] * 151


def test_waiting_tasks_take_no_threads() -> None:
    flight = slow(0.2)

    async def crowd() -> int:
        waiting = [asyncio.create_task(flight.wait_async(5.0)) for _ in range(500)]
        await asyncio.sleep(0)
        threads = threading.active_count()
        await asyncio.gather(*waiting)
        return threads

    before = threading.active_count()
    thread = in_thread(flight)
    assert asyncio.run(crowd()) <= before + 1
    thread.join()


def test_a_cancelled_task_ends_no_other_callers_wait() -> None:  # client 10
    flight = slow(0.1)

    async def crowd() -> list[object]:
        waiting = [asyncio.create_task(flight.wait_async(5.0)) for _ in range(3)]
        await asyncio.sleep(0.01)
        waiting[0].cancel()
        return list(await asyncio.gather(*waiting, return_exceptions=True))

    thread = in_thread(flight)
    first, *others = asyncio.run(crowd())
    thread.join()
    assert isinstance(first, asyncio.CancelledError)
    assert others == ["done", "done"]


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_a_waiter_out_of_time_ends_alone(run: object) -> None:  # client 11
    flight = slow(0.15)

    async def two() -> tuple[str | None, str | None]:
        return await flight.wait_async(0.01), await flight.wait_async(5.0)

    thread = in_thread(flight)
    assert flight.wait(0.01) is None
    assert run(two) == (None, "done") if run is trio.run else asyncio.run(two()) == (None, "done")
    thread.join()


def test_a_loop_that_was_closed_while_it_waited_harms_no_one() -> None:  # client 13
    flight = slow(0.1)
    loop = asyncio.new_event_loop()
    task = loop.create_task(flight.wait_async(5.0))
    loop.run_until_complete(asyncio.sleep(0.01))
    thread = in_thread(flight)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        loop.run_until_complete(task)
    loop.close()
    thread.join()
    assert flight.wait(0.0) == "done"


def results_of(*flights: Flight[str], seconds: float = 5.0) -> Steps[list[str | None]]:
    results = []
    for flight in flights:
        results.append((yield flight.within(seconds)))  # noqa: PERF401 - a comprehension cannot yield
    return results


def test_steps_wait_for_flight_after_flight_in_threads_and_loops() -> None:
    for caller in ("thread", "asyncio", "trio"):
        flights = [slow(0.02), slow(0.02)]
        threads = [in_thread(flight) for flight in flights]
        if caller == "thread":
            assert run(results_of(*flights)) == ["done", "done"]
        elif caller == "asyncio":
            assert asyncio.run(arun(results_of(*flights))) == ["done", "done"]
        else:
            assert trio.run(arun, results_of(*flights)) == ["done", "done"]
        for thread in threads:
            thread.join()


def test_a_waiting_thread_does_the_job_that_no_worker_was_found_for_and_waits_no_longer_than_it_said() -> None:
    lonely = slow(0.0)
    lonely.awaited = True
    assert run(results_of(lonely)) == ["done"]
    assert run(results_of(slow(60.0), seconds=0.01)) == [None]  # nobody runs it


def test_a_loop_that_was_closed_without_a_word_keeps_no_one_else_waiting() -> None:  # client 13
    flight = slow(0.1)
    loop = asyncio.new_event_loop()
    task = loop.create_task(flight.wait_async(5.0))
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.close()
    waiter = threading.Thread(target=lambda: landed.append(asyncio.run(flight.wait_async(5.0))))
    landed: list[str | None] = []
    waiter.start()
    flight.run()
    waiter.join()
    assert landed == ["done"]
    assert not task.done()
    task._log_destroy_pending = False  # type: ignore[attr-defined] # asyncio would complain of the task that was left


def test_a_hundred_jobs_run_on_few_threads_and_all_end() -> None:  # client 61
    workers, done, gate = Workers(), threading.Semaphore(0), threading.Event()
    lock, busy, most = threading.Lock(), 0, 0

    def job() -> None:
        nonlocal busy, most
        with lock:
            busy += 1
            most = max(most, busy)
        gate.wait(10.0)
        with lock:
            busy -= 1
        done.release()

    begun = [workers.submit(functools.partial(job)) for _ in range(100)]
    gate.set()
    for _ in range(100):
        assert done.acquire(timeout=10.0)
    assert begun == [True] * 32 + [False] * 68
    assert most <= 32
