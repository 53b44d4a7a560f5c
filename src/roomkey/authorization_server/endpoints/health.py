"""``GET /health``: 200 when the service can serve, 503 with one word when it cannot."""

import asyncio
from typing import Final

from sqlalchemy import select, text
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.database.migrate import NEWEST
from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

DATABASE_SECONDS: Final = 2.0  # that the database may take
_REPEAT_SECONDS: Final = 1.0  # that a result is used again
_WRITE_SECONDS: Final = 10  # between two writes of all nodes together
_COUNTER: Final = "health"


class Health:
    """The endpoint as an ASGI application. It asks the database once a second at most, for all callers."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._checked_at: float | None = None
        self._problem = ""
        self._lock = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        problem = await self.problem()
        status = {"status": "unavailable", "problem": problem} if problem else {"status": "ready"}
        response = JSONResponse(status, 503 if problem else 200, {"Cache-Control": "no-store"})
        await response(scope, receive, send)

    async def problem(self) -> str:
        """Return why the service cannot serve, as one stable word; empty when it can. DATABASE_SECONDS at most."""
        async with self._lock:
            now = self._service.clock.monotonic()
            if self._checked_at is None or now - self._checked_at >= _REPEAT_SECONDS:
                self._problem = await self._check()
                self._checked_at = now
            return self._problem

    async def _check(self) -> str:
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                known, due = await self._service.view(SERVICE, _read)
                if not known:
                    return "schema_unknown"
                if due:
                    await self._service.perform(SERVICE, _write)
        except TimeoutError:
            return "database_slow"
        except DatabaseUnavailable:
            return "database_unavailable"
        return ""


def _read(uow: UnitOfWork) -> tuple[bool, bool]:
    """Return whether the schema is this version's, and whether a write is due, which shows that the disk takes one."""
    revision = uow.connection.scalar(text("SELECT version_num FROM alembic_version"))
    written = uow.connection.scalar(select(counters.c.value).where(counters.c.name == _COUNTER))
    return revision == NEWEST, written is None or abs(uow.now - written) >= _WRITE_SECONDS


def _write(uow: UnitOfWork) -> None:
    statement = insert_into(uow.connection, counters).values(name=_COUNTER, value=uow.now)
    uow.connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": uow.now}))
