"""Committed writes are on the disk: after kill -9, beside other writers, on a full disk and a read-only one."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import event, insert, select, text

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

pytestmark = pytest.mark.slow

CHILD = Path(__file__).with_name("writing_child.py")


@pytest.mark.parametrize("lines", [100, 500, 900])
def test_committed_writes_outlive_kill_9_in_the_middle_of_1000(tmp_path: Path, lines: int):
    process = subprocess.Popen([sys.executable, CHILD, tmp_path / "data"], stdout=subprocess.PIPE)
    assert process.stdout is not None
    answered = [process.stdout.readline() for _ in range(lines)]
    process.send_signal(signal.SIGKILL)
    answered += process.stdout.readlines()  # what it had said before it ended
    assert process.wait(30) == -signal.SIGKILL
    process.stdout.close()
    with Service.open(Settings.at(tmp_path / "data")) as service, service.look(SERVICE) as uow:
        kept = set(uow.connection.scalars(select(tenants.c.name)))
        told = set(uow.connection.scalars(text("SELECT subject FROM audit_events WHERE action = 'tenant.created'")))
        assert uow.connection.scalar(text("PRAGMA integrity_check")) == "ok"
        assert find_break(uow.connection) is None
    assert {line.decode().strip() for line in answered} <= kept
    assert len(answered) < 1000
    assert kept == told  # a change and its record are kept together, or neither is


def test_16_that_read_and_then_write_never_meet_a_locked_database(small_service: Service):  # auth service 55
    errors: list[BaseException] = []
    with small_service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(insert(counters).values(name="sum", value=0))

    def add(database: Database) -> None:
        try:
            for _ in range(25):
                with database.writing() as connection:
                    found = connection.scalar(select(counters.c.value).where(counters.c.name == "sum")) or 0
                    connection.execute(counters.update().where(counters.c.name == "sum").values(value=found + 1))
        except BaseException as error:
            errors.append(error)

    # Each with engines of its own, as processes have them, so that only SQLite's own locks stand between them.
    databases = [Database.open(small_service.settings.database) for _ in range(16)]
    writers = [threading.Thread(target=add, args=(database,)) for database in databases]
    for each in writers:
        each.start()
    for each in writers:
        each.join()
    for database in databases:
        database.close()
    assert errors == []
    with small_service.look(SERVICE) as uow:
        assert uow.connection.scalar(select(counters.c.value).where(counters.c.name == "sum")) == 16 * 25


def _fill(uow: UnitOfWork, name: str) -> None:
    uow.connection.execute(insert(tenants).values(name=name + "x" * 3000, created_at=uow.now))


def _names(service: Service) -> set[str]:
    with service.look(SERVICE) as uow:
        return {name.rstrip("x") for name in uow.connection.scalars(select(tenants.c.name))}


def test_a_full_disk_is_an_outage_and_committed_writes_stay(small_service: Service):  # auth service 55
    engine = small_service.database.engines.writer

    def bounded(connection, _record):
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
        connection.execute(f"PRAGMA max_page_count = {pages + 20}").close()

    event.listen(engine, "connect", bounded)
    engine.dispose()
    answered: set[str] = set()

    async def fill() -> int:
        results = await asyncio.gather(
            *(small_service.perform(SERVICE, lambda uow, n=n: _fill(uow, f"{n}")) for n in range(100)),
            return_exceptions=True,
        )
        for number in range(100, 140):
            try:
                await small_service.perform(SERVICE, lambda uow, n=number: _fill(uow, f"{n}"))
                answered.add(f"{number}")
            except DatabaseUnavailable as error:
                results.append(error)
        answered.update(f"{number}" for number, result in enumerate(results[:100]) if result is None)
        refused = [result for result in results if result is not None]
        assert refused
        assert all(isinstance(error, DatabaseUnavailable) for error in refused)
        assert all("full" in str(error) for error in refused), refused[:2]
        return len(refused)

    asyncio.run(fill())
    assert _names(small_service) == answered
    event.remove(engine, "connect", bounded)
    engine.dispose()
    asyncio.run(small_service.perform(SERVICE, lambda uow: _fill(uow, "after")))  # there is room again
    assert "after" in _names(small_service)
    with small_service.look(SERVICE) as uow:
        assert uow.connection.scalar(text("PRAGMA integrity_check")) == "ok"


_LIMITED = """
import asyncio, json, os, resource, sys
from pathlib import Path
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

with Service.open(Settings.at(Path(sys.argv[1]))) as service:
    largest = max(path.stat().st_size for path in Path(sys.argv[1]).iterdir())
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 200_000, resource.RLIM_INFINITY))
    answered, refused = [], 0
    async def fill():
        global refused
        for number in range(200):
            row = {"name": f"{number}" + "x" * 5000, "created_at": 0}
            try:
                await service.perform(SERVICE, lambda work: work.connection.execute(tenants.insert().values(row)))
                answered.append(f"{number}")
            except DatabaseUnavailable:
                refused += 1
    asyncio.run(fill())
    print(json.dumps([answered, refused]), flush=True)
    os._exit(0)
"""


def test_a_write_that_the_system_rejects_is_an_outage_and_tears_nothing(tmp_path: Path):  # auth service 55
    done = subprocess.run(
        [sys.executable, "-c", _LIMITED, tmp_path / "data"], capture_output=True, text=True, timeout=120, check=True
    )
    answered, refused = json.loads(done.stdout)
    assert answered
    assert refused
    with Service.open(Settings.at(tmp_path / "data")) as service:
        assert _names(service) == set(answered)
        with service.look(SERVICE) as uow:
            assert uow.connection.scalar(text("PRAGMA integrity_check")) == "ok"


def test_a_database_that_is_read_only_serves_readers_and_is_an_outage_to_writers(small_service: Service):
    engine = small_service.database.engines.writer

    def read_only(connection, _record):
        connection.execute("PRAGMA query_only = ON").close()

    event.listen(engine, "connect", read_only)
    engine.dispose()
    with pytest.raises(DatabaseUnavailable, match="readonly"):
        asyncio.run(small_service.perform(SERVICE, lambda uow: _fill(uow, "1")))
    assert _names(small_service) == set()


def test_the_files_of_the_database_are_readable_by_their_owner_only(tmp_path: Path):  # auth service 55
    old = os.umask(0)
    try:
        with Service.open(Settings.at(tmp_path / "data")) as service:
            asyncio.run(service.perform(SERVICE, lambda uow: _fill(uow, "1")))
            modes = {path.name: path.stat().st_mode & 0o777 for path in (tmp_path / "data").iterdir()}
    finally:
        os.umask(old)
    assert {"roomkey.db", "roomkey.db-wal", "roomkey.key"} <= modes.keys()
    assert set(modes.values()) == {0o600}
