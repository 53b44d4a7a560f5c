"""One course of judging a token for both kinds of caller: it says what it waits for, and they wait in their own way."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from roomkey.concurrency.single_flight import Flight, follow, follow_async
from roomkey.errors import RoomkeyError
from roomkey.jose.compact import Header
from roomkey.jose.key_set import KeySet
from roomkey.jose.keys import VerificationKey

Outcome = TypeVar("Outcome")


class Wait(Protocol):
    """Something that may take a while; either way to wait for it has a limit and may raise RoomkeyError."""

    def block(self) -> Any:
        """The result; blocks this thread."""

    async def suspend(self) -> Any:
        """The result; blocks no event loop."""


Course = Generator[Wait, Any, Outcome]
"""Yields what it waits for, is sent the result of each, and returns its outcome."""


class KeysFor:
    """The keys of ``keys`` that may have signed a token with ``header``."""

    __slots__ = ("header", "keys")

    def __init__(self, keys: KeySet, header: Header) -> None:
        self.keys = keys
        self.header = header

    def block(self) -> tuple[VerificationKey, ...]:
        """The keys; blocks while they are fetched."""
        return self.keys.find(self.header)

    async def suspend(self) -> tuple[VerificationKey, ...]:
        """The keys."""
        return await self.keys.find_async(self.header)


@dataclass(frozen=True, slots=True)
class Following(Generic[Outcome]):
    """The outcome of ``steps``, which wait for at most ``seconds`` for each flight that they yield."""

    steps: Generator[Flight[Any], Any, Outcome]
    seconds: float

    def block(self) -> Outcome:
        """The outcome; lends this thread to a flight for which no other has been found."""
        return follow(self.steps, self.seconds)

    async def suspend(self) -> Outcome:
        """The outcome."""
        return await follow_async(self.steps, self.seconds)


def blocking(course: Course[Outcome]) -> Outcome | RoomkeyError:
    """What ``course`` returns, or the RoomkeyError that it raises; blocks while it waits."""
    try:
        wait = next(course)
        while True:
            try:
                result = wait.block()
            except RoomkeyError as error:
                wait = course.throw(error)
            else:
                wait = course.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    except RoomkeyError as error:
        return bare(error)


async def suspending(course: Course[Outcome]) -> Outcome | RoomkeyError:
    """``blocking`` for asyncio and trio; blocks no loop."""
    try:
        wait = next(course)
        while True:
            try:
                result = await wait.suspend()
            except RoomkeyError as error:
                wait = course.throw(error)
            else:
                wait = course.send(result)
    except StopIteration as done:
        return done.value  # type: ignore[no-any-return]
    except RoomkeyError as error:
        return bare(error)


def bare(error: RoomkeyError) -> RoomkeyError:
    """``error`` without the frames it came through, whose local variables hold the token."""
    error.__cause__ = error.__context__ = None
    return error.with_traceback(None)
