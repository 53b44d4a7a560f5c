"""The database as the rest of the service sees it: read and write, in the calling thread or from an event loop."""

import threading
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection

from roomkey.authorization_server.database.engines import Engines, open_engines
from roomkey.authorization_server.database.group_commit import Job, Result, Row, WriteQueue, WriteRows
from roomkey.authorization_server.database.transaction import is_outage, transaction, unavailable

_GROUP: Final = 64


class Database:
    """One database, SQLite or PostgreSQL. Safe in any thread; not to be used across a fork.

    Attributes:
        engines: its engines, for the migrations.
    """

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self._lanes: tuple[WriteQueue, WriteQueue] | None = None
        self._starting = threading.Lock()
        self._eyes = threading.local()

    @classmethod
    def open(cls, url: str) -> Self:
        """The database at ``url``; raises ConfigurationError or DatabaseUnavailable. Connects when it is used."""
        return cls(open_engines(url))

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None."""
        return self.engines.file

    def reading(self) -> transaction:
        """``with database.reading() as connection:`` one state of the database, in this thread; blocks."""
        return transaction(self.engines.reader)

    def writing(self) -> transaction:
        """``with database.writing() as connection:`` one transaction that may write, in this thread; blocks."""
        return transaction(self.engines.writer)

    async def read(self, job: Job[Result]) -> Result:
        """What ``job`` reads, off the event loop; jobs that wait at the same time share a transaction."""
        return await self._started()[0].run(job)

    async def read_inline(self, job: Job[Result]) -> Result:
        """As ``read``, for a job that looks at a row or two by prepared statements, on the busiest paths.

        SQLite answers it at once, in the loop's own thread: that takes some ten microseconds and waits for no lock, and
        to wake another thread takes ten times as long. Each statement of the job then sees the newest state.
        """
        if self.file is None:
            return await self.read(job)
        try:
            return job(self._glancing())
        except Exception as error:
            if not is_outage(error):
                raise
            broken: Connection | None = self._eyes.__dict__.pop("connection", None)
            if broken is not None:
                broken.invalidate()  # nothing more is asked of it, not even to end well
                broken.close()
            raise unavailable(error) from None

    def _glancing(self) -> Connection:
        """This thread's own connection, on which no transaction is open."""
        connection: Connection | None = getattr(self._eyes, "connection", None)
        if connection is None:
            connection = self._eyes.connection = self.engines.reader.connect()
        return connection

    async def write(self, job: Job[Result]) -> Result:
        """What ``job`` returns, once what it wrote is on the disk; jobs that wait at the same time share a commit."""
        return await self._started()[1].run(job)

    async def record(self, write: WriteRows[Row], row: Row) -> None:
        """Let ``write`` write ``row``, with those that wait to be written by it at the same time, in one statement.

        Much cheaper than a job of its own. Nothing that happens to this process can undo it, but a power cut may.
        """
        await self._started()[1].record(write, row)

    def waiting(self) -> tuple[int, int]:
        """How many jobs wait to read, and how many to write."""
        read, write = self._started()
        return read.waiting, write.waiting

    def _started(self) -> tuple[WriteQueue, WriteQueue]:
        if self._lanes is None:
            with self._starting:
                self._lanes = self._lanes or self._start()
        return self._lanes

    def _start(self) -> tuple[WriteQueue, WriteQueue]:
        embedded = self.file is not None
        return (
            WriteQueue(self.engines.reader, name="read", threads=2 if embedded else 4, most=_GROUP, undo=False),
            WriteQueue(
                self.engines.writer,
                name="write",
                threads=1 if embedded else 4,
                most=_GROUP if embedded else 1,  # two nodes whose groups take rows in other orders would lock up
                undo=True,
            ),
        )

    def close(self) -> None:
        """Perform what was handed over, then close every connection. Blocks."""
        for lane in self._lanes or ():
            lane.close()
        self._lanes = None
        self._eyes = threading.local()
        self.engines.dispose()
