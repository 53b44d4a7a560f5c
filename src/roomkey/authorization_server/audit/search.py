"""Search the audit log by actor, action and subject, in pages, the newest events first."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from roomkey.authorization_server.commands.paging import LARGEST, USUAL, Page, page_of
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LONGEST_NUMBER: Final = 15


@dataclass(frozen=True, slots=True)
class Event:
    """One event of the audit log.

    Attributes:
        number: position in the chain, from 1.
        at: seconds since 1970.
        actor: such as ``user:usr_…`` or ``console``.
        action: such as ``app_token.revoked``.
        subject_kind, subject, tenant: the object of the action, and its tenant.
        address: IP address of the actor.
        details: values before and after, without secrets.
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


def find(
    uow: UnitOfWork,
    *,
    actor: str = "",
    action: str = "",
    subject: str = "",
    after: str | None = None,
    limit: int = USUAL,
) -> Page[Event]:
    """Events that the actor may see, the newest first; an empty filter admits all. Raises NotAllowed and Invalid.

    ``action`` may be a prefix, such as ``app_token.``.
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
            raise Invalid("after= must be the cursor of a previous page.", field="after")
        statement = statement.where(audit_events.c.number < int(after))
    rows = uow.connection.execute(statement.order_by(audit_events.c.number.desc()).limit(limit + 1)).all()
    return page_of(rows, limit, lambda shown: [_event(row) for row in shown], lambda row: str(row.number))


def _event(row: Any) -> Event:
    values = {name: getattr(row, name) for name in Event.__slots__}
    return Event(**values | {"details": json.loads(row.details)})
