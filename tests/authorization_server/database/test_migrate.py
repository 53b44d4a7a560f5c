"""The schema: created once, also by nodes that start at once; never taken back to an older one."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import NEWEST, _upgrade, migrate
from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.schema import metadata
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

pytestmark = pytest.mark.slow


def _ran(url: str) -> bool:
    database = Database.open(url)
    try:
        return migrate(database)
    finally:
        database.close()


def test_a_fresh_database_gets_every_table_and_a_second_start_changes_nothing(database_url: str):
    assert _ran(database_url) is True
    assert _ran(database_url) is False
    database = Database.open(database_url)
    with database.reading() as connection:
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    database.close()


def test_the_migrations_lead_to_the_schema_that_the_tables_declare(database_url: str, tmp_path: Path):
    """A fresh database is created as declared; one that was upgraded step by step must not differ."""
    database = Database.open(database_url)
    with database.writing() as connection:
        _upgrade(connection, None)
    assert _ran(database_url) is False
    with database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    if database.file is not None:
        fresh = Database.open(f"sqlite:///{tmp_path / 'fresh.db'}")
        assert migrate(fresh) is True
        assert _statements(database) == _statements(fresh)
        fresh.close()
    database.close()


def _statements(database: Database) -> set[str]:
    """Return SQLite's definition of each table and index, but for the order of a table's parts."""
    with database.reading() as connection:
        told = connection.scalars(
            text("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> 'alembic_version'")
        ).all()
    parts = (sorted(part.strip(" ,") for part in sql.splitlines() if part.strip()) for sql in told)
    return {"\n".join(each) for each in parts}


def test_of_many_that_start_at_once_on_a_fresh_database_one_creates_the_schema(database_url: str):
    start, ran = threading.Barrier(6), []

    def node() -> None:
        start.wait()
        ran.append(_ran(database_url))

    nodes = [threading.Thread(target=node) for _ in range(6)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()
    assert sorted(ran) == [False] * 5 + [True]


_NODE = """
import sys
from pathlib import Path
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

print("ready", flush=True)
sys.stdin.read()
Service.open(Settings.at(Path(sys.argv[1]), database=sys.argv[2])).close()
"""


def test_processes_that_start_at_once_on_a_fresh_machine_share_one_schema_and_one_key(
    database_url: str, tmp_path: Path
):
    command = [sys.executable, "-c", _NODE, str(tmp_path / "data"), database_url]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    nodes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    for node in nodes:
        assert node.stdout is not None
        assert node.stdout.readline() == "ready\n"
    for node in nodes:
        assert node.stdin is not None
        node.stdin.close()
        node.stdin = None
    ended = [(node.communicate(timeout=60)[1], node.returncode) for node in nodes]
    assert [code for _, code in ended] == [0] * 3, ended
    database = Database.open(database_url)
    with database.reading() as connection:
        assert connection.scalar(text("SELECT count(*) FROM alembic_version")) == 1
        assert connection.scalar(text("SELECT count(*) FROM signing_keys")) == 1
        assert connection.scalar(text("SELECT count(*) FROM seals")) == 1
    database.close()


def test_a_newer_schema_is_rejected_with_one_sentence_and_left_as_it_is(database_url: str, tmp_path: Path):
    _ran(database_url)
    database = Database.open(database_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnsuitable, match=r"schema 9999, which this version .* newer"):
        Service.open(Settings.at(tmp_path, database=database_url))
    with database.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999" != NEWEST
    database.close()
