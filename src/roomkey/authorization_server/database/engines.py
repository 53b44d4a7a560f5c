"""Engines for SQLite and PostgreSQL with the same behaviour: short waits, explicit BEGIN, no parameters in errors."""

import sqlite3
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from roomkey.authorization_server.database.statements import driver
from roomkey.authorization_server.errors import DatabaseUnavailable, Invalid
from roomkey.errors import ConfigurationError
from roomkey.stores.private_file import distrust, make_empty, make_folder

_PAUSE: Final = 0.01
_LOCK_TIMEOUT: Final = 5  # seconds that a transaction waits for another one's lock
_LIMITS: Final = f"-c lock_timeout={_LOCK_TIMEOUT}s -c statement_timeout=30s -c idle_in_transaction_session_timeout=60s"
# Detect a server that is cut off silently: unacknowledged data times out, and idle connections send keepalives.
_KEEPALIVE: Final = {
    "tcp_user_timeout": 15_000,  # milliseconds
    "keepalives_idle": 5,  # seconds
    "keepalives_interval": 5,
    "keepalives_count": 2,
}
_DRIVERS: Final = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}


@dataclass(frozen=True, slots=True)
class Engines:
    """One engine to read with and one to write with; on PostgreSQL they are the same.

    Attributes:
        reader: its transactions see one state of the database.
        writer: its transactions hold the right to write from their first moment.
        file: the SQLite file, or None.
    """

    reader: Engine
    writer: Engine
    file: Path | None

    def dispose(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()


def open_engines(url: str, *, create: bool = True) -> Engines:
    """Create the engines for ``sqlite:///path`` or ``postgresql://…``, and the SQLite file (0600) where there is none.

    Raises ConfigurationError for another URL, and for a file that is missing without ``create``; DatabaseUnavailable
    where the file cannot be made or trusted. Does I/O on files only.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    driver = None if parsed is None else _DRIVERS.get(parsed.get_backend_name())
    if parsed is None or driver is None:
        raise ConfigurationError("The database must be sqlite:///path or postgresql://user@host/name; see --database.")
    if driver != "sqlite":
        return _postgresql(parsed.set(drivername=driver))
    if not parsed.database or parsed.database == ":memory:":
        raise ConfigurationError("The auth service keeps its SQLite database in a file; name one: sqlite:///path.")
    file = Path(parsed.database).absolute()
    if not create and not file.exists():
        raise ConfigurationError(
            f"There is no auth service at {file}; name its folder by --data, or start one there: roomkey serve."
        )
    return _sqlite(file)


def _sqlite(file: Path) -> Engines:
    try:
        make_folder(file.parent)
        problem = None if make_empty(file) else distrust(file.lstat())
    except OSError as error:
        raise DatabaseUnavailable(f"The database {file} cannot be made: {error.strerror}.") from None
    if problem:
        raise DatabaseUnavailable(f"The database {file} {problem}.")
    url = URL.create("sqlite", database=str(file))
    reader, writer = (
        create_engine(url, hide_parameters=True, connect_args={"timeout": _LOCK_TIMEOUT}) for _ in range(2)
    )
    for engine, begin in ((reader, _begin_reading), (writer, _begin_writing)):
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", begin)
        event.listen(engine, "before_cursor_execute", _reject_unstorable)
    return Engines(reader, writer, file)


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver sends no BEGIN; the event below does
    _switch_to_wal(connection)
    for pragma in (
        "synchronous = FULL",
        "foreign_keys = ON",
        "cache_size = -65536",  # KiB
        "journal_size_limit = 67108864",
        "wal_autocheckpoint = 4000",  # pages: those that every new token changes are checkpointed less often
        "temp_store = MEMORY",
    ):
        connection.execute(f"PRAGMA {pragma}").close()


def _switch_to_wal(connection: Any) -> None:
    """Switch a new file to WAL, and retry: of several that do so at once, SQLite lets all but one fail at once."""
    end = time.monotonic() + _LOCK_TIMEOUT
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL").close()
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _begin_reading(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: Connection) -> None:
    raw, level = driver(connection), "FULL" if _durable(connection) else "NORMAL"
    if connection.info.get("synchronous", "FULL") != level:
        raw.execute(f"PRAGMA synchronous = {level}")
        connection.info["synchronous"] = level
    raw.execute("BEGIN IMMEDIATE")


def _reject_unstorable(
    _connection: Any, _cursor: Any, _statement: str, parameters: Any, _context: Any, executemany: Any
) -> None:
    """Raise Invalid for a string that SQLite or PostgreSQL cannot store: with NUL, or with a lone surrogate."""
    for row in parameters if executemany else (parameters,):
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str) and ("\x00" in value or _has_lone_surrogate(value)):
                raise Invalid("A string contains NUL or a lone surrogate; remove it.")


def _has_lone_surrogate(value: str) -> bool:
    return not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value)


def _begin_on_postgresql(connection: Connection) -> None:
    if not _durable(connection):
        driver(connection).execute("SET LOCAL synchronous_commit = off")


def _durable(connection: Connection) -> bool:
    return bool(connection.get_execution_options().get("durable", True))


def _postgresql(url: URL) -> Engines:
    engine = create_engine(
        url,
        hide_parameters=True,
        pool_size=8,
        max_overflow=4,
        pool_timeout=_LOCK_TIMEOUT,
        pool_pre_ping=True,
        pool_recycle=1800,
        isolation_level="READ COMMITTED",
        connect_args={
            "connect_timeout": _LOCK_TIMEOUT,
            "options": _LIMITS,
            **_KEEPALIVE,
        },
    )
    event.listen(engine, "begin", _begin_on_postgresql)
    event.listen(engine, "before_cursor_execute", _reject_unstorable)
    return Engines(engine, engine, None)
