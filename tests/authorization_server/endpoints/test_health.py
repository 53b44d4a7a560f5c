"""``/health``: ready, or what is missing, soon; and no work for the database however often it is asked."""

import asyncio
from pathlib import Path

from sqlalchemy import event, text
from starlette.applications import Starlette
from starlette.routing import Route
from starlette.testclient import TestClient

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.endpoints import health
from roomkey.authorization_server.endpoints.health import Health
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock


def _client(service: Service) -> TestClient:
    return TestClient(Starlette(routes=[Route("/health", Health(service))]))


def _seen(client: TestClient) -> tuple[int, dict[str, str]]:
    answer = client.get("/health")
    assert answer.headers["cache-control"] == "no-store"
    return answer.status_code, answer.json()


def test_it_is_ready_when_the_database_can_be_read_and_written(service: Service):
    assert _seen(_client(service)) == (200, {"status": "ready"})
    with service.look(SERVICE) as uow:
        assert uow.connection.scalar(text("SELECT value FROM counters WHERE name = 'health'")) == uow.now


def test_a_schema_that_is_not_this_versions_is_told(service: Service):
    with service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert _seen(_client(service)) == (503, {"status": "unavailable", "problem": "schema_unknown"})


def test_a_database_that_cannot_be_written_is_told_and_forgotten_when_it_can(small_service: Service, clock: FakeClock):
    service = small_service

    def read_only(connection, _record):
        connection.execute("PRAGMA query_only = ON").close()

    event.listen(service.database.engines.writer, "connect", read_only)
    service.database.engines.writer.dispose()
    client = _client(service)
    assert _seen(client) == (503, {"status": "unavailable", "problem": "database_unavailable"})
    event.remove(service.database.engines.writer, "connect", read_only)
    service.database.engines.writer.dispose()
    clock.advance(1)
    assert _seen(client) == (200, {"status": "ready"})


def test_a_database_that_does_not_answer_is_not_waited_for(small_service: Service, clock: FakeClock, monkeypatch):
    monkeypatch.setattr(health, "DATABASE_SECONDS", 0.2)
    with small_service.unit_of_work(SERVICE):  # nobody else can write now
        assert _seen(_client(small_service)) == (503, {"status": "unavailable", "problem": "database_slow"})


def test_the_database_is_asked_once_a_second_at_most(small_service: Service, clock: FakeClock):
    asked: list[str] = []
    engines = small_service.database.engines
    for engine in (engines.reader, engines.writer):
        event.listen(engine, "before_cursor_execute", lambda *call: asked.append(call[2]))
    endpoint = Health(small_service)

    async def crowd() -> int:
        await asyncio.gather(*(endpoint.problem() for _ in range(100)))
        return len(asked)

    async def ask() -> None:
        once = await crowd()
        assert await crowd() == once
        clock.advance(1)
        assert once < await crowd() < 2 * once  # read again, and written once in ten seconds

    asyncio.run(ask())


def test_it_tells_nothing_of_the_machine(small_service: Service, tmp_path: Path):
    assert str(tmp_path) not in str(_seen(_client(small_service)))
