"""Outages of the database: the right error meanwhile, nothing half-done, and recovery without a restart."""

import asyncio
import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from roomkey.authorization_server.accounts.tenants.commands import CreateTenant, ListTenants
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.database import engines
from roomkey.authorization_server.errors import DatabaseUnavailable, NotFound
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.testing import FakeClock


def _names(service: Service) -> list[str]:
    with service.look(SERVICE) as uow:
        assert find_break(uow.connection) is None
        return [one.name for one in ListTenants()(uow).items]


def test_a_lasting_lock_is_an_outage_for_writers_and_none_for_readers(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engines, "_LOCK_TIMEOUT", 0.2)
    with Service.open(Settings.at(tmp_path / "data"), clock=clock) as service:
        other = sqlite3.connect(tmp_path / "data" / "roomkey.db", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnavailable):
            asyncio.run(service.perform(SERVICE, CreateTenant(name="acme")))
        with pytest.raises(DatabaseUnavailable), service.unit_of_work(SERVICE) as uow:
            CreateTenant(name="acme")(uow)
        assert _names(service) == []
        other.execute("COMMIT")
        other.close()
        asyncio.run(service.perform(SERVICE, CreateTenant(name="acme")))
        assert _names(service) == ["acme"]


def _end_connections(url: str) -> int:
    """Close every other connection to this database, as a restart of PostgreSQL does."""
    with psycopg.connect(url, autocommit=True) as connection:
        ended = connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        return len(ended.fetchall())


def test_closed_connections_are_replaced_without_a_failure(
    postgresql_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    with Service.open(Settings.at(tmp_path, database=postgresql_url), clock=clock) as service:
        assert _names(service) == []
        assert _end_connections(postgresql_url) > 0
        asyncio.run(service.perform(SERVICE, CreateTenant(name="acme")))
        assert _end_connections(postgresql_url) > 0
        assert _names(service) == ["acme"]


def test_a_transaction_whose_connection_is_closed_midway_is_an_outage_and_rolled_back(
    postgresql_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    def act(uow: UnitOfWork) -> None:
        CreateTenant(name="acme")(uow)
        _end_connections(postgresql_url)
        CreateTenant(name="other")(uow)

    with Service.open(Settings.at(tmp_path, database=postgresql_url), clock=clock) as service:
        with pytest.raises(DatabaseUnavailable):
            asyncio.run(service.perform(SERVICE, act))
        with pytest.raises(DatabaseUnavailable), service.unit_of_work(SERVICE) as uow:
            act(uow)
        assert _names(service) == []
        asyncio.run(service.perform(SERVICE, CreateTenant(name="acme")))
        assert _names(service) == ["acme"]


def test_a_transaction_that_raises_while_the_database_fails_is_rolled_back(
    postgresql_url: str, tmp_path: Path, clock: FakeClock
) -> None:
    def act(uow: UnitOfWork) -> None:
        CreateTenant(name="acme")(uow)
        _end_connections(postgresql_url)
        raise NotFound("There is nothing of this name.")

    with Service.open(Settings.at(tmp_path, database=postgresql_url), clock=clock) as service:
        with pytest.raises((NotFound, DatabaseUnavailable)):
            asyncio.run(service.perform(SERVICE, act))
        assert _names(service) == []
        with service.look(SERVICE) as uow:
            assert uow.connection.scalar(text("SELECT 1")) == 1
