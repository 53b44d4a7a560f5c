"""One transaction on behalf of somebody: what every change of the service is handed."""

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import ColumnElement, Connection, select, text

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.database.locks import Lock, hold
from roomkey.authorization_server.database.statements import Statement
from roomkey.authorization_server.database.upsert import insert_into
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.sealing import Sealed
from roomkey.authorization_server.settings import Settings

if TYPE_CHECKING:
    from roomkey.authorization_server.keys.published_keys import PublishedSigningKeys

_CHANGES: Final = Statement(select(counters.c.value).where(counters.c.name == text("'changes'")))
_LETTERS: Final = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """A transaction, who it is for and when.

    Attributes:
        connection: the open transaction; whoever opened it commits it.
        now: seconds since 1970, the same through the whole of it.
        actor: on whose behalf.
        sealed: seals and opens what the database must not show.
        settings: of the service.
        keys: the signing keys in use.
    """

    connection: Connection
    now: int
    actor: Actor
    sealed: Sealed
    settings: Settings
    keys: "PublishedSigningKeys"

    def demand(self, *permissions: Permission) -> None:
        """Raise NotAllowed unless the actor has one of ``permissions``."""
        if not any(self.actor.may(permission) for permission in permissions):
            raise NotAllowed("Your roles do not allow this; ask an administrator.")

    def lock_admin_changes(self) -> None:
        """Until this is over, let no other act change accounts, APIs, app tokens or people: what is read stays so.

        An act takes this before any row, so that none holds what another one waits for. SQLite has one writer at a
        time anyway, and requests for tokens do not wait.
        """
        hold(self.connection, Lock.ACTS)

    def lock_audit_log(self) -> None:
        """Until this is over, let nobody else write to the audit log or mark a change: both go by one order."""
        hold(self.connection, Lock.LOG)

    def bump_config_version(self) -> None:
        """Let every node know that accounts, APIs, keys or people are no longer what it remembers of them.

        The mark is random, not counted: a transaction that is undone must not leave a number behind that the next one
        gets again, with what somebody remembered under it.
        """
        self.lock_audit_log()
        mark = secrets.randbits(62)
        self._set("changes", mark, mark)

    def next_number(self, name: str) -> int:
        """The next number of the counter ``name``, from 1; no two transactions get the same."""
        return self._set(name, 1, counters.c.value + 1)

    def _set(self, name: str, first: int, following: "int | ColumnElement[int]") -> int:
        statement = insert_into(self.connection, counters).values({"name": name, "value": first})
        written = statement.on_conflict_do_update(index_elements=["name"], set_={"value": following})
        number: int = self.connection.execute(written.returning(counters.c.value)).scalar_one()
        return number


def changes(connection: Connection) -> int:
    """The mark of the latest change of what requests are judged by; remembered things are good for one such mark."""
    row = _CHANGES.first(connection, {})
    return 0 if row is None else int(row[0])


def new_id(prefix: str) -> str:
    """A name that nothing else has and nobody guesses, such as ``tok_h3k9…`` (80 bits)."""
    return prefix + "_" + "".join(secrets.choice(_LETTERS) for _ in range(16))
