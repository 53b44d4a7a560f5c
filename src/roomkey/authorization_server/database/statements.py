"""Statements of the busiest paths: written with SQLAlchemy, compiled once, executed by the driver itself.

This goes past SQLAlchemy's own execution, which takes five times as long as SQLite's answer; the drivers keep the
statements prepared. Values are passed in the driver's own types: strings, integers and bytes.
"""

import importlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, cast

from sqlalchemy import Connection, Select, Table, bindparam, insert

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql, sqlite

Value = str | int | bytes | None
_NAMED: Final = {"sqlite": "named", "postgresql": "pyformat"}
_POSITIONAL: Final = {"sqlite": "qmark", "postgresql": "format"}


class Statement:
    """A SELECT with named parameters. Safe in any thread."""

    __slots__ = ("_compiled", "_select")

    def __init__(self, query: Select[Any]) -> None:
        self._select = query
        self._compiled: dict[str, str] = {}

    def first(self, connection: Connection, parameters: Mapping[str, Value]) -> tuple[Any, ...] | None:
        """Return the first row, or None."""
        dialect = connection.dialect.name
        sql = self._compiled.get(dialect)
        if sql is None:
            compiler = _dialect(dialect).dialect(paramstyle=_NAMED[dialect])
            sql = self._compiled[dialect] = str(self._select.compile(dialect=compiler))
        return cast("tuple[Any, ...] | None", driver(connection).execute(sql, parameters).fetchone())


class PreparedInsert:
    """An INSERT of any number of rows into ``table``, each the values of ``columns`` in order. Safe in any thread."""

    __slots__ = ("_columns", "_compiled", "_table")

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = columns
        self._compiled: dict[tuple[str, int], str] = {}

    def run(self, connection: Connection, rows: Sequence[Sequence[Value]]) -> None:
        """Write all ``rows``, at least one, in one statement; or none of them."""
        dialect = connection.dialect.name
        sql = self._compiled.get((dialect, len(rows)))
        if sql is None:
            sql = self._compiled[dialect, len(rows)] = self._compile(dialect, len(rows))
        driver(connection).execute(sql, tuple(chain.from_iterable(rows)))

    def _compile(self, dialect: str, count: int) -> str:
        compiler = _dialect(dialect).dialect(paramstyle=_POSITIONAL[dialect])
        names = [[f"{name}_{number}" for name in self._columns] for number in range(count)]
        rows: Any = [dict(zip(self._columns, map(bindparam, row), strict=True)) for row in names]
        compiled = insert(self._table).values(rows).compile(dialect=compiler)
        assert compiled.positiontup == sum(names, [])  # noqa: S101, RUF017 - the values are passed in this order
        return str(compiled)


def insert_into(connection: Connection, table: Table) -> "postgresql.Insert | sqlite.Insert":
    """Return an upsert: an INSERT with ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    statement: postgresql.Insert | sqlite.Insert = _dialect(connection.dialect.name).insert(table)
    return statement


def _dialect(name: str) -> Any:
    return importlib.import_module(f"sqlalchemy.dialects.{name}")  # the other one is never imported: 2 MiB


def driver(connection: Connection) -> Any:
    """Return the driver's own connection."""
    return connection.connection.driver_connection
