"""Migration of a database to this version's schema: behind a lock, in one transaction, never backwards."""

from pathlib import Path
from typing import Final

from sqlalchemy import Column, Connection, MetaData, String, Table, insert, inspect, text

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.schema import metadata
from roomkey.errors import ConfigurationError

NEWEST: Final = "0001"
_VERSION: Final = Table("alembic_version", MetaData(), Column("version_num", String(32), primary_key=True))


def migrate(database: Database) -> bool:
    """Run the migrations that ``database`` has not had and return whether there were any.

    Of several nodes that start at once, one runs them and the others wait. Raises DatabaseUnsuitable where a newer
    version has migrated it, and DatabaseUnavailable. Blocks.
    """
    with database.reading() as connection:
        if _revision(connection) == NEWEST:
            return False
    with database.writing() as connection:
        acquire_lock(connection, Lock.SCHEMA)
        found = _revision(connection)
        if found == NEWEST:
            return False
        if found is None and not inspect(connection).get_table_names():
            _create(connection)
        else:
            _upgrade(connection, found)
    return True


def demand_schema(database: Database) -> None:
    """Raise ConfigurationError where ``database`` is empty, and DatabaseUnsuitable where its schema is another one.

    Writes nothing. Blocks.
    """
    with database.reading() as connection:
        found = _revision(connection)
    if found is None:
        raise ConfigurationError("There is no auth service in this database; start one there: roomkey serve.")
    if found != NEWEST:
        raise DatabaseUnsuitable(
            f"The database has the schema {found}, and this version of roomkey needs {NEWEST}; start roomkey serve of "
            "the newer version once, which brings it up to date."
        )


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return revision


def _create(connection: Connection) -> None:
    """Create the tables as they are declared, which the tests compare with what the migrations make.

    Alembic, and what it imports, would take 9 MiB of a process that serves for months.
    """
    metadata.create_all(connection)
    _VERSION.create(connection)
    connection.execute(insert(_VERSION).values(version_num=NEWEST))


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
