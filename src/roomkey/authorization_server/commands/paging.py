"""Lists in pages: a page begins after the last item of the one before, which its cursor names in plain text."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec
from msgspec import Meta
from sqlalchemy import Column, Select, and_, or_

from roomkey.authorization_server.commands.command import Command
from roomkey.authorization_server.commands.fields import Typed
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.unit_of_work import UnitOfWork

Item = TypeVar("Item")
LARGEST: Final = 200
USUAL: Final = 50
_LONGEST_CURSOR: Final = 256
_NEVER: Final = Typed(read="never")


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list.

    Attributes:
        items: in the order of the list.
        after: the cursor of those that follow; None at the end.
    """

    items: tuple[Item, ...]
    after: str | None


class ListCommand(Command[Page[Item]], Generic[Item], frozen=True):
    """A command that reads one page of a list."""

    after: Annotated[
        Annotated[str, Meta(max_length=_LONGEST_CURSOR, extra={"must be": "a cursor that a list gave out"})] | None,
        Meta(description="The cursor of the page: the after of the one before."),
        _NEVER,
    ] = None
    limit: Annotated[
        int, Meta(ge=1, le=LARGEST, description="Items of a page.", extra={"must be": f"from 1 to {LARGEST}"}), _NEVER
    ] = USUAL


def all_items(uow: UnitOfWork, listing: ListCommand[Item]) -> Iterator[Item]:
    """The items of all pages, beginning with the page that ``listing`` reads."""
    listing = msgspec.structs.replace(listing, limit=LARGEST)
    while True:
        page = listing(uow)
        yield from page.items
        if page.after is None:
            return
        listing = msgspec.structs.replace(listing, after=page.after)


def by_name(statement: Select[Any], column: Column[Any], *, after: str | None, limit: int) -> Select[Any]:
    """``statement`` for the page that begins after the name ``after``; raises Invalid."""
    _check(after, limit)
    if after is not None:
        statement = statement.where(column > after)
    return statement.order_by(column).limit(limit + 1)


def newest_first(
    statement: Select[Any], time: Column[Any], id_: Column[Any], *, after: str | None, limit: int
) -> Select[Any]:
    """``statement`` for the page after the cursor ``after`` (``time.id``), the newest first; raises Invalid."""
    _check(after, limit)
    if after is not None:
        at, dot, last = after.partition(".")
        if not (dot and at.isascii() and at.isdecimal() and len(at) <= 12):
            raise Invalid("The cursor is not one that a list gave out.", field="after")
        statement = statement.where(or_(time < int(at), and_(time == int(at), id_ > last)))
    return statement.order_by(time.desc(), id_).limit(limit + 1)


def page_of(
    rows: Sequence[Any],
    limit: int,
    make: Callable[[Sequence[Any]], Sequence[Item]],
    cursor: Callable[[Any], str],
) -> Page[Item]:
    """The page of ``rows``, of which there is one more than ``limit`` where more follow.

    ``make`` turns the rows of the page into its items, ``cursor`` names a row.
    """
    shown = rows[:limit]
    return Page(tuple(make(shown)), cursor(shown[-1]) if len(rows) > limit else None)


def _check(after: str | None, limit: int) -> None:
    if not 1 <= limit <= LARGEST:
        raise Invalid(f"The limit must be from 1 to {LARGEST}.", field="limit")
    if after is not None and (len(after) > _LONGEST_CURSOR or not after.isprintable()):
        raise Invalid("The cursor is not one that a list gave out.", field="after")
