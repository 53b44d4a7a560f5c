"""Lists in pages: a page begins after the last item of the one before, which its cursor names in plain text."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from sqlalchemy import Column, Select, and_, or_

from roomkey.authorization_server.errors import Invalid

Item = TypeVar("Item")
LARGEST: Final = 200
USUAL: Final = 50
_LONGEST_CURSOR: Final = 256


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list.

    Attributes:
        items: in the order of the list.
        after: what to ask with for those that follow; None at the end.
    """

    items: tuple[Item, ...]
    after: str | None


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


def _check(after: str | None, limit: int) -> None:
    if not 1 <= limit <= LARGEST:
        raise Invalid(f"A page has 1 to {LARGEST} items.", field="limit")
    if after is not None and (len(after) > _LONGEST_CURSOR or not after.isprintable()):
        raise Invalid("The cursor is not one that a list gave out.", field="after")


def page_of(
    rows: Sequence[Any], limit: int, make: Callable[[Sequence[Any]], Sequence[Item]], cursor: Callable[[Any], str]
) -> Page[Item]:
    """The page of ``rows``, of which there is one more than ``limit`` where more follow.

    ``make`` turns the rows of the page into its items, ``cursor`` names a row.
    """
    shown = rows[:limit]
    return Page(tuple(make(shown)), cursor(shown[-1]) if len(rows) > limit else None)


def all_items(find: Callable[..., Page[Item]]) -> tuple[Item, ...]:
    """The items of all pages of ``find(after=, limit=)``."""
    page = find(after=None, limit=LARGEST)
    items = page.items
    while page.after is not None:
        page = find(after=page.after, limit=LARGEST)
        items += page.items
    return items
