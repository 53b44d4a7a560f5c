"""Backup of the SQLite database while it is in use: a consistent copy that only its owner can read."""

import os
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, DatabaseUnavailable, Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.service import Service
from roomkey.stores.private_file import sync_folder


@dataclass(frozen=True, slots=True)
class Backup:
    """A backup: its path, its size in bytes, and where the keys are that decrypt its columns.

    The copy is useless without the keys: keep the two in different places.
    """

    path: Path
    size: int
    keys: str


def back_up(service: Service, actor: Actor, file: Path) -> Backup:
    """Copy the database of ``service`` to ``file`` (0600) by ``VACUUM INTO``, with the audit event of its creation.

    Raises NotAllowed, Conflict where something is at ``file`` already, Invalid for PostgreSQL and for a path that
    cannot be written, DatabaseUnavailable. Blocks; others read and write meanwhile.
    """
    if service.database.file is None:
        raise Invalid("The database is PostgreSQL, which pg_dump backs up.", field="file")
    path = file.absolute()
    with service.unit_of_work(actor) as uow:
        uow.demand(Permission.CHANGE_SETTINGS)
        if uow.actor.tenant is not None:
            raise NotAllowed("A backup has the data of all tenants; ask an administrator of the whole service.")
        if os.path.lexists(path):
            raise _taken(path)
        record_event(uow, "database.backed_up", Subject("database", ""), file=path.name)
    try:
        written = _copy(service, path)
        try:
            os.link(written, path)
            sync_folder(path.parent)
        finally:
            written.unlink()
    except FileExistsError:
        raise _taken(path) from None
    except OSError as error:
        raise Invalid(f"The backup {path} cannot be written: {error.strerror}.", field="file") from None
    return Backup(path, path.stat().st_size, service.keyring.description)


def _copy(service: Service, path: Path) -> Path:
    """Return a complete copy beside ``path``; VACUUM INTO accepts an empty file, which is private from the start."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        connection = service.database.engines.reader.raw_connection()
        try:
            connection.cursor().execute("VACUUM INTO ?", (name,))
        finally:
            connection.close()
        os.fsync(descriptor)
    except sqlite3.Error as error:
        Path(name).unlink()
        raise DatabaseUnavailable(f"The backup {path} cannot be written: {error}.") from None
    except OSError:
        Path(name).unlink()
        raise
    finally:
        os.close(descriptor)
    return Path(name)


def _taken(path: Path) -> Conflict:
    return Conflict(f"{path} exists already, and a backup overwrites nothing; name another file.")
