"""Group commit: jobs on the database, off the event loop, many to a transaction, with one commit for all that wait.

A commit to disk costs far more than the statements in it, and so does waking a thread or the event loop; a group pays
for each of them once. Together with ``statements`` this is the one place that goes past SQLAlchemy: savepoints are
sent to the driver itself, as SQLAlchemy's own execution takes five times as long as SQLite's answer.
"""

import asyncio
import contextlib
import math
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar, cast

from sqlalchemy import Connection, Engine

from roomkey.authorization_server.database.statements import driver
from roomkey.authorization_server.database.transaction import is_outage, transaction
from roomkey.authorization_server.errors import DatabaseUnavailable

Result = TypeVar("Result")
Row = TypeVar("Row")
Job = Callable[[Connection], Result]
WriteRows = Callable[[Connection, Sequence[Row]], Sequence[Exception | None]]
"""Writes rows in its last statement, and returns for each of them None, or the error for which it is not written."""
_MAX_WAITING: Final = 4096
_MAX_WAIT: Final = 10.0  # seconds until a thread takes a job, while the database holds up those before it


@dataclass(slots=True)
class _Pending:
    """A job, or a row to record, and the future that gets its result."""

    future: "asyncio.Future[Any]"
    since: float
    job: Job[Any] | None = None
    write: WriteRows[Any] | None = None
    row: Any = None
    result: Any = None
    error: BaseException | None = None


class _LoopQueue:
    """The pending jobs of one event loop, and the number of its groups that threads have."""

    __slots__ = ("dispatching", "groups", "loop", "pending", "seen", "watched")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.pending: list[_Pending] = []
        self.seen = 0
        self.groups = 0
        self.dispatching = False
        self.watched = False


class WriteQueue:
    """A queue of jobs, and the threads that perform them in groups.

    Each job of a group is committed or rolled back for itself, and none is answered before all that it wrote is on the
    disk. While every thread has a group, new jobs wait for each other: the busier the queue, the larger the groups,
    and the fewer times the loop and the threads wake each other.

    Parameters:
        engine: where the transactions begin.
        name: of the threads.
        threads: how many there are; SQLite has one writer.
        most: jobs to a transaction at most.
        undo: whether the writes of a failed job must be rolled back; not needed for reading.
    """

    def __init__(self, engine: Engine, *, name: str, threads: int, most: int, undo: bool) -> None:
        self._engine = engine
        self._most = most
        self._undo = undo
        self._groups: queue.SimpleQueue[tuple[_LoopQueue, list[_Pending]] | None] = queue.SimpleQueue()
        self._queues: dict[asyncio.AbstractEventLoop, _LoopQueue] = {}
        self._dispatch_lock = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._run_groups, name=f"roomkey-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """The number of jobs that wait for a thread."""
        return sum(len(queued.pending) for queued in list(self._queues.values()))

    async def run(self, job: Job[Result]) -> Result:
        """Return the result of ``job`` once its transaction is committed; raises what it raises.

        A commit outlives the process, however it ends, and a power cut as well.

        Raises DatabaseUnavailable where the database fails, where too many jobs wait, or one for too long, and where
        the queue is closed. If the caller is cancelled, a job that has begun still runs to its end.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._enqueue(loop, _Pending(future, loop.time(), job))
        return cast("Result", await future)

    async def record(self, write: WriteRows[Row], row: Row) -> None:
        """Write ``row`` by ``write``, together with the other rows that wait for it; raises its error for the row.

        It outlives the process, however it ends, but perhaps no power cut. Otherwise as ``run``.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._enqueue(loop, _Pending(future, loop.time(), write=write, row=row))
        await future

    def _enqueue(self, loop: asyncio.AbstractEventLoop, one: _Pending) -> None:
        queued = self._queues.get(loop)
        if queued is None:
            queued = self._queue_of(loop)
        if len(queued.pending) >= _MAX_WAITING:
            raise DatabaseUnavailable("More requests wait for the database than it can serve; try again later.")
        queued.pending.append(one)
        if not queued.dispatching and queued.groups < len(self._threads):
            queued.dispatching = True
            loop.call_soon(self._dispatch, queued)
        if not queued.watched:
            self._watch(queued)

    def _watch(self, queued: _LoopQueue) -> None:
        """Reject those that have waited too long, and look again when the next one has."""
        _reject_until(queued, queued.loop.time() - _MAX_WAIT)
        queued.watched = bool(queued.pending)
        if queued.watched:
            queued.loop.call_at(queued.pending[0].since + _MAX_WAIT, self._watch, queued)

    def _queue_of(self, loop: asyncio.AbstractEventLoop) -> _LoopQueue:
        for other in list(self._queues):  # loops of other threads come meanwhile
            if other.is_closed():
                self._queues.pop(other, None)
        return self._queues.setdefault(loop, _LoopQueue(loop))

    def _dispatch(self, queued: _LoopQueue) -> None:
        """Form groups and pass them to the free threads.

        As long as each turn of the loop brings more jobs, they wait one more turn, which takes microseconds.
        """
        if queued.seen < len(queued.pending) < self._most:
            queued.seen = len(queued.pending)
            queued.loop.call_soon(self._dispatch, queued)
            return
        queued.seen = 0
        queued.dispatching = False
        with self._dispatch_lock:
            while queued.pending and queued.groups < len(self._threads) and not self._closed:
                group, queued.pending = queued.pending[: self._most], queued.pending[self._most :]
                queued.groups += 1
                self._groups.put((queued, group))
        if self._closed:
            _reject_until(queued, math.inf)

    def close(self) -> None:
        """Perform the groups that threads have, reject the other jobs, then end the threads. Blocks."""
        with self._dispatch_lock:  # no group is dispatched after that
            self._closed = True
        for _ in self._threads:
            self._groups.put(None)
        for thread in self._threads:
            thread.join()
        for queued in list(self._queues.values()):
            _call(queued, self._dispatch, queued)

    def _run_groups(self) -> None:
        while (dispatched := self._groups.get()) is not None:
            queued, group = dispatched
            self._commit([one for one in group if not one.future.cancelled()])
            _call(queued, self._deliver, queued, group)

    def _commit(self, group: list[_Pending]) -> None:
        try:
            records: dict[WriteRows[Any], list[_Pending]] = {}
            jobs = [one for one in group if one.job is not None]
            for one in group:
                if one.write is not None:
                    records.setdefault(one.write, []).append(one)
            with transaction(self._engine, durable=bool(jobs)) as connection:
                for one in jobs:
                    self._run_job(connection, one, alone=len(group) == 1)
                for write, rows in records.items():
                    _write_rows(connection, write, rows)
        except BaseException as error:  # noqa: BLE001 - a job that nobody answers would hang its caller
            for one in group:
                one.error = one.error or error

    def _deliver(self, queued: _LoopQueue, group: list[_Pending]) -> None:
        queued.groups -= 1
        for one in group:
            if one.future.done():
                continue
            if one.error is None:
                one.future.set_result(one.result)
            elif isinstance(one.error, StopIteration):  # which no future takes
                one.future.set_exception(RuntimeError("A job ended in StopIteration."))
            else:
                one.future.set_exception(one.error)
        if queued.pending and not queued.dispatching:
            queued.dispatching = True
            queued.loop.call_soon(self._dispatch, queued)

    def _run_job(self, connection: Connection, one: _Pending, *, alone: bool) -> None:
        """Run the job; where it fails, roll it back, and leave the transaction usable for the others."""
        assert one.job is not None  # noqa: S101 - the caller has checked
        raw, savepoint = driver(connection), self._undo and not alone
        if savepoint:
            raw.execute("SAVEPOINT job")
        try:
            one.result = one.job(connection)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if alone or is_outage(error):  # which rolls back the transaction
                raise
            one.error = error
            if savepoint:
                raw.execute("ROLLBACK TO SAVEPOINT job")
            elif connection.dialect.name == "postgresql":  # where no statement is served after one that failed
                raw.rollback()
        if savepoint:
            raw.execute("RELEASE SAVEPOINT job")


def _call(queued: _LoopQueue, function: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed, and nothing waits in it any more
        queued.loop.call_soon_threadsafe(function, *arguments)


def _reject_until(queued: _LoopQueue, time: float) -> None:
    """Reject those that came up to ``time``."""
    rejected = [one for one in queued.pending if one.since <= time]
    del queued.pending[: len(rejected)]
    for one in rejected:
        if not one.future.done():
            one.future.set_exception(DatabaseUnavailable("The database takes too long to serve all; try again later."))


def _write_rows(connection: Connection, write: WriteRows[Any], rows: list[_Pending]) -> None:
    try:
        for one, error in zip(rows, write(connection, [one.row for one in rows]), strict=True):
            one.error = error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if is_outage(error):
            raise
        for one in rows:  # its last statement failed, and wrote nothing
            one.error = error
