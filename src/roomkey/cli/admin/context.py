"""The service that a command of ``roomkey admin`` works on: with all rights, and every change audited as "console"."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import typer

    from roomkey.authorization_server.service import Service
    from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service keeps its things; None where the settings say so."""

    data: Path | None = None
    database: str | None = None


@contextmanager
def opened(context: "typer.Context", *, create: bool = True) -> "Iterator[Service]":
    """The service that the command line names, under the issuer that it was last served as. Blocks.

    Without ``create`` there must be one: raises ConfigurationError.
    """
    from roomkey.authorization_server.service import open_as_served
    from roomkey.authorization_server.settings_file import read_settings

    place = context.obj if isinstance(context.obj, Place) else Place()
    settings = read_settings(data=place.data, database=place.database)
    with open_as_served(settings, create=create) as service:
        yield service


@contextmanager
def changing(context: "typer.Context") -> "Iterator[UnitOfWork]":
    """A transaction that is on the disk when it ends; on a fresh machine the service is created. Blocks."""
    from roomkey.authorization_server.actor import Actor

    with opened(context) as service, service.unit_of_work(Actor.console()) as uow:
        yield uow


@contextmanager
def reading(context: "typer.Context") -> "Iterator[UnitOfWork]":
    """A transaction that only reads, and creates no service. Blocks."""
    from roomkey.authorization_server.actor import Actor

    with opened(context, create=False) as service, service.look(Actor.console()) as uow:
        yield uow
