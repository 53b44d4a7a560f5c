"""Statements of the busiest paths: written with SQLAlchemy, compiled once, handed to the driver as they are."""

from collections.abc import Mapping
from typing import Any, Final, cast

from sqlalchemy import Connection, Insert, Select
from sqlalchemy.dialects import postgresql, sqlite

_DIALECTS: Final[Mapping[str, Any]] = {"sqlite": sqlite.dialect, "postgresql": postgresql.dialect}
_PARAMETERS: Final = {"sqlite": "named", "postgresql": "pyformat"}


class Prepared:
    """One statement with named parameters. Safe in any thread.

    It goes past SQLAlchemy's own execution, which takes five times as long as SQLite's answer; the drivers keep it
    prepared. Values come and go as the drivers have them: texts, integers and bytes.
    """

    __slots__ = ("_statement", "_texts")

    def __init__(self, statement: Select[Any] | Insert) -> None:
        self._statement = statement
        self._texts: dict[str, str] = {}

    def first(self, connection: Connection, parameters: Mapping[str, Any]) -> tuple[Any, ...] | None:
        """The first row, or None."""
        return cast("tuple[Any, ...] | None", self._execute(connection, parameters).fetchone())

    def run(self, connection: Connection, parameters: Mapping[str, Any]) -> None:
        """Execute a statement that answers with no rows."""
        self._execute(connection, parameters)

    def _execute(self, connection: Connection, parameters: Mapping[str, Any]) -> Any:
        dialect = connection.dialect.name
        text = self._texts.get(dialect)
        if text is None:
            compiler = _DIALECTS[dialect](paramstyle=_PARAMETERS[dialect])
            text = self._texts[dialect] = str(self._statement.compile(dialect=compiler))
        return driver(connection).execute(text, parameters)


def driver(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection
