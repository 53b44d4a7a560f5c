"""The audit log as it is read: events by page, the newest first, and whether their chain holds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import func, select

from roomkey.authorization_server.accounts.page import LARGEST, USUAL, Page, page_of
from roomkey.authorization_server.audit import record
from roomkey.authorization_server.errors import Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LONGEST_NUMBER: Final = 15


@dataclass(frozen=True, slots=True)
class Event:
    """Something that was done.

    Attributes:
        number: its place in the chain, from 1.
        at: seconds since 1970.
        actor: who, such as ``user:usr_…`` or ``console``.
        action: what, such as ``app_token.revoked``.
        subject_kind, subject, tenant: about what, and whose that is.
        address: from where.
        details: before and after, without secrets.
    """

    number: int
    at: int
    actor: str
    action: str
    subject_kind: str
    subject: str
    tenant: str | None
    address: str
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Whether the chain holds: up to ``number``, or no further than before ``number``."""

    holds: bool
    number: int


def find(
    uow: UnitOfWork,
    *,
    actor: str = "",
    action: str = "",
    subject: str = "",
    after: str | None = None,
    limit: int = USUAL,
) -> Page[Event]:
    """Events that the actor sees, the newest first; a filter that is empty lets all through. Raises Invalid.

    ``action`` may be the beginning of one, such as ``app_token.``.
    """
    uow.demand(Permission.READ_AUDIT)
    if not 1 <= limit <= LARGEST:
        raise Invalid(f"A page has 1 to {LARGEST} items.", field="limit")
    statement = select(audit_events)
    if uow.actor.tenant is not None:
        statement = statement.where(audit_events.c.tenant == uow.actor.tenant)
    for column, value in ((audit_events.c.actor, actor), (audit_events.c.subject, subject)):
        if value:
            statement = statement.where(column == value)
    if action:
        statement = statement.where(audit_events.c.action.startswith(action, autoescape=True))
    if after is not None:
        if not (after.isascii() and after.isdecimal() and len(after) <= _LONGEST_NUMBER):
            raise Invalid("The cursor is not one that a list gave out.", field="after")
        statement = statement.where(audit_events.c.number < int(after))
    rows = uow.connection.execute(statement.order_by(audit_events.c.number.desc()).limit(limit + 1)).all()
    return page_of(rows, limit, lambda shown: [_event(row) for row in shown], lambda row: str(row.number))


def verify(uow: UnitOfWork) -> ChainStatus:
    """Whether every event is what it was when it was written; reads them all. Raises NotAllowed."""
    uow.demand(Permission.READ_AUDIT)
    if uow.actor.tenant is not None:
        raise NotAllowed("The chain is that of all tenants; ask an auditor of the whole service.")
    broken = record.verify(uow.connection)
    if broken is not None:
        return ChainStatus(holds=False, number=broken.number)
    return ChainStatus(holds=True, number=uow.connection.scalar(select(func.max(audit_events.c.number))) or 0)


def verify_latest(uow: UnitOfWork, count: int) -> ChainStatus:
    """Whether the latest ``count`` events are what they were when they were written: quick, for each visit."""
    uow.demand(Permission.READ_AUDIT)
    last = uow.connection.scalar(select(func.max(audit_events.c.number))) or 0
    broken = record.verify(uow.connection, after=max(0, last - count))
    return ChainStatus(holds=True, number=last) if broken is None else ChainStatus(holds=False, number=broken.number)


def _event(row: Any) -> Event:
    values = {name: getattr(row, name) for name in Event.__slots__}
    return Event(**values | {"details": json.loads(row.details)})
