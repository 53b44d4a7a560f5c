"""The schema: made once, whoever comes at the same time; never taken back to an older one."""

import threading
from pathlib import Path

import pytest
from sqlalchemy import inspect, text

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import NEWEST, migrate
from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.schema import metadata
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings


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


def test_of_many_that_start_at_once_on_a_fresh_database_one_makes_the_schema(database_url: str):
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


def test_a_newer_schema_is_refused_with_one_sentence_and_left_as_it_is(database_url: str, tmp_path: Path):
    _ran(database_url)
    database = Database.open(database_url)
    with database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(DatabaseUnsuitable, match=r"schema 9999, which this version .* newer"):
        Service.open(Settings.at(tmp_path, database=database_url))
    with database.reading() as connection:
        assert connection.scalar(text("SELECT version_num FROM alembic_version")) == "9999" != NEWEST
    database.close()
