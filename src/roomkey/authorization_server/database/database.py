"""The database: read and write, in the calling thread or from an event loop."""

import threading
from pathlib import Path
from typing import Final, Self

from sqlalchemy import Connection

from roomkey.authorization_server.database.engines import Engines, open_engines
from roomkey.authorization_server.database.group_commit import Job, Result, Row, WriteQueue, WriteRows
from roomkey.authorization_server.database.transaction import is_outage, transaction, unavailable

_MAX_GROUP: Final = 64  # jobs to a transaction


class Database:
    """One database, SQLite or PostgreSQL. Safe in any thread; not to be used across a fork.

    Attributes:
        engines: its engines, for the migrations.
    """

    def __init__(self, engines: Engines) -> None:
        self.engines = engines
        self._queues: tuple[WriteQueue, WriteQueue] | None = None
        self._starting = threading.Lock()
        self._inline = threading.local()

    @classmethod
    def open(cls, url: str, *, create: bool = True) -> Self:
        """Open the database at ``url``, created where there is none unless ``create`` is false.

        Connects at the first use. Raises ConfigurationError or DatabaseUnavailable.
        """
        return cls(open_engines(url, create=create))

    @property
    def file(self) -> Path | None:
        """The SQLite file, or None."""
        return self.engines.file

    def reading(self) -> transaction:
        """Begin a read transaction in this thread: ``with database.reading() as connection:``. Blocks."""
        return transaction(self.engines.reader)

    def writing(self) -> transaction:
        """Begin a transaction that may write, in this thread: ``with database.writing() as connection:``. Blocks."""
        return transaction(self.engines.writer)

    async def read(self, job: Job[Result]) -> Result:
        """Run a reading ``job`` off the event loop; jobs that wait at the same time share a transaction."""
        return await self._started()[0].run(job)

    async def read_inline(self, job: Job[Result]) -> Result:
        """Run a ``job`` that reads a row or two by prepared statements, on the busiest paths, as ``read`` does.

        SQLite answers it at once, in the loop's own thread: that takes some ten microseconds and waits for no lock;
        waking another thread takes ten times as long. Each statement of the job then sees the newest state.
        """
        if self.file is None:
            return await self.read(job)
        try:
            return job(self._inline_connection())
        except Exception as error:
            if not is_outage(error):
                raise
            broken: Connection | None = self._inline.__dict__.pop("connection", None)
            if broken is not None:
                broken.invalidate()  # without another statement, not even a rollback
                broken.close()
            raise unavailable(error) from None

    def _inline_connection(self) -> Connection:
        """Return this thread's own connection, on which no transaction is open."""
        connection: Connection | None = getattr(self._inline, "connection", None)
        if connection is None:
            connection = self._inline.connection = self.engines.reader.connect()
        return connection

    async def write(self, job: Job[Result]) -> Result:
        """Run a writing ``job`` and return its result once it is on the disk; waiting jobs share a commit."""
        return await self._started()[1].run(job)

    async def record(self, write: WriteRows[Row], row: Row) -> None:
        """Write ``row`` by ``write``, in one statement with all rows that wait for it at the same time.

        Much cheaper than a job of its own. A crash of this process does not lose it, but a power cut may.
        """
        await self._started()[1].record(write, row)

    def waiting(self) -> tuple[int, int]:
        """Return the number of jobs that wait to read, and of those that wait to write."""
        read, write = self._started()
        return read.waiting, write.waiting

    def _started(self) -> tuple[WriteQueue, WriteQueue]:
        if self._queues is None:
            with self._starting:
                self._queues = self._queues or self._start()
        return self._queues

    def _start(self) -> tuple[WriteQueue, WriteQueue]:
        embedded = self.file is not None
        return (
            WriteQueue(self.engines.reader, name="read", threads=2 if embedded else 4, most=_MAX_GROUP, undo=False),
            WriteQueue(
                self.engines.writer,
                name="write",
                threads=1 if embedded else 4,
                most=_MAX_GROUP
                if embedded
                else 1,  # groups of two nodes that lock rows in different orders would deadlock
                undo=True,
            ),
        )

    def close(self) -> None:
        """Perform the jobs that have begun, then close every connection. Blocks."""
        for each in self._queues or ():
            each.close()
        self._queues = None
        self._inline = threading.local()
        self.engines.dispose()
