"""Locks that all nodes of a service share, each held until its transaction is over; their names stand in one place."""

import enum

from sqlalchemy import Connection

from roomkey.authorization_server.database.statements import driver


class Lock(enum.IntEnum):
    """What is done by one node at a time; the numbers name the locks in PostgreSQL."""

    SCHEMA = 82_750_716
    LOG = 82_750_717
    KEYS = 82_750_718
    SWEEP = 82_750_719
    ACTS = 82_750_720


def hold(connection: Connection, lock: Lock, *, part: str | None = None, shared: bool = False) -> None:
    """Wait for ``lock``, or for the ``part`` of it, and hold it; ``shared`` only keeps out who wants it alone.

    SQLite has one writer at a time anyway. Goes past SQLAlchemy, as the token endpoint takes one for each token.
    """
    if connection.dialect.name != "postgresql":
        return
    function = "pg_advisory_xact_lock_shared" if shared else "pg_advisory_xact_lock"
    if part is None:
        driver(connection).execute(f"SELECT {function}({lock.value})")
    else:
        driver(connection).execute(f"SELECT {function}({lock.value}, hashtext(%s))", (part,))
