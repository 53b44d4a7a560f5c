"""Group commit: jobs and rows that share a transaction each get their own result, and none waits for ever."""

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import BigInteger, Column, Connection, LargeBinary, MetaData, Table, Text, event, insert, select, text

from roomkey.authorization_server.database import engines, group_commit
from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.statements import PreparedInsert, driver
from roomkey.authorization_server.errors import DatabaseUnavailable, NotFound

things = Table(
    "things",
    MetaData(),
    Column("name", Text, primary_key=True),
    Column("number", BigInteger),
    Column("data", LargeBinary),
)
INSERT = PreparedInsert(things, ("name", "number", "data"))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A database with an empty table, on SQLite and on PostgreSQL."""
    yield from _with_table(database_url)


@pytest.fixture
def sqlite_database(tmp_path: Path) -> Iterator[Database]:
    """The same on SQLite alone, where jobs share transactions."""
    yield from _with_table(f"sqlite:///{tmp_path / 'data' / 'lane.db'}")


@pytest.fixture
def postgresql_database(postgresql_url: str) -> Iterator[Database]:
    """The same on PostgreSQL alone."""
    yield from _with_table(postgresql_url)


def _with_table(url: str) -> Iterator[Database]:
    opened = Database.open(url)
    with opened.writing() as connection:
        things.create(connection)
    yield opened
    opened.close()


def _together(*begun: Callable[[], Awaitable[Any]]) -> list[Any]:
    """Return the result or error of each; all are begun in one turn of a loop."""

    async def gathered() -> list[Any]:
        async with asyncio.timeout(8):
            return await asyncio.gather(*(each() for each in begun), return_exceptions=True)

    return asyncio.run(gathered())


def _names(database: Database) -> set[str]:
    with database.reading() as connection:
        return set(connection.scalars(select(things.c.name)))


def _put(name: str) -> Callable[[Connection], str]:
    def job(connection: Connection) -> str:
        connection.execute(insert(things).values(name=name))
        return name

    return job


def _put_and_fail(connection: Connection) -> None:
    _put("half")(connection)
    raise NotFound("There is nothing of this name.")


def _keep(connection: Connection, names: Sequence[str]) -> list[NotFound | None]:
    """Write the names but for those that begin with ``no``."""
    refused = [NotFound(name) if name.startswith("no") else None for name in names]
    good = [(name, None, None) for name, wrong in zip(names, refused, strict=True) if wrong is None]
    if good:
        INSERT.run(connection, good)
    return refused


def _results(results: list[Any]) -> list[Any]:
    return [type(result) if isinstance(result, BaseException) else result for result in results]


# What PreparedInsert writes.


def test_rows_of_one_statement_are_written_as_they_are_given(database: Database):
    rows = [("100 % of 'it'; %s ?", 2**63 - 1, bytes(range(256))), ("ключ", None, None), ("", -1, b"")]
    with database.writing() as connection:
        INSERT.run(connection, rows)
        INSERT.run(connection, [("one", 1, None)])
        INSERT.run(connection, [("two", 70_000, None)])
    with database.reading() as connection:
        found = {tuple(row) for row in connection.execute(select(things))}
    assert found == {*rows, ("one", 1, None), ("two", 70_000, None)}


def test_of_rows_among_which_one_cannot_be_written_none_is(database: Database):
    with database.writing() as connection:
        INSERT.run(connection, [("there", 1, None)])
    with pytest.raises(Exception, match=r"(?i)unique"), database.writing() as connection:
        INSERT.run(connection, [("new", 1, None), ("there", 2, None), ("newer", 3, None)])
    assert _names(database) == {"there"}


# What Lane.record promises.


def test_rows_that_wait_together_are_written_by_one_statement_in_one_transaction(sqlite_database: Database):
    statements: list[str] = []

    def listen(connection: Any, _record: Any) -> None:
        connection.set_trace_callback(statements.append)

    event.listen(sqlite_database.engines.writer, "connect", listen)
    sqlite_database.engines.writer.dispose()
    names = [f"{number}" for number in range(100)]
    assert _together(*(lambda name=name: sqlite_database.record(_keep, name) for name in names)) == [None] * 100
    assert _names(sqlite_database) == set(names)
    kinds = [statement.split()[0] for statement in statements if not statement.startswith("PRAGMA")]
    assert kinds == ["BEGIN", "INSERT", "COMMIT"] * 2  # 64 at most to a transaction, and the rest


def test_a_row_that_is_rejected_is_rejected_alone(database: Database):
    names = ["a", "no b", "c", "no d"]
    results = _together(*(lambda name=name: database.record(_keep, name) for name in names))
    assert _results(results) == [None, NotFound, None, NotFound]
    assert [str(results[1]), str(results[3])] == ["no b", "no d"]
    assert _names(database) == {"a", "c"}


def test_a_write_that_fails_raises_for_all_its_rows_and_writes_none_of_them(database: Database):
    with database.writing() as connection:
        INSERT.run(connection, [("there", 1, None)])
    results = _together(*(lambda name=name: database.record(_keep, name) for name in ("a", "there", "b")))
    if database.file is None:  # each has a transaction of its own
        assert [type(result).__name__ for result in results] == ["NoneType", "UniqueViolation", "NoneType"]
        assert _names(database) == {"there", "a", "b"}
    else:
        assert [type(result).__name__ for result in results] == ["IntegrityError"] * 3
        assert _names(database) == {"there"}
    assert _together(lambda: database.record(_keep, "later")) == [None]
    assert "later" in _names(database)


def test_jobs_and_rows_of_one_group_are_each_right(database: Database):
    with database.writing() as connection:
        INSERT.run(connection, [("there", 1, None)])

    def broken(connection: Connection, names: Sequence[str]) -> list[None]:
        INSERT.run(connection, [(name, None, None) for name in (*names, "there")])
        return [None] * len(names)

    results = _together(
        lambda: database.record(_keep, "a"),
        lambda: database.write(_put("job")),
        lambda: database.record(_keep, "no b"),
        lambda: database.write(_put_and_fail),
        lambda: database.record(broken, "c"),
        lambda: database.write(_put("there")),
        lambda: database.record(_keep, "d"),
        lambda: database.write(_put("other job")),
    )
    unique = type(results[4])
    assert "Integrity" in str(unique.__mro__)
    assert _results(results)[:4] == [None, "job", NotFound, NotFound]
    assert "Integrity" in type(results[5]).__name__
    assert _results(results)[6:] == [None, "other job"]
    assert _names(database) == {"there", "a", "d", "job", "other job"}


def _strength(connection: Connection) -> str:
    """Return the durability of a commit of this transaction."""
    asked = "PRAGMA synchronous" if connection.dialect.name == "sqlite" else "SHOW synchronous_commit"
    level = driver(connection).execute(asked).fetchone()[0]
    return {2: "power cut", 1: "process", "on": "power cut", "off": "process"}[level]


def test_a_commit_of_rows_alone_outlives_the_process_and_one_with_a_job_in_it_a_power_cut(database: Database):
    if database.file is None:  # the tests' server is told to be fast
        with database.writing() as connection:
            name = connection.scalar(text("SELECT current_database()"))
            connection.execute(text(f'ALTER DATABASE "{name}" SET synchronous_commit = on'))
        database.engines.dispose()
    seen: list[str] = []

    def keep(connection: Connection, names: Sequence[str]) -> list[NotFound | None]:
        seen.append(_strength(connection))
        return _keep(connection, names)

    def job(connection: Connection) -> None:
        seen.append(_strength(connection))

    def alone(name: str) -> str:
        seen.clear()
        assert _together(lambda: database.record(keep, name), lambda: database.record(keep, name + "2")) == [None] * 2
        return "".join(set(seen))

    assert alone("a") == "process"
    with database.writing() as connection:  # the same connection, as SQLite has one writer
        assert _strength(connection) == "power cut"
    assert alone("b") == "process"
    seen.clear()
    assert _together(lambda: database.record(keep, "c"), lambda: database.write(job)) == [None] * 2
    assert sorted(seen) == (["power cut"] * 2 if database.file else ["power cut", "process"])
    assert alone("d") == "process"
    seen.clear()
    assert _together(lambda: database.write(job)) == [None]
    assert seen == ["power cut"]


def test_a_group_that_cannot_be_committed_raises_and_leaves_nothing(sqlite_database: Database):
    def bounded(connection: Any, _record: Any) -> None:
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 4}").close()

    event.listen(sqlite_database.engines.writer, "connect", bounded)
    sqlite_database.engines.writer.dispose()
    results = _together(
        lambda: sqlite_database.write(_put("job")),
        *(lambda n=n: sqlite_database.record(_keep, f"{n}" + "x" * 3000) for n in range(20)),
    )
    assert _results(results) == [DatabaseUnavailable] * 21
    assert _names(sqlite_database) == set()
    assert _together(lambda: sqlite_database.record(_keep, "small")) == [None]


def test_a_lasting_lock_is_an_outage_for_rows_and_jobs_alike(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(engines, "_LOCK_TIMEOUT", 0.2)
    url = f"sqlite:///{sqlite_database.file}"
    impatient, other = Database.open(url), Database.open(url)
    with other.writing():
        results = _together(lambda: impatient.record(_keep, "a"), lambda: impatient.write(_put("b")))
    assert _results(results) == [DatabaseUnavailable] * 2
    assert _together(lambda: impatient.record(_keep, "c")) == [None]
    assert _names(impatient) == {"c"}
    impatient.close()
    other.close()


def test_a_row_whose_connection_ends_in_the_middle_is_an_outage_and_the_next_one_is_written(
    postgresql_database: Database,
):
    def ending(connection: Connection, names: Sequence[str]) -> list[NotFound | None]:
        _keep(connection, names)
        driver(connection).execute("SELECT pg_terminate_backend(pg_backend_pid())")
        return [None] * len(names)

    assert _results(_together(lambda: postgresql_database.record(ending, "a"))) == [DatabaseUnavailable]
    later = [f"{n}" for n in range(8)]
    assert _together(*(lambda name=name: postgresql_database.record(_keep, name) for name in later)) == [None] * 8
    assert _names(postgresql_database) == set(later)


# What a job that fails leaves behind.


def test_a_job_that_fails_leaves_nothing_of_what_it_wrote(database: Database):
    assert _results(_together(lambda: database.write(_put_and_fail))) == [NotFound]
    results = _together(lambda: database.write(_put_and_fail), lambda: database.write(_put("whole")))
    assert _results(results) == [NotFound, "whole"]
    assert _names(database) == {"whole"}


def test_a_query_that_fails_affects_none_of_its_group(database: Database):
    def wrong(connection: Connection) -> None:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT 1 / 0"))  # and all further statements of the transaction are refused
        raise NotFound("There is nothing of this name.")

    def right(connection: Connection) -> int | None:
        return connection.scalar(text("SELECT 1"))

    results = _together(*(lambda job=job: database.read(job) for job in [right, wrong, right, wrong] * 16))
    assert results[::2] == [1] * 32
    assert not [result for result in results[1::2] if isinstance(result, DatabaseUnavailable)]


def test_a_job_that_ends_in_stop_iteration_hangs_no_caller(database: Database):
    def empty(_connection: Connection) -> None:
        next(iter(()))

    results = _together(lambda: database.write(empty), lambda: database.write(_put("a")))
    assert isinstance(results[0], RuntimeError)
    assert results[1] == "a"


_WITHOUT_MEMORY = """
import asyncio, json, os, sys
from sqlalchemy import text
from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.statements import driver

database = Database.open(sys.argv[1])

def job(connection):
    connection.execute(text("INSERT INTO things (name) VALUES ('job')"))

def write(connection, rows):
    driver(connection).execute("PRAGMA hard_heap_limit = 300000")
    driver(connection).execute("INSERT INTO things (name, data) VALUES ('row', randomblob(1000000))")
    return [None for _ in rows]

async def both():
    return await asyncio.gather(database.write(job), database.record(write, 1), return_exceptions=True)

print(json.dumps([type(each).__name__ for each in asyncio.run(both())]), flush=True)
os._exit(0)
"""


def test_a_row_for_which_sqlite_has_no_memory_undoes_no_committed_job(sqlite_database: Database):
    command = [sys.executable, "-c", _WITHOUT_MEMORY, f"sqlite:///{sqlite_database.file}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    job, row = json.loads(done.stdout)
    assert row != "NoneType"
    assert ("job" in _names(sqlite_database)) == (job == "NoneType")


# Nobody waits for ever.


def test_a_caller_that_is_cancelled_before_its_turn_writes_nothing_and_delays_no_other(sqlite_database: Database):
    gate = threading.Event()

    async def scene() -> None:
        first = asyncio.create_task(sqlite_database.write(lambda _: gate.wait(20)))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(sqlite_database.record(_keep, name)) for name in "abc"]
        await asyncio.sleep(0.05)
        rest[1].cancel()
        await asyncio.sleep(0)
        gate.set()
        results = await asyncio.wait_for(asyncio.gather(first, *rest, return_exceptions=True), 8)
        assert _results(results) == [True, None, asyncio.CancelledError, None]

    asyncio.run(scene())
    assert _names(sqlite_database) == {"a", "c"}


def test_a_loop_that_is_closed_during_jobs_leaves_the_queue_to_the_next_one(database: Database):
    gate, begun = threading.Event(), threading.Event()

    def slow(connection: Connection) -> None:
        begun.set()
        gate.wait(20)
        _put("slow")(connection)

    async def leave() -> None:
        asyncio.create_task(database.write(slow))  # noqa: RUF006 - cancelled with the loop
        for _ in range(200):
            asyncio.create_task(database.record(_keep, "never"))  # noqa: RUF006
            await asyncio.sleep(0)
            if begun.is_set():
                return
        await asyncio.to_thread(begun.wait, 20)

    asyncio.run(leave())
    gate.set()
    assert _together(lambda: database.record(_keep, "next")) == [None]
    database.close()  # which waits for what is under way
    assert _names(database) >= {"slow", "next"}


def test_jobs_that_wait_when_the_database_is_closed_raise(database: Database):
    gate, begun = threading.Event(), threading.Semaphore(0)

    def slow(_connection: Connection) -> bool:
        begun.release()
        return gate.wait(20)

    async def scene() -> None:
        held = [asyncio.create_task(database.write(slow)) for _ in range(4)]  # a group, or one to each thread
        await asyncio.to_thread(begun.acquire)
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(database.record(_keep, name)) for name in "abc"]
        await asyncio.sleep(0.05)
        closing = asyncio.create_task(asyncio.to_thread(database.close))
        await asyncio.sleep(0.05)
        gate.set()
        await closing
        results = await asyncio.wait_for(asyncio.gather(*held, *rest, return_exceptions=True), 8)
        assert _results(results) == [True] * 4 + [DatabaseUnavailable] * 3

    asyncio.run(scene())
    assert _names(database) == set()


def test_jobs_that_have_waited_too_long_raise_and_write_nothing(
    sqlite_database: Database, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(group_commit, "_MAX_WAIT", 0.2)
    gate = threading.Event()

    async def scene() -> None:
        first = asyncio.create_task(sqlite_database.write(lambda _: gate.wait(20)))
        await asyncio.sleep(0.05)
        late = [asyncio.create_task(sqlite_database.record(_keep, name)) for name in "ab"]
        await asyncio.sleep(0.15)
        soon = asyncio.create_task(sqlite_database.record(_keep, "c"))
        results = await asyncio.wait_for(asyncio.gather(*late, return_exceptions=True), 8)
        assert _results(results) == [DatabaseUnavailable] * 2  # though the thread is held up still
        assert not soon.done()
        gate.set()
        assert await asyncio.wait_for(asyncio.gather(first, soon), 8) == [True, None]

    asyncio.run(scene())
    assert _names(sqlite_database) == {"c"}


# Many loops.


def test_loops_of_many_threads_share_one_writing_thread(sqlite_database: Database):
    start, errors = threading.Barrier(8), []
    before = _writing_threads()

    def node(number: int) -> None:
        async def rows() -> None:
            names = [f"{number} {n}" for n in range(80)]
            await asyncio.gather(*(sqlite_database.record(_keep, name) for name in names))

        start.wait()
        try:
            asyncio.run(rows())
        except BaseException as error:
            errors.append(error)

    nodes = [threading.Thread(target=node, args=(number,)) for number in range(8)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()
    assert errors == []
    assert len(_names(sqlite_database)) == 8 * 80
    assert len(_writing_threads() - before) == 1


def _writing_threads() -> set[int | None]:
    return {thread.ident for thread in threading.enumerate() if thread.name.startswith("roomkey-write-")}


class _Entangled(asyncio.SelectorEventLoop):
    """While its state is checked, a loop of another thread comes to the queue."""

    database: Database | None = None

    def is_closed(self) -> bool:
        database, self.database = self.database, None
        if database is not None:
            other = threading.Thread(target=lambda: _together(lambda: database.record(_keep, "other")))
            other.start()
            other.join()
        return super().is_closed()


def test_loops_that_come_to_a_queue_at_the_same_time_do_not_disturb_each_other(sqlite_database: Database):
    first = _Entangled()
    first.run_until_complete(sqlite_database.record(_keep, "first"))
    first.database = sqlite_database
    assert _together(lambda: sqlite_database.record(_keep, "second")) == [None]
    first.close()
    assert _names(sqlite_database) == {"first", "second", "other"}
