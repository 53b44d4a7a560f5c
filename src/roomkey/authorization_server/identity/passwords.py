"""Password hashing with argon2id in a bounded thread pool, and the rules for new passwords.

At most one hash per core runs at a time, because each takes 19 MiB and one core.
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
from roomkey.authorization_server.identity.weak_passwords import is_weak
from roomkey.secret import Confidential

Result = TypeVar("Result")
SHORTEST: Final = 12  # characters
LONGEST: Final = 1024  # bytes of UTF-8
_MOST_WAITING: Final = 64
_PATIENCE: Final = 20.0  # seconds


class TooManySignIns(ServiceError):
    """More password checks wait than this machine can perform in time."""

    code = "too_many_sign_ins"
    status: ClassVar[int] = 503


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost of one hash: memory in KiB and passes over it (OWASP's second choice of argon2id parameters)."""

    memory: int = 19 * 1024
    passes: int = 2


class PasswordHash(Confidential):
    """A hash to store, of a password that the rules accept."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return "PasswordHash(••••)"


class PasswordHashing:
    """Creates and verifies hashes, one per core at a time with at most 64 waiting. Safe in any thread and event loop.

    Parameters:
        cost: of one hash; cheaper in tests.
        at_once: number of concurrent hashes; by default one per core that this process may use.
    """

    def __init__(self, cost: Cost | None = None, *, at_once: int | None = None) -> None:
        cost = cost or Cost()
        self._hasher = PasswordHasher(time_cost=cost.passes, memory_cost=cost.memory, parallelism=1)
        self._dummy = self._hasher.hash("nobody has this password")
        self._room = threading.BoundedSemaphore((at_once or cores()) + _MOST_WAITING)
        self._threads = ThreadPoolExecutor(at_once or cores(), thread_name_prefix="roomkey-password")

    def hash_new(self, password: str, *, username: str, field: str = "password") -> PasswordHash:
        """The hash of a new password; raises Invalid (``field``) for one that the rules reject.

        Raises TooManySignIns. Blocks for some 30 ms and for those before it.
        """
        return PasswordHash(self._wait(self._start(self._hasher.hash, check_new(password, username, field=field))))

    async def hash_new_async(self, password: str, *, username: str, field: str = "password") -> PasswordHash:
        """As :meth:`hash_new`, off the event loop."""
        good = check_new(password, username, field=field)
        return PasswordHash(await self._wait_async(self._start(self._hasher.hash, good)))

    def matches(self, password: str, stored: str | None) -> bool:
        """True where ``password`` matches the hash ``stored``; None takes the same time and is False.

        Raises TooManySignIns. Blocks for some 30 ms and for those before it.
        """
        return self._wait(self._start(self._check, password, stored))

    async def matches_async(self, password: str, stored: str | None) -> bool:
        """As :meth:`matches`, off the event loop."""
        return await self._wait_async(self._start(self._check, password, stored))

    def close(self) -> None:
        """Stop the threads after their present work. Blocks."""
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
            raise TooManySignIns("Too many users sign in at once; try again in a minute.")
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
    """Number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_new(password: str, username: str, *, field: str = "password") -> bytes:
    """The bytes to hash of a new password of ``username``: NFC, UTF-8, without truncation.

    Raises Invalid for fewer than 12 characters, more than 1024 bytes, and weak passwords. Pure.
    """
    prepared = _prepared(password)
    if prepared is None:
        raise Invalid(f"The password must be text of at most {LONGEST} bytes; choose another one.", field=field)
    text = prepared.decode()
    if len(text) < SHORTEST:
        raise Invalid(f"The password must have at least {SHORTEST} characters.", field=field)
    if is_weak(text, username):
        raise Invalid(
            "The password is weak: it consists of common words, rows of keys, years, repetitions or the username. "
            "Choose another one, such as four unrelated words.",
            field=field,
        )
    return prepared


def _prepared(password: str) -> bytes | None:
    """The bytes to hash; None for a password that is too long or no text, which costs no time."""
    if len(password) > LONGEST:
        return None
    try:
        prepared = unicodedata.normalize("NFC", password).encode()
        return prepared if max(len(prepared), len(password.encode())) <= LONGEST else None
    except UnicodeEncodeError:  # half a surrogate pair
        return None


def _too_slow() -> TooManySignIns:
    return TooManySignIns("Checking the password took too long because too many users sign in; try again.")
