"""The audit log: append-only, each event chained to the one before, written in the transaction that it tells of."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select

from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.unit_of_work import UnitOfWork

_BEGINNING: Final = bytes(32)
_LONGEST: Final = 65_536  # characters: more than a request can hold, before and after together
_PAGE: Final = 1000


@dataclass(frozen=True, slots=True)
class Subject:
    """What an event is about: its kind, its id and the tenant that it belongs to."""

    kind: str
    id: str
    tenant: str | None = None


@dataclass(frozen=True, slots=True)
class Broken:
    """Where the chain does not hold: the ``number`` of the first event that was changed, moved or taken out."""

    number: int


def record_event(uow: UnitOfWork, action: str, subject: Subject, **details: Any) -> None:
    """Write down that ``action`` was done, such as ``app_token.revoked``; ``details`` hold no secrets, ever.

    A change that cannot be written down fails with it: this is part of its transaction.
    """
    connection = uow.connection
    uow.lock_audit_log()  # one chain for all nodes
    latest = connection.execute(
        select(audit_events.c.number, audit_events.c.hash).order_by(audit_events.c.number.desc()).limit(1)
    ).first()
    number, previous = (0, _BEGINNING) if latest is None else (latest.number, bytes(latest.hash))
    words = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    event = {
        "number": number + 1,
        "at": uow.now,
        "actor": str(uow.actor),
        "action": action,
        "subject_kind": subject.kind,
        "subject": subject.id,
        "tenant": subject.tenant,
        "address": uow.actor.address,
        "details": words if len(words) <= _LONGEST else json.dumps({"beginning": words[: _LONGEST // 2]}),
        "previous": previous,
    }
    connection.execute(insert(audit_events).values(**event, hash=_hash(event)))


def verify(connection: Connection, *, after: int = 0) -> Broken | None:
    """None where the chain of all events ``after`` that number holds, else where it breaks. Reads them, in pages."""
    number, previous = after, _BEGINNING
    if after:
        before = connection.scalar(select(audit_events.c.hash).where(audit_events.c.number == after))
        if before is None:
            return Broken(after)
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
            if row.number != expected or bytes(row.previous) != previous or _hash(event) != stored:
                return Broken(expected)
            number, previous = row.number, stored


def _hash(event: Mapping[str, Any]) -> bytes:
    members = {name: value.hex() if isinstance(value, bytes) else value for name, value in event.items()}
    return hashlib.sha256(json.dumps(members, sort_keys=True, separators=(",", ":")).encode()).digest()
