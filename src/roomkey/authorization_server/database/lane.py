"""Jobs on a database, off the event loop, many to a transaction: one commit and one wake-up for all that wait."""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roomkey.authorization_server.database.prepared import driver
from roomkey.authorization_server.errors import DatabaseUnavailable

Result = TypeVar("Result")
Job = Callable[[Connection], Result]
_NO_OUTAGE: Final = frozenset({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})
_MOST_WAITING: Final = 4096


@dataclass(slots=True)
class _Waiting:
    job: Job[Any]
    durable: bool
    loop: asyncio.AbstractEventLoop
    future: "asyncio.Future[Any]"
    result: Any = None
    error: BaseException | None = None


@dataclass(slots=True)
class _Stop:
    done: "Future[None]" = field(default_factory=Future)


class Lane:
    """A queue of jobs and the threads that perform them.

    Of a group, each job is kept or undone for itself, and none is answered before all that it wrote is on the disk.

    Parameters:
        engine: where the transactions begin.
        name: of the threads.
        threads: how many there are; SQLite has one writer.
        most: jobs to a transaction at most.
        undo: whether a job that fails must be undone for itself; reading needs no such thing.
    """

    def __init__(self, engine: Engine, *, name: str, threads: int, most: int, undo: bool) -> None:
        self._engine = engine
        self._most = most
        self._undo = undo
        self._queue: queue.SimpleQueue[list[_Waiting] | _Stop] = queue.SimpleQueue()
        self._turns: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        self._threads = [
            threading.Thread(target=self._work, name=f"roomkey-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return self._queue.qsize()

    async def run(self, job: Job[Result], *, durable: bool = True) -> Result:
        """What ``job`` returns, once its transaction is committed; raises what it raises.

        A commit outlives the process, however it ends; a ``durable`` one outlives a power cut as well.

        Raises DatabaseUnavailable where the database fails, or too many jobs wait. A caller that is cancelled leaves
        a job that has begun to its end.
        """
        loop = asyncio.get_running_loop()
        turn = self._turns.get(loop)
        if turn is None:
            turn = self._turns[loop] = []
            loop.call_soon(self._hand_over, loop)
        if self._queue.qsize() * self._most + len(turn) >= _MOST_WAITING:
            raise DatabaseUnavailable("More requests wait for the database than it can serve; try again later.")
        future: asyncio.Future[Any] = loop.create_future()
        turn.append(_Waiting(job, durable, loop, future))
        return cast("Result", await future)

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Queue what has come together in one turn of the loop: one wake-up of a thread for all of it."""
        turn = self._turns.pop(loop)
        for start in range(0, len(turn), self._most):
            self._queue.put(turn[start : start + self._most])

    def close(self) -> None:
        """Perform what waits, then end the threads. Blocks."""
        stops = [_Stop() for _ in self._threads]
        for stop in stops:
            self._queue.put(stop)
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while True:
            first = self._queue.get()
            if isinstance(first, _Stop):
                return
            group, stop = first, None
            while len(group) < self._most:
                try:
                    following = self._queue.get_nowait()
                except queue.Empty:
                    break
                if isinstance(following, _Stop):
                    stop = following
                    break
                group += following
            self._perform([one for one in group if not one.future.cancelled()])
            if stop is not None:
                return

    def _perform(self, group: list[_Waiting]) -> None:
        try:
            durable = any(one.durable for one in group)
            with transaction(self._engine, durable=durable) as connection:
                for one in group:
                    self._perform_one(connection, one)
        except BaseException as error:  # noqa: BLE001 - a job that nobody answers would hang its caller
            for one in group:
                one.error = one.error or error
        by_loop: dict[asyncio.AbstractEventLoop, list[_Waiting]] = {}
        for one in group:
            by_loop.setdefault(one.loop, []).append(one)
        for loop, ones in by_loop.items():
            try:
                loop.call_soon_threadsafe(_deliver, ones)
            except RuntimeError:  # the loop is closed: nobody waits there any more
                continue

    def _perform_one(self, connection: Connection, one: _Waiting) -> None:
        raw = driver(connection)
        if self._undo:
            raw.execute("SAVEPOINT job")
        try:
            one.result = one.job(connection)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if is_outage(error):
                raise
            one.error = error
            if self._undo:
                raw.execute("ROLLBACK TO SAVEPOINT job")
        if self._undo:
            raw.execute("RELEASE SAVEPOINT job")


def _deliver(group: list[_Waiting]) -> None:
    for one in group:
        if one.future.done():
            continue
        if one.error is None:
            one.future.set_result(one.result)
        else:
            one.future.set_exception(one.error)


class transaction:  # noqa: N801 - reads as the statement that it is
    """``with transaction(engine) as connection:`` one transaction; a failing database raises DatabaseUnavailable."""

    __slots__ = ("_begun", "_engine")

    def __init__(self, engine: Engine, *, durable: bool = True) -> None:
        self._engine = engine if durable else engine.execution_options(durable=False)

    def __enter__(self) -> Connection:
        try:
            self._begun = self._engine.begin()
            return self._begun.__enter__()
        except Exception as error:
            if not is_outage(error):
                raise
            raise unavailable(error) from None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._begun.__exit__(kind, error, trace)
        except SQLAlchemyError as failed:
            raise unavailable(failed) from None
        if error is not None and is_outage(error):
            raise unavailable(error) from None


def is_outage(error: BaseException) -> bool:
    """Whether ``error`` says that the database fails, rather than that a statement or its values are wrong."""
    if isinstance(error, PoolTimeout):
        return True
    kinds = {base.__name__ for base in type(error).__mro__}
    # Of the driver itself, where a prepared statement goes past SQLAlchemy.
    of_driver = type(error).__module__.partition(".")[0] in ("sqlite3", "psycopg")
    return (of_driver or isinstance(error, DBAPIError)) and kinds.isdisjoint(_NO_OUTAGE)


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The error that tells of an outage; it has no statement in it, and of the database's words only the short ones."""
    cause = getattr(error, "orig", error)
    words = str(cause).strip().splitlines()[0][:200] if cause is not None and str(cause).strip() else ""
    return DatabaseUnavailable(f"The database cannot be used now: {words or type(error).__name__}.")
