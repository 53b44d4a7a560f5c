"""An inline read sees the newest state, and leaves no transaction open."""

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Connection, MetaData, Table, insert, select, update

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.statements import Statement, driver
from roomkey.authorization_server.errors import DatabaseUnavailable

marks = Table("marks", MetaData(), Column("value", BigInteger, nullable=False))
NEWEST = Statement(select(marks.c.value))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with one counter in it, on SQLite and on PostgreSQL."""
    yield from _with_counter(database_url)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """The same on SQLite alone, which is read in the loop's own thread."""
    yield from _with_counter(f"sqlite:///{tmp_path / 'data' / 'marks.db'}")


def _with_counter(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    with opened.writing() as connection:
        marks.create(connection)
        connection.execute(insert(marks).values(value=0))
    yield opened
    opened.close()


def _newest(connection: Connection) -> Any:
    row = NEWEST.first(connection, {})
    return row and row[0]


def _read_inline(database: Database, job: Callable[[Connection], Any] = _newest) -> Any:
    return asyncio.run(database.read_inline(job))


def _fail(connection: Connection) -> None:
    _newest(connection)
    raise LookupError


def test_an_inline_read_sees_at_once_what_another_process_wrote(database: Database, database_url: str):
    other = Database.open(database_url)
    for value in range(1, 4):
        with other.writing() as connection:
            connection.execute(update(marks).values(value=value))
            assert _read_inline(database) == value - 1  # it waits for no lock
        assert _read_inline(database) == value
        with pytest.raises(LookupError):
            _read_inline(database, _fail)
    other.close()


def test_an_inline_read_sees_what_was_written_between_two_of_its_statements(database: Database):
    def twice(connection: Connection) -> tuple[Any, Any]:
        first = _newest(connection)
        with database.writing() as writing:
            writing.execute(update(marks).values(value=1))
        return first, _newest(connection)

    assert _read_inline(database, twice) == (0, 1)


def test_a_finished_inline_read_delays_no_checkpoint(sqlite_database: Database):
    other = sqlite3.connect(sqlite_database.file, isolation_level=None, timeout=0.1)
    for job in (_newest, _fail):
        with suppress(LookupError):
            _read_inline(sqlite_database, job)
        other.execute("UPDATE marks SET value = value + 1")
        assert other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    other.close()


def test_an_inline_read_of_a_failing_database_is_an_outage_and_the_next_one_works(sqlite_database: Database):
    pool: Any = sqlite_database.engines.reader.pool
    _read_inline(sqlite_database)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable, match="no such table"):
            _read_inline(sqlite_database, lambda connection: driver(connection).execute("SELECT 1 FROM absent"))
        assert pool.checkedout() == 0
        assert _read_inline(sqlite_database) == 0
        assert pool.checkedout() == 1


def test_threads_with_inline_reads_leave_no_connection_behind(database: Database):
    pool: Any = database.engines.reader.pool
    for _ in range(20):  # more than a pool has
        thread = threading.Thread(target=_read_inline, args=(database,))
        thread.start()
        thread.join()
    assert pool.checkedout() == 0
