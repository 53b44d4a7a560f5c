"""The SQLite file of a store: made safely, trusted only if nobody else can read it, its schema known."""

import contextlib
import os
from pathlib import Path
from sqlite3 import Connection
from typing import Final

from roomkey.errors import StoreUnavailable
from roomkey.stores import private_file

SCHEMA: Final = 1
_APPLICATION: Final = 0x726D6B79  # "rmky": tells a roomkey store from any other SQLite file

# One counter for the whole file: a generation never comes back, so that no tombstone of a deleted record is needed.
_TABLES: Final = (
    "CREATE TABLE record (key TEXT PRIMARY KEY, generation INTEGER NOT NULL, value BLOB NOT NULL)",
    "CREATE TABLE lease (key TEXT PRIMARY KEY, owner TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID",
    "CREATE TABLE counter (last_generation INTEGER NOT NULL)",
    "INSERT INTO counter VALUES (0)",
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {SCHEMA}",
)


def open_file(path: Path) -> tuple[Connection, tuple[int, int]]:
    """Open the store at ``path``, making it (0600, its folder 0700) where it is missing; with the file's identity.

    Raises StoreUnavailable where it must not be used, OSError and sqlite3.Error where it cannot be.
    """
    import sqlite3

    private_file.make_folder(path.parent)
    private_file.make_empty(path)
    file = _trusted(path)
    # no time-out of SQLite's own: it sleeps up to 100 ms at a time, and its caller waits better
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        _check_schema(connection, path)
        if _identity(path.lstat()) != file:
            raise StoreUnavailable(f"The SQLite file {path} was exchanged while it was being opened; try again.")
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection, file


def _trusted(path: Path) -> tuple[int, int]:
    """Which file stands at ``path``, once it and SQLite's own files beside it have been looked at."""
    for suffix in ("-wal", "-shm", "-journal"):
        with contextlib.suppress(FileNotFoundError):  # they come and go with other processes
            _trust(path.with_name(path.name + suffix))
    return _identity(_trust(path))


def _trust(path: Path) -> os.stat_result:
    found = path.lstat()  # never opened: closing it would drop the locks that SQLite holds on it in this process
    reason = private_file.distrust(found)
    if reason is not None:
        raise StoreUnavailable(f"The SQLite file {path} {reason}.")
    return found


def _identity(found: os.stat_result) -> tuple[int, int]:
    return (found.st_dev, found.st_ino)


def _check_schema(connection: Connection, path: Path) -> None:
    """Refuse what another program or a newer roomkey wrote, before anything is written to it."""
    connection.execute("BEGIN")  # one look, while another process may be making the tables
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (objects,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    connection.execute("COMMIT")
    if application != _APPLICATION and (application or version or objects):
        raise StoreUnavailable(
            f"The SQLite file {path} belongs to another program; name a file of its own for roomkey."
        )
    if version > SCHEMA:
        raise StoreUnavailable(
            f"The SQLite file {path} was written by a newer roomkey (schema {version}, this one knows {SCHEMA}); "
            "upgrade roomkey or name another file. It was left as it is."
        )


def _prepare(connection: Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise StoreUnavailable(
            f"The SQLite file {path} cannot be shared by processes where it lies (no write-ahead log); "
            "put it on a local disk."
        )
    connection.execute("PRAGMA secure_delete = ON")  # a deleted token is gone, not only unlisted
    connection.execute(f"PRAGMA journal_size_limit = {1 << 20}")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA:
        return
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version == 0:  # else another process has made the tables in the meantime
        for statement in _TABLES:
            connection.execute(statement)
    connection.execute("COMMIT")
