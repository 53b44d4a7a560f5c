"""The metadata that all tables share, and the naming convention of constraints and indexes."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Index, MetaData, Table, event

metadata: Final = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def partial_index(name: str, *columns: Any, where: ColumnElement[bool], unique: bool = False) -> Index:
    """An index of the rows that ``where`` is true of.

    PostgreSQL is told when its tables are created: to name its option here would import its dialect into every process.
    """
    index = Index(name, *columns, unique=unique, sqlite_where=where)

    def tell_postgresql(_table: Table, connection: Connection, **_: Any) -> None:
        if connection.dialect.name == "postgresql":
            index.dialect_kwargs["postgresql_where"] = where

    assert index.table is not None  # noqa: S101 - its columns are those of a table
    event.listen(index.table, "before_create", tell_postgresql)
    return index
