"""Time of last use of app tokens and client secrets: kept in memory and written periodically, never by a request."""

from typing import Final

from sqlalchemy import Table, bindparam, or_, update

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.accounts import account_secrets
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

_MAX_NOTED: Final = 10_000


class LastUsed:
    """The times of last use on one node. For one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._times: dict[Table, dict[bytes, int]] = {app_tokens: {}, account_secrets: {}}

    def token(self, digest: bytes, now: int) -> None:
        """Note the introspection of the app token with ``digest``."""
        times = self._times[app_tokens]
        if len(times) < _MAX_NOTED:
            times[digest] = now

    def secret(self, digest: bytes, now: int) -> None:
        """Note an authentication with the client secret with ``digest``."""
        times = self._times[account_secrets]
        if len(times) < _MAX_NOTED:
            times[digest] = now

    async def write(self) -> None:
        """Write the times since the last call; drops them where the database is unavailable."""
        times, self._times = self._times, {table: {} for table in self._times}
        if not any(times.values()):
            return

        def act(uow: UnitOfWork) -> None:
            for table, used in times.items():
                if used:
                    column = table.c.last_used_at
                    uow.connection.execute(
                        update(table)
                        .where(table.c.digest == bindparam("used"), or_(column.is_(None), column < bindparam("at")))
                        .values(last_used_at=bindparam("at")),
                        [{"used": digest, "at": at} for digest, at in used.items()],
                    )

        try:
            await self._service.perform(SERVICE, act)
        except DatabaseUnavailable:
            return
