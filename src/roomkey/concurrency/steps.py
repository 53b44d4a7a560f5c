"""Code that waits, written once for threads and event loops: a generator yields each wait, and a driver waits its way.

``run`` blocks the calling thread, ``arun`` suspends a task of asyncio or trio. Anything that must wait is written as
``Steps``; steps that need other steps use ``yield from``.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Wait(Generic[Result]):
    """One wait, in both ways; each has a time limit of its own, and each returns the same result.

    Attributes:
        block: waits in this thread.
        suspend: waits in a task of asyncio or trio, and never blocks the event loop.
    """

    block: Callable[[], Result]
    suspend: Callable[[], Awaitable[Result]]


Steps = Generator[Wait[Any], Any, Outcome]
"""Yields its waits, is sent the result of each, and returns its outcome."""


def run(steps: Steps[Outcome]) -> Outcome:
    """Return the outcome of ``steps``; blocks in each of their waits, and raises what they raise."""
    try:
        wait = next(steps)
        while True:
            # No local holds what a wait brings: it may be a token, and tracebacks can show locals.
            wait = steps.send(wait.block())
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


async def arun(steps: Steps[Outcome]) -> Outcome:
    """``run`` for asyncio and trio; suspends the task in each wait. A task that is cancelled ends the steps."""
    try:
        wait = next(steps)
        while True:
            wait = steps.send(await wait.suspend())
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]


def relay(steps: Generator[Any, Any, None]) -> Generator[Any, Any, None]:
    """Do the waits among ``steps`` as ``run`` does; yield whatever else they yield, and send its answer back to them.

    Turns steps that also send requests into the ``sync_auth_flow`` of httpx and httpx2.
    """
    try:
        step = next(steps)
        while True:
            step = steps.send(step.block() if isinstance(step, Wait) else (yield step))
    except StopIteration:
        return


async def arelay(steps: Generator[Any, Any, None]) -> AsyncGenerator[Any, Any]:
    """``relay`` with the waits of ``arun``: the ``async_auth_flow`` of httpx and httpx2."""
    try:
        step = next(steps)
        while True:
            step = steps.send(await step.suspend() if isinstance(step, Wait) else (yield step))
    except StopIteration:
        return
