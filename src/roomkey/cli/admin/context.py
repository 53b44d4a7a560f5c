"""Which service a command works on, and how it is opened: with all rights, and every act audited as "console"."""

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import typer

    from roomkey.authorization_server.accounts.page import Page
    from roomkey.authorization_server.service import Service
    from roomkey.authorization_server.unit_of_work import UnitOfWork

Result = TypeVar("Result")
Item = TypeVar("Item")
_LARGEST_PAGE = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where the service keeps its things; None where the settings say so."""

    data: Path | None = None
    database: str | None = None


@contextmanager
def opened(context: "typer.Context") -> "Iterator[Service]":
    """The service that the command line names, under the name by which it was last served. Blocks."""
    from roomkey.authorization_server.service import open_as_served
    from roomkey.authorization_server.settings_file import read_settings

    place = context.obj if isinstance(context.obj, Place) else Place()
    with open_as_served(read_settings(data=place.data, database=place.database)) as service:
        yield service


def done(context: "typer.Context", act: "Callable[[UnitOfWork], Result]") -> Result:
    """What ``act`` returns, once all that it changed is on the disk. Blocks."""
    from roomkey.authorization_server.actor import Actor

    with opened(context) as service, service.unit_of_work(Actor.console()) as uow:
        return act(uow)


def seen(context: "typer.Context", read: "Callable[[UnitOfWork], Result]") -> Result:
    """What ``read`` finds. Blocks."""
    from roomkey.authorization_server.actor import Actor

    with opened(context) as service, service.look(Actor.console()) as uow:
        return read(uow)


def all_pages(find: "Callable[[str | None, int], Page[Item]]") -> tuple[Item, ...]:
    """The items of all pages that ``find(after, limit)`` gives."""
    items: tuple[Item, ...] = ()
    after = None
    while True:
        page = find(after, _LARGEST_PAGE)
        items += page.items
        after = page.after
        if after is None:
            return items
