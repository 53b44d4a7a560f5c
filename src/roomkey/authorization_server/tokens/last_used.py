"""When app tokens and secrets were last used: noted in memory, written now and then, never in a request's way."""

from typing import Final

from sqlalchemy import bindparam, or_, update

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.schema.accounts import account_secrets
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

_MOST: Final = 10_000


class LastUsed:
    """Notes of one node. For one event loop."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tokens: dict[bytes, int] = {}
        self._secrets: dict[bytes, int] = {}

    def token(self, digest: bytes, now: int) -> None:
        """The app token with ``digest`` was looked at."""
        if len(self._tokens) < _MOST:
            self._tokens[digest] = now

    def secret(self, digest: bytes, now: int) -> None:
        """A client proved itself with the secret with ``digest``."""
        if len(self._secrets) < _MOST:
            self._secrets[digest] = now

    async def write(self) -> None:
        """Write down what was noted since the last time; what cannot be written now is given up."""
        tokens, self._tokens = self._tokens, {}
        secrets, self._secrets = self._secrets, {}
        if not tokens and not secrets:
            return

        def act(uow: UnitOfWork) -> None:
            for table, used in ((app_tokens, tokens), (account_secrets, secrets)):
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
