"""Transactions, the locks that they hold between nodes (advisory locks), and the database errors that are outages."""

import enum
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roomkey.authorization_server.database.statements import driver
from roomkey.authorization_server.errors import DatabaseUnavailable

_NO_OUTAGE: Final = frozenset({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})


class transaction:  # noqa: N801 - reads as the statement that it is
    """``with transaction(engine) as connection:`` one transaction; a failing database raises DatabaseUnavailable.

    With ``durable=False`` the commit may be lost in a power cut, never with the process alone.
    """

    __slots__ = ("_begun", "_engine")

    def __init__(self, engine: Engine, *, durable: bool = True) -> None:
        self._engine = engine if durable else engine.execution_options(durable=False)

    def __enter__(self) -> Connection:
        try:
            self._begun = self._engine.begin()
            return self._begun.__enter__()
        except Exception as error:
            if not is_outage(error):
                raise
            raise unavailable(error) from None

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            self._begun.__exit__(kind, error, trace)
        except SQLAlchemyError as failed:
            raise unavailable(failed) from None
        if error is not None and is_outage(error):
            raise unavailable(error) from None


def is_outage(error: BaseException) -> bool:
    """Return whether ``error`` means that the database fails, rather than that a statement or its values are wrong."""
    if isinstance(error, PoolTimeout | MemoryError):  # SQLite without memory may roll back the whole transaction
        return True
    kinds = {base.__name__ for base in type(error).__mro__}
    # Of the driver itself, where a prepared statement goes past SQLAlchemy.
    of_driver = type(error).__module__.partition(".")[0] in ("sqlite3", "psycopg")
    return (of_driver or isinstance(error, DBAPIError)) and kinds.isdisjoint(_NO_OUTAGE)


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """Return the error for an outage: the first line of the database's message, and never a statement."""
    cause = getattr(error, "orig", error)
    message = str(cause).strip().splitlines()[0][:200] if cause is not None and str(cause).strip() else ""
    return DatabaseUnavailable(f"The database cannot be used now: {message or type(error).__name__}.")


class Lock(enum.IntEnum):
    """The locks that one node at a time holds; the numbers name them in PostgreSQL."""

    SCHEMA = 82_750_716
    AUDIT_LOG = 82_750_717
    KEYS = 82_750_718
    BULK_REVOCATION = 82_750_719
    ADMIN_CHANGES = 82_750_720


def acquire_lock(connection: Connection, lock: Lock, *, part: str | None = None, shared: bool = False) -> None:
    """Wait for ``lock``, or its ``part``, and hold it until the transaction ends; ``shared`` with other readers.

    SQLite has one writer at a time anyway. Goes past SQLAlchemy, as the token endpoint takes one for each token.
    """
    if connection.dialect.name != "postgresql":
        return
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    if part is None:
        driver(connection).execute(f"SELECT {function}({lock.value})")
    else:
        driver(connection).execute(f"SELECT {function}({lock.value}, hashtext(%s))", (part,))
