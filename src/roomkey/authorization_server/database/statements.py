"""Statements of the busiest paths: written with SQLAlchemy, compiled once, handed to the driver as they are.

This goes past SQLAlchemy's own execution, which takes five times as long as SQLite's answer; the drivers keep the
statements prepared. Values come and go as the drivers have them: texts, integers and bytes.
"""

import importlib
from collections.abc import Mapping, Sequence
from itertools import chain
from typing import Any, Final, cast

from sqlalchemy import Connection, Select, Table, bindparam, insert

Value = str | int | bytes | None
_BY_NAME: Final = {"sqlite": "named", "postgresql": "pyformat"}
_IN_ORDER: Final = {"sqlite": "qmark", "postgresql": "format"}


class Statement:
    """A question with named parameters. Safe in any thread."""

    __slots__ = ("_question", "_texts")

    def __init__(self, question: Select[Any]) -> None:
        self._question = question
        self._texts: dict[str, str] = {}

    def first(self, connection: Connection, parameters: Mapping[str, Value]) -> tuple[Any, ...] | None:
        """The first row, or None."""
        dialect = connection.dialect.name
        text = self._texts.get(dialect)
        if text is None:
            compiler = _dialect(dialect)(paramstyle=_BY_NAME[dialect])
            text = self._texts[dialect] = str(self._question.compile(dialect=compiler))
        return cast("tuple[Any, ...] | None", driver(connection).execute(text, parameters).fetchone())


class PreparedInsert:
    """Rows for ``table``, each the values of ``columns``, which stand in the table's order. Safe in any thread."""

    __slots__ = ("_columns", "_table", "_texts")

    def __init__(self, table: Table, columns: Sequence[str]) -> None:
        self._table = table
        self._columns = columns
        self._texts: dict[tuple[str, int], str] = {}

    def run(self, connection: Connection, rows: Sequence[Sequence[Value]]) -> None:
        """Write all ``rows``, at least one, in one statement; or none."""
        dialect = connection.dialect.name
        text = self._texts.get((dialect, len(rows)))
        if text is None:
            text = self._texts[dialect, len(rows)] = self._text(dialect, len(rows))
        driver(connection).execute(text, tuple(chain.from_iterable(rows)))

    def _text(self, dialect: str, count: int) -> str:
        compiler = _dialect(dialect)(paramstyle=_IN_ORDER[dialect])
        names = [[f"{name}_{number}" for name in self._columns] for number in range(count)]
        rows: Any = [dict(zip(self._columns, map(bindparam, row), strict=True)) for row in names]
        compiled = insert(self._table).values(rows).compile(dialect=compiler)
        assert compiled.positiontup == sum(names, [])  # noqa: S101, RUF017 - the values are handed over in this order
        return str(compiled)


def _dialect(name: str) -> Any:
    return importlib.import_module(f"sqlalchemy.dialects.{name}").dialect  # the other one is never imported


def driver(connection: Connection) -> Any:
    """The driver's own connection."""
    return connection.connection.driver_connection
