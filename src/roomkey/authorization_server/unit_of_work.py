"""Unit of work: one transaction, the actor that it is for and its time; every change of the service is made in one."""

import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, select, text

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.database.statements import Statement, insert_into
from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.settings import Settings
from roomkey.stores.keyring import Keyring

_CONFIG_VERSION: Final = Statement(select(counters.c.value).where(counters.c.name == text("'changes'")))
_ID_ALPHABET: Final = "abcdefghijkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction.

    Attributes:
        connection: the open transaction; the code that opened it commits it.
        now: seconds since 1970, the same in the whole transaction.
        actor: the user, account or process on whose behalf it is.
        keyring: the keys of the encrypted columns (``column_encryption``).
        settings: of the service.
    """

    connection: Connection
    now: int
    actor: Actor
    keyring: Keyring
    settings: Settings

    def demand(self, *permissions: Permission) -> None:
        """Raise NotAllowed unless the actor has one of ``permissions``."""
        if not any(self.actor.may(permission) for permission in permissions):
            raise NotAllowed("Your roles do not allow this; ask an administrator.")

    def lock_admin_changes(self) -> None:
        """Keep other changes of accounts, APIs, app tokens and users out until the transaction ends.

        A command takes this lock before any row, so that no two commands wait for each other's rows. SQLite has one
        writer at a time anyway, and requests for tokens do not wait.
        """
        acquire_lock(self.connection, Lock.ADMIN_CHANGES)

    def lock_audit_log(self) -> None:
        """Keep other writers to the audit log and the config version out until the transaction ends."""
        acquire_lock(self.connection, Lock.AUDIT_LOG)

    def bump_config_version(self) -> None:
        """Invalidate what every node has cached of accounts, APIs, keys and users.

        The version is random, not counted: a transaction that is rolled back must not leave a number behind that the
        next one gets again, with a node's cached values under it.
        """
        self.lock_audit_log()
        version = secrets.randbits(62)
        self._set("changes", version, version)

    def next_number(self, name: str) -> int:
        """Return the next number of the counter ``name``, from 1; no two transactions get the same."""
        return self._set(name, 1, counters.c.value + 1)

    def _set(self, name: str, first: int, following: "int | ColumnElement[int]") -> int:
        statement = insert_into(self.connection, counters).values({"name": name, "value": first})
        written = statement.on_conflict_do_update(index_elements=["name"], set_={"value": following})
        number: int = self.connection.execute(written.returning(counters.c.value)).scalar_one()
        return number


def config_version(connection: Connection) -> int:
    """Return the version of accounts, APIs, keys and users; what a node caches is valid for one such version."""
    row = _CONFIG_VERSION.first(connection, {})
    return 0 if row is None else int(row[0])


def new_id(prefix: str) -> str:
    """Return a unique id that nobody can guess, such as ``tok_h3k9…`` (80 bits)."""
    return prefix + "_" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(16))
