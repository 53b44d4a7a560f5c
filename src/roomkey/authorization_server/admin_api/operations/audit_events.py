"""The audit log."""

from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server import audit_log
from roomkey.authorization_server.accounts.page import USUAL, Page
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """A page of audit events, the newest first: of an actor, of an action or its beginning, about a subject."""

    after: str | None = None
    limit: int = USUAL
    actor: str = ""
    action: str = ""
    subject: str = ""


def _events(work: Work, asked: Asked) -> Page[audit_log.Event]:
    query: EventQuery = asked.query
    return audit_log.find(
        work,
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
        answer=Page[audit_log.Event],
        act=_events,
    ),
)
