"""One transaction, and what an outage of the database is: nobody is told that a token is bad because of one."""

from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from roomkey.authorization_server.errors import DatabaseUnavailable

_NO_OUTAGE: Final = frozenset({"IntegrityError", "DataError", "ProgrammingError", "NotSupportedError"})


class transaction:  # noqa: N801 - reads as the statement that it is
    """``with transaction(engine) as connection:`` one transaction; a failing database raises DatabaseUnavailable."""

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
    """Whether ``error`` says that the database fails, rather than that a statement or its values are wrong."""
    if isinstance(error, PoolTimeout | MemoryError):  # SQLite without memory may undo the whole transaction
        return True
    kinds = {base.__name__ for base in type(error).__mro__}
    # Of the driver itself, where a prepared statement goes past SQLAlchemy.
    of_driver = type(error).__module__.partition(".")[0] in ("sqlite3", "psycopg")
    return (of_driver or isinstance(error, DBAPIError)) and kinds.isdisjoint(_NO_OUTAGE)


def unavailable(error: BaseException) -> DatabaseUnavailable:
    """The error that tells of an outage; it has no statement in it, and of the database's words only the short ones."""
    cause = getattr(error, "orig", error)
    words = str(cause).strip().splitlines()[0][:200] if cause is not None and str(cause).strip() else ""
    return DatabaseUnavailable(f"The database cannot be used now: {words or type(error).__name__}.")
