"""Brings a database to this version's schema: behind a lock, in one transaction, never backwards."""

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.locks import Lock, hold
from roomkey.authorization_server.errors import DatabaseUnsuitable

NEWEST: Final = "0001"


def migrate(database: Database) -> bool:
    """Run the steps that ``database`` has not seen and return whether there were any.

    Of several nodes that start at once, one runs them and the others wait. Raises DatabaseUnsuitable where a newer
    version has been at work, and DatabaseUnavailable. Blocks.
    """
    with database.reading() as connection:
        if _revision(connection) == NEWEST:
            return False
    with database.writing() as connection:
        hold(connection, Lock.SCHEMA)
        found = _revision(connection)
        if found == NEWEST:
            return False
        _upgrade(connection, found)
    return True


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _upgrade(connection: Connection, found: str | None) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parents[1] / "migrations"))
    known = {step.revision for step in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise DatabaseUnsuitable(
            f"The database has the schema {found}, which this version of roomkey does not know; it was made by a newer "
            "one. Install that version, or restore an older backup."
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
