"""``GET /health``: 200 when the service can serve, 503 with one word when it cannot."""

import asyncio
from typing import Final

from sqlalchemy import text
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.database.migrate import NEWEST
from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

PATIENCE: Final = 2.0  # seconds that the database may take
_FRESH: Final = 1.0  # seconds that an answer is given again
_WRITE_EVERY: Final = 10  # seconds, over all nodes
_CLOCK: Final = "health"


class Health:
    """The endpoint, as an ASGI application. However often it is asked, the database is asked once a second."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._asked_at: float | None = None
        self._problem = ""
        self._asking = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        problem = await self.problem()
        members = {"status": "unavailable", "problem": problem} if problem else {"status": "ready"}
        answer = JSONResponse(members, 503 if problem else 200, {"Cache-Control": "no-store"})
        await answer(scope, receive, send)

    async def problem(self) -> str:
        """Why the service cannot serve, as one stable word; empty when it can. At most PATIENCE seconds."""
        async with self._asking:
            now = self._service.clock.monotonic()
            if self._asked_at is None or now - self._asked_at >= _FRESH:
                self._problem = await self._look()
                self._asked_at = now
            return self._problem

    async def _look(self) -> str:
        try:
            async with asyncio.timeout(PATIENCE):
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
    """Whether the schema is this version's, and whether it is time to see that the database can be written."""
    revision = uow.connection.scalar(text("SELECT version_num FROM alembic_version"))
    written = uow.connection.scalar(counters.select().with_only_columns(counters.c.value).where(_ROW))
    return revision == NEWEST, written is None or abs(uow.now - written) >= _WRITE_EVERY


def _write(uow: UnitOfWork) -> None:
    statement = insert_into(uow.connection, counters).values(name=_CLOCK, value=uow.now)
    uow.connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"value": uow.now}))


_ROW: Final = counters.c.name == _CLOCK
