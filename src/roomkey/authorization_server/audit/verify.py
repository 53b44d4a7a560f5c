"""Verify the hash chain of the audit log: find the first event that was changed, moved or removed."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, func, select

from roomkey.authorization_server.audit.record import FIRST_PREVIOUS, event_hash
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.unit_of_work import UnitOfWork

_PAGE: Final = 1000  # events


@dataclass(frozen=True, slots=True)
class ChainStatus:
    """Result of a verification: the chain ``holds`` up to event ``number``, or breaks at event ``number``."""

    holds: bool
    number: int


def verify(uow: UnitOfWork) -> ChainStatus:
    """Verify all events. Reads them all; raises NotAllowed."""
    uow.demand(Permission.READ_AUDIT)
    if uow.actor.tenant is not None:
        raise NotAllowed("The chain covers all tenants; ask an auditor of the whole service.")
    return _status(uow.connection, after=0)


def verify_latest(connection: Connection, count: int) -> ChainStatus:
    """Verify the latest ``count`` events alone."""
    return _status(connection, after=max(0, _last(connection) - count))


def find_break(connection: Connection, *, after: int = 0) -> int | None:
    """Number of the first event after event ``after`` at which the chain breaks, or None. Reads in pages."""
    number, previous = after, FIRST_PREVIOUS
    if after:
        before = connection.scalar(select(audit_events.c.hash).where(audit_events.c.number == after))
        if before is None:
            return after
        previous = bytes(before)
    while True:
        page = connection.execute(
            select(audit_events).where(audit_events.c.number > number).order_by(audit_events.c.number).limit(_PAGE)
        ).all()
        if not page:
            return None
        for row in page:
            event = dict(row._mapping)
            expected = number + 1
            stored = bytes(event.pop("hash"))
            if row.number != expected or bytes(row.previous) != previous or event_hash(event) != stored:
                return expected
            number, previous = row.number, stored


def _status(connection: Connection, *, after: int) -> ChainStatus:
    broken = find_break(connection, after=after)
    return ChainStatus(holds=broken is None, number=_last(connection) if broken is None else broken)


def _last(connection: Connection) -> int:
    return connection.scalar(select(func.max(audit_events.c.number))) or 0
