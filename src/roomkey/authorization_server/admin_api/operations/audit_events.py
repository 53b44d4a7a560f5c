"""The audit log."""

from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.accounts.page import USUAL, Page
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """A page of audit events, the newest first: of an actor, of an action or its beginning, about a subject."""

    after: str | None = None
    limit: int = USUAL
    actor: str = ""
    action: str = ""
    subject: str = ""


def _events(uow: UnitOfWork, asked: Asked) -> Page[search.Event]:
    query: EventQuery = asked.query
    return search.find(
        uow,
        actor=query.actor,
        action=query.action,
        subject=query.subject,
        after=query.after,
        limit=query.limit,
    )


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/audit-events",
        name="list_audit_events",
        summary="List the events of the audit log.",
        permissions=(Permission.READ_AUDIT,),
        query=EventQuery,
        answer=Page[search.Event],
        act=_events,
    ),
)
