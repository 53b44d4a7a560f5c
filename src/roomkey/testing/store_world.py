# ruff: noqa: S101 - a suite of tests consists of asserts
"""What the conformance suite for stores works with: one store per test, handles on it, time, threads that race."""

import threading
from collections.abc import Callable
from typing import Protocol, TypeVar

from roomkey.stores.store import Store, Stored

_Answer = TypeVar("_Answer")

KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


class StoreWorld(Protocol):
    """One store for one test, empty at first."""

    def open(self) -> Store:
        """A handle on the store; each call gives another one, as another process would have it."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass for leases."""
        ...

    def step_clock(self, seconds: float) -> None:
        """Step the clock that leases run on, forwards or back; nothing where nobody can step it."""
        ...


def at_once(count: int, work: Callable[[int], _Answer]) -> list[_Answer]:
    """Run ``work(0)``, ``work(1)``, ... in ``count`` threads that start together; their answers in order."""
    answers: dict[int, _Answer] = {}
    failures: list[BaseException] = []
    start = threading.Barrier(count)

    def run(number: int) -> None:
        try:
            start.wait(timeout=30)
            answers[number] = work(number)
        except BaseException as error:  # noqa: BLE001 - it is raised again below, in the test's own thread
            failures.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    if failures:
        raise failures[0]
    return [answers[number] for number in range(count)]


def written(generation: int | None) -> int:
    """The generation of a put that must have succeeded."""
    assert generation is not None, "the put was refused"
    return generation


def held(store: Store, key: str = KEY) -> Stored:
    """The record that must be there."""
    stored = store.get(key)
    assert stored is not None, f"there is no record {key}"
    return stored
