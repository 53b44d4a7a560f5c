"""Jobs on a database, off the event loop, many to a transaction: one commit and one wake-up for all that wait."""

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
"""Writes rows in its last statement, and answers for each of them: None where it is written, else why it is not."""
_MOST_WAITING: Final = 4096
_LONGEST_WAIT: Final = 10.0  # seconds until a thread takes a job, while the database holds up those before it


@dataclass(slots=True)
class _Waiting:
    future: "asyncio.Future[Any]"
    since: float
    job: Job[Any] | None = None
    write: WriteRows[Any] | None = None
    row: Any = None
    result: Any = None
    error: BaseException | None = None


class _Hall:
    """The jobs of one event loop that wait for a lane, and how many groups of them are under way."""

    __slots__ = ("groups", "handing_over", "loop", "seen", "waiting", "watched")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.waiting: list[_Waiting] = []
        self.seen = 0
        self.groups = 0
        self.handing_over = False
        self.watched = False


class WriteQueue:
    """Jobs that wait, and the threads that perform them.

    Of a group, each job is kept or undone for itself, and none is answered before all that it wrote is on the disk.
    While every thread has a group, the jobs that come wait for each other: the busier the lane, the larger the groups,
    and the fewer times the loop and the threads wake each other.

    Parameters:
        engine: where the transactions begin.
        name: of the threads.
        threads: how many there are; SQLite has one writer.
        most: jobs to a transaction at most.
        undo: whether what a job wrote must be undone where it fails; reading needs no such thing.
    """

    def __init__(self, engine: Engine, *, name: str, threads: int, most: int, undo: bool) -> None:
        self._engine = engine
        self._most = most
        self._undo = undo
        self._queue: queue.SimpleQueue[tuple[_Hall, list[_Waiting]] | None] = queue.SimpleQueue()
        self._halls: dict[asyncio.AbstractEventLoop, _Hall] = {}
        self._handing = threading.Lock()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"roomkey-{name}-{number}", daemon=True)
            for number in range(threads)
        ]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """How many jobs wait for a thread."""
        return sum(len(hall.waiting) for hall in list(self._halls.values()))

    async def run(self, job: Job[Result]) -> Result:
        """What ``job`` returns, once its transaction is committed; raises what it raises.

        A commit outlives the process, however it ends, and a power cut as well.

        Raises DatabaseUnavailable where the database fails, where too many jobs wait, or one for too long, and where
        the lane is closed. A caller that is cancelled leaves a job that has begun to its end.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._line_up(loop, _Waiting(future, loop.time(), job))
        return cast("Result", await future)

    async def record(self, write: WriteRows[Row], row: Row) -> None:
        """Let ``write`` write ``row``, together with those that wait for the same; raises what it answers for the row.

        It outlives the process, however it ends, but perhaps no power cut. Otherwise as ``run``.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Any] = loop.create_future()
        self._line_up(loop, _Waiting(future, loop.time(), write=write, row=row))
        await future

    def _line_up(self, loop: asyncio.AbstractEventLoop, one: _Waiting) -> None:
        hall = self._halls.get(loop)
        if hall is None:
            hall = self._hall(loop)
        if len(hall.waiting) >= _MOST_WAITING:
            raise DatabaseUnavailable("More requests wait for the database than it can serve; try again later.")
        hall.waiting.append(one)
        if not hall.handing_over and hall.groups < len(self._threads):
            hall.handing_over = True
            loop.call_soon(self._hand_over, hall)
        if not hall.watched:
            self._watch(hall)

    def _watch(self, hall: _Hall) -> None:
        """Refuse those that have waited too long, and look again when the next one has."""
        _refuse_until(hall, hall.loop.time() - _LONGEST_WAIT)
        hall.watched = bool(hall.waiting)
        if hall.watched:
            hall.loop.call_at(hall.waiting[0].since + _LONGEST_WAIT, self._watch, hall)

    def _hall(self, loop: asyncio.AbstractEventLoop) -> _Hall:
        for other in list(self._halls):  # loops of other threads come meanwhile
            if other.is_closed():
                self._halls.pop(other, None)
        return self._halls.setdefault(loop, _Hall(loop))

    def _hand_over(self, hall: _Hall) -> None:
        """Let the threads that are free have what has come together.

        As long as each turn of the loop brings more, they come together for one more turn, which takes microseconds.
        """
        if hall.seen < len(hall.waiting) < self._most:
            hall.seen = len(hall.waiting)
            hall.loop.call_soon(self._hand_over, hall)
            return
        hall.seen = 0
        hall.handing_over = False
        with self._handing:
            while hall.waiting and hall.groups < len(self._threads) and not self._closed:
                group, hall.waiting = hall.waiting[: self._most], hall.waiting[self._most :]
                hall.groups += 1
                self._queue.put((hall, group))
        if self._closed:
            _refuse_until(hall, math.inf)

    def close(self) -> None:
        """Perform what was handed over and refuse what was not, then end the threads. Blocks."""
        with self._handing:  # nothing is handed over after that
            self._closed = True
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()
        for hall in list(self._halls.values()):
            _call(hall, self._hand_over, hall)

    def _work(self) -> None:
        while (handed := self._queue.get()) is not None:
            hall, group = handed
            self._perform([one for one in group if not one.future.cancelled()])
            _call(hall, self._deliver, hall, group)

    def _perform(self, group: list[_Waiting]) -> None:
        try:
            records: dict[WriteRows[Any], list[_Waiting]] = {}
            jobs = [one for one in group if one.job is not None]
            for one in group:
                if one.write is not None:
                    records.setdefault(one.write, []).append(one)
            with transaction(self._engine, durable=bool(jobs)) as connection:
                for one in jobs:
                    self._perform_one(connection, one, alone=len(group) == 1)
                for write, those in records.items():
                    _write(connection, write, those)
        except BaseException as error:  # noqa: BLE001 - a job that nobody answers would hang its caller
            for one in group:
                one.error = one.error or error

    def _deliver(self, hall: _Hall, group: list[_Waiting]) -> None:
        hall.groups -= 1
        for one in group:
            if one.future.done():
                continue
            if one.error is None:
                one.future.set_result(one.result)
            elif isinstance(one.error, StopIteration):  # which no future takes
                one.future.set_exception(RuntimeError("A job ended in StopIteration."))
            else:
                one.future.set_exception(one.error)
        if hall.waiting and not hall.handing_over:
            hall.handing_over = True
            hall.loop.call_soon(self._hand_over, hall)

    def _perform_one(self, connection: Connection, one: _Waiting, *, alone: bool) -> None:
        """Perform the job; where it fails, undo it, and leave the transaction good for the others."""
        assert one.job is not None  # noqa: S101 - whoever calls has looked
        raw, savepoint = driver(connection), self._undo and not alone
        if savepoint:
            raw.execute("SAVEPOINT job")
        try:
            one.result = one.job(connection)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            if alone or is_outage(error):  # which undoes the transaction
                raise
            one.error = error
            if savepoint:
                raw.execute("ROLLBACK TO SAVEPOINT job")
            elif connection.dialect.name == "postgresql":  # where no statement is served after one that failed
                raw.rollback()
        if savepoint:
            raw.execute("RELEASE SAVEPOINT job")


def _call(hall: _Hall, function: Callable[..., None], *arguments: Any) -> None:
    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits there any more
        hall.loop.call_soon_threadsafe(function, *arguments)


def _refuse_until(hall: _Hall, time: float) -> None:
    """Refuse those that came up to ``time``."""
    refused = [one for one in hall.waiting if one.since <= time]
    del hall.waiting[: len(refused)]
    for one in refused:
        if not one.future.done():
            one.future.set_exception(DatabaseUnavailable("The database takes too long to serve all; try again later."))


def _write(connection: Connection, write: WriteRows[Any], those: list[_Waiting]) -> None:
    try:
        for one, error in zip(those, write(connection, [one.row for one in those]), strict=True):
            one.error = error
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        if is_outage(error):
            raise
        for one in those:  # its last statement failed, and wrote nothing
            one.error = error
