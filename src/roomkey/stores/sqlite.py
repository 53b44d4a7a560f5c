"""A store in one SQLite file, shared by the threads and processes of one machine; the standard library alone."""

import contextlib
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.errors import ConfigurationError, StoreUnavailable
from roomkey.stores import private_file
from roomkey.stores.keyring import Keyring
from roomkey.stores.store import LONGEST_LEASE, Stored, bad_lease

if TYPE_CHECKING:
    from collections.abc import Callable
    from sqlite3 import Connection

_Result = TypeVar("_Result")

_LONGEST_WAIT: Final = 5.0
_BUSY: Final = frozenset({5, 6})  # SQLITE_BUSY, SQLITE_LOCKED
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

_inherited: Final[list[object]] = []
"""Connections that a child found after a fork that nobody announced. To close one would touch its parent's file."""


class SQLiteStore(Forkable):
    """Keeps encrypted records in the SQLite file at ``path``.

    Without a ``keyring`` the key is kept in ``<path>.key`` beside it, which is made when it is first needed and said
    so in the log. Nothing is read or written before the first use. The file is made for this user only (0600, a
    missing folder 0700); a symlink, a file that others may use, a foreign file and one of a newer roomkey are rejected
    and left as they are. ``path`` must lie on a local disk.

    Every method blocks on the disk, for 5 seconds at most, then raises StoreUnavailable. Safe in any thread and
    process and after a fork. Leases run on the wall clock of ``clock``. What ``put`` wrote survives a power cut
    (``synchronous=FULL``); leases need not.
    """

    def __init__(
        self, path: str | os.PathLike[str], keyring: Keyring | None = None, *, clock: Clock | None = None
    ) -> None:
        given = os.fspath(path)
        if not isinstance(given, str) or not given or given == ":memory:":
            raise ValueError("a SQLiteStore needs the path of a file; without one use MemoryStore")
        self._path = Path(given).absolute()  # a later change of the working folder must not move the store
        self._name = f"SQLite file {given}"
        self._keyring = keyring if keyring is not None else Keyring.from_file(f"{self._path}.key", create=True)
        self._clock: Clock = SystemClock() if clock is None else clock
        self._lock = threading.Lock()  # guards the connection, which serves one thread at a time
        self._open: tuple[Connection, int, tuple[int, int]] | None = None  # with its process and its file
        self._forking: int | None = None  # the thread that holds the lock across its fork
        forkables[id(self)] = self

    @classmethod
    def default(cls) -> Self:
        """``tokens.db`` in the user's state folder, with its key file beside it; nothing is made before the first use.

        The folder is ``$XDG_STATE_HOME/roomkey``, or ``~/.local/state/roomkey``. Raises ConfigurationError for a user
        without a home folder. No I/O.
        """
        return cls(state_folder() / "tokens.db")

    @property
    def keyring(self) -> Keyring:
        """Encrypts the values. No I/O."""
        return self._keyring

    @property
    def name(self) -> str:
        """Words for messages. No I/O."""
        return self._name

    @property
    def path(self) -> Path:
        """The file. No I/O."""
        return self._path

    def get(self, key: str) -> Stored | None:
        """The record, or None."""

        def read(database: "Connection") -> Stored | None:
            row = database.execute("SELECT value, generation FROM record WHERE key = ?", (key,)).fetchone()
            # a value that was changed to a string counts as damaged
            return None if row is None else Stored(row[0] if isinstance(row[0], bytes) else b"", row[1])

        return self._run(read)

    def put(self, key: str, value: bytes, *, generation: int) -> int | None:
        """Write if the record still has ``generation`` (0: if there is none); the new generation, or None."""

        def write(database: "Connection") -> int | None:
            row = database.execute("SELECT generation FROM record WHERE key = ?", (key,)).fetchone()
            if (0 if row is None else row[0]) != generation:
                return None
            database.execute("UPDATE counter SET last_generation = last_generation + 1")
            new: int = database.execute("SELECT last_generation FROM counter").fetchone()[0]
            database.execute("INSERT OR REPLACE INTO record VALUES (?, ?, ?)", (key, new, value))
            return new

        return self._run(write, transaction="FULL")

    def delete(self, key: str, *, generation: int | None = None) -> bool:
        """Delete the record, or only if it still has ``generation``; True where one was deleted."""

        def remove(database: "Connection") -> bool:
            statement = "DELETE FROM record WHERE key = :key AND generation = ifnull(:generation, generation)"
            return database.execute(statement, {"key": key, "generation": generation}).rowcount == 1

        return self._run(remove, transaction="FULL")

    def lease(self, key: str, *, owner: str, seconds: float) -> bool:
        """Take or extend the lease on ``key``; False while another owner's runs. Runs on the wall clock."""
        if not 0 < seconds <= LONGEST_LEASE:
            raise bad_lease(seconds)

        def held_by_another(database: "Connection") -> bool:
            row = database.execute("SELECT owner, ends FROM lease WHERE key = ?", (key,)).fetchone()
            return row is not None and row[0] != owner and 0 < row[1] - self._clock.wall() <= LONGEST_LEASE

        def take(database: "Connection") -> bool:
            now = self._clock.wall()
            database.execute("DELETE FROM lease WHERE ends <= ? OR ends > ?", (now, now + LONGEST_LEASE))
            statement = (
                "INSERT INTO lease VALUES (?, ?, ?)"
                " ON CONFLICT (key) DO UPDATE SET ends = excluded.ends WHERE owner = excluded.owner"
            )
            return database.execute(statement, (key, owner, now + seconds)).rowcount == 1

        # the look before the write keeps those who wait for a lease out of the way of the one who holds it
        return not self._run(held_by_another) and self._run(take, transaction="NORMAL")

    def release(self, key: str, *, owner: str) -> None:
        """End the lease if ``owner`` holds it."""

        def end(database: "Connection") -> None:
            database.execute("DELETE FROM lease WHERE key = ? AND owner = ?", (key, owner))

        self._run(end, transaction="NORMAL")

    def keys(self) -> list[str]:
        """The keys of all records, sorted."""

        def read(database: "Connection") -> list[str]:
            return [row[0] for row in database.execute("SELECT key FROM record ORDER BY key")]

        return self._run(read)

    def close(self) -> None:
        """Close the file; the next use of the store opens it again."""
        if self._lock.acquire(timeout=_LONGEST_WAIT):
            try:
                self._disconnect()
            finally:
                self._lock.release()

    def _run(self, work: "Callable[[Connection], _Result]", *, transaction: str | None = None) -> _Result:
        """Do ``work``, within one transaction of that durability where one is named, and again while the file is busy.

        Any failure drops the connection, so that the next use starts afresh; its cause becomes StoreUnavailable.
        """
        import sqlite3

        deadline = time.monotonic() + _LONGEST_WAIT  # of this machine's disk, not of the clock that tests hand in
        if not self._lock.acquire(timeout=_LONGEST_WAIT):
            raise StoreUnavailable(f"The {self._name} has been busy for {_LONGEST_WAIT:g} seconds in this process.")
        try:
            pause = 0.0005
            while True:
                try:
                    database = self._connection()
                    return work(database) if transaction is None else _within(database, transaction, work)
                except sqlite3.Error as error:
                    problem = _explain(error)
                    busy = getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY
                except OSError as error:
                    problem, busy = error.strerror or type(error).__name__, False
                if not busy:
                    self._disconnect()
                if not busy or time.monotonic() + pause > deadline:
                    break
                time.sleep(pause)
                pause = min(2 * pause, 0.005)
        finally:
            self._lock.release()
        raise StoreUnavailable(f"The {self._name} cannot be used: {problem}.")

    def _connection(self) -> "Connection":
        if self._open is not None:
            connection, process, file = self._open
            if process != os.getpid():
                _inherited.append(connection)
                self._open = None
            elif not _is_at(self._path, file):  # it was deleted or replaced: nobody else sees what is written to it
                self._disconnect()
            else:
                return connection
        connection, file = _open_file(self._path)
        self._open = (connection, os.getpid(), file)
        return connection

    def _disconnect(self) -> None:
        if self._open is not None:
            connection, process, _ = self._open
            self._open = None
            if process == os.getpid():
                connection.close()
            else:
                _inherited.append(connection)

    def before_fork(self) -> None:
        """Close the file: SQLite's locks and shared memory must not be in two processes at once.

        What a child inherits of an open file is believed by every later connection of that child, also a new one.
        """
        if self._lock.acquire(timeout=_LONGEST_WAIT):
            self._forking = threading.get_ident()
            self._disconnect()

    def after_fork_in_parent(self) -> None:
        """Let the other threads at the file again."""
        if self._forking == threading.get_ident():
            self._forking = None
            self._lock.release()

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()
        self._forking = None

    def __del__(self) -> None:
        if getattr(self, "_open", None) is not None:
            self._disconnect()

    def __repr__(self) -> str:
        return f"SQLiteStore({str(self._path)!r})"


def state_folder() -> Path:
    """Where roomkey keeps a user's tokens: ``$XDG_STATE_HOME/roomkey``, or ``~/.local/state/roomkey``. No I/O.

    Raises ConfigurationError for a user without a home folder.
    """
    named = Path(os.environ.get("XDG_STATE_HOME", ""))
    try:
        return (named if named.is_absolute() else Path("~/.local/state").expanduser()) / "roomkey"
    except RuntimeError:
        problem = "This user has no home folder to keep tokens in; name a store, or set XDG_STATE_HOME."
    raise ConfigurationError(problem)


def _is_at(path: Path, file: tuple[int, int]) -> bool:
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    return (found.st_dev, found.st_ino) == file


def _within(database: "Connection", durability: str, work: "Callable[[Connection], _Result]") -> _Result:
    """Do ``work`` in one write transaction: all of it is written, or nothing."""
    database.execute(f"PRAGMA synchronous = {durability}")
    database.execute("BEGIN IMMEDIATE")
    try:
        result = work(database)
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
    return result


def _explain(error: Exception) -> str:
    """SQLite's own words, which carry no value, and what to do where there is something to do."""
    advice = {
        "SQLITE_NOTADB": "it is no SQLite file; move it away or name another one",
        "SQLITE_CORRUPT": "it is damaged; move it away, and the tokens are fetched again",
        "SQLITE_FULL": "the disk is full",
        "SQLITE_READONLY": "it cannot be written to",
        "SQLITE_BUSY": f"another process has been writing to it for {_LONGEST_WAIT:g} seconds",
    }
    name = getattr(error, "sqlite_errorname", "")
    for prefix, words in advice.items():
        if name.startswith(prefix):
            return words
    return f"{error} ({name or type(error).__name__})"


def _open_file(path: Path) -> "tuple[Connection, tuple[int, int]]":
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


def _check_schema(connection: "Connection", path: Path) -> None:
    """Reject what another program or a newer roomkey wrote, before anything is written to it."""
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


def _prepare(connection: "Connection", path: Path) -> None:
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
