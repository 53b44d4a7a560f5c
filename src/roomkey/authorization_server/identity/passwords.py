"""Passwords: argon2id, a few at a time and off the event loop, and which ones are not taken.

At most one hash for each core runs at a time, whoever asks, because each takes 19 MiB and a core for itself.
"""

import asyncio
import os
import threading
import unicodedata
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from dataclasses import dataclass
from typing import ClassVar, Final, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from roomkey.authorization_server.errors import Invalid, ServiceError
from roomkey.authorization_server.identity.weak_passwords import is_guessable
from roomkey.secret import Confidential

Result = TypeVar("Result")
SHORTEST: Final = 12  # characters
LONGEST: Final = 1024  # bytes of UTF-8
_MOST_WAITING: Final = 64
_PATIENCE: Final = 20.0  # seconds


class TooManySignIns(ServiceError):
    """More passwords wait to be checked than this machine can check in time."""

    code = "too_many_sign_ins"
    status: ClassVar[int] = 503


@dataclass(frozen=True, slots=True)
class Cost:
    """What one hash costs: memory in KiB and passes over it (OWASP's second choice of argon2id parameters)."""

    memory: int = 19 * 1024
    passes: int = 2


class PasswordHash(Confidential):
    """A hash that may be stored; only a password that was found good has one."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "PasswordHash(••••)"


class PasswordHashing:
    """Makes and checks hashes, one for each core at a time and 64 waiting at most. Safe in any thread and loop.

    Parameters:
        cost: of one hash; tests take a cheaper one.
        at_once: how many run at a time; by default one for each core that this process may use.
    """

    def __init__(self, cost: Cost | None = None, *, at_once: int | None = None) -> None:
        cost = cost or Cost()
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=1)
        self._dummy = self._hasher.hash("nobody has this password")
        self._room = threading.BoundedSemaphore((at_once or cores()) + _MOST_WAITING)
        self._threads = ThreadPoolExecutor(at_once or cores(), thread_name_prefix="roomkey-password")

    def hash_new(self, password: str, *, username: str, field: str = "password") -> PasswordHash:
        """The hash of a password that somebody chooses; raises Invalid (``field``) for one that is not taken.

        Raises TooManySignIns. Blocks for some 30 ms and for those before it.
        """
        return PasswordHash(self._wait(self._start(self._hasher.hash, check_new(password, username, field=field))))

    async def hash_new_async(self, password: str, *, username: str, field: str = "password") -> PasswordHash:
        """As :meth:`hash_new`, off the event loop."""
        good = check_new(password, username, field=field)
        return PasswordHash(await self._wait_async(self._start(self._hasher.hash, good)))

    def matches(self, password: str, stored: str | None) -> bool:
        """Whether ``password`` is the one that ``stored`` was made from; None costs the same time and is False.

        Raises TooManySignIns. Blocks for some 30 ms and for those before it.
        """
        return self._wait(self._start(self._check, password, stored))

    async def matches_async(self, password: str, stored: str | None) -> bool:
        """As :meth:`matches`, off the event loop."""
        return await self._wait_async(self._start(self._check, password, stored))

    def close(self) -> None:
        """Let go of the threads, once what they do is done. Blocks."""
        self._threads.shutdown(cancel_futures=True)

    def _check(self, password: str, stored: str | None) -> bool:
        prepared = _prepared(password)
        known = stored is not None and prepared is not None
        try:
            self._hasher.verify(stored if stored is not None else self._dummy, prepared or b"")
        except (VerificationError, InvalidHashError):
            return False
        return known

    def _start(self, job: Callable[..., Result], *arguments: object) -> "Future[Result]":
        if not self._room.acquire(blocking=False):
            raise TooManySignIns("More people sign in than this machine can check at once; try again in a minute.")
        try:
            future = self._threads.submit(job, *arguments)
        except BaseException:
            self._room.release()
            raise
        future.add_done_callback(lambda _: self._room.release())
        return future

    def _wait(self, future: "Future[Result]") -> Result:
        try:
            return future.result(_PATIENCE)
        except TookTooLong:
            future.cancel()
            raise _too_slow() from None

    async def _wait_async(self, future: "Future[Result]") -> Result:
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            raise _too_slow() from None


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_new(password: str, username: str, *, field: str = "password") -> bytes:
    """The bytes to hash of a password that ``username`` chooses: NFC, UTF-8, whole, whatever stands in it.

    Raises Invalid for fewer than 12 characters, more than 1024 bytes, and what is guessed first. Pure.
    """
    prepared = _prepared(password)
    if prepared is None:
        raise Invalid(f"The password is longer than {LONGEST} bytes or no text; choose another one.", field=field)
    text = prepared.decode()
    if len(text) < SHORTEST:
        raise Invalid(f"The password has fewer than {SHORTEST} characters; choose a longer one.", field=field)
    if is_guessable(text, username):
        raise Invalid(
            "The password is made of what is guessed first: common words, rows of keys, years, repetitions or the "
            "username. Choose another one; four unrelated words are good.",
            field=field,
        )
    return prepared


def _prepared(password: str) -> bytes | None:
    """What is hashed; None where it is too long or no text, which is decided before anything is spent on it."""
    if len(password) > LONGEST:
        return None
    try:
        prepared = unicodedata.normalize("NFC", password).encode()
        return prepared if max(len(prepared), len(password.encode())) <= LONGEST else None
    except UnicodeEncodeError:  # half a surrogate pair
        return None


def _too_slow() -> TooManySignIns:
    return TooManySignIns("Checking the password took too long, because too many people sign in; try again.")
