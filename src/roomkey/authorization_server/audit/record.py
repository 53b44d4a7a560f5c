"""Write audit events: append-only, hash-chained, in the transaction of the act itself."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import insert, select

from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.unit_of_work import UnitOfWork

FIRST_PREVIOUS: Final = bytes(32)
"""The value that stands for the hash before the first event."""
_LONGEST: Final = 65_536  # characters: more than a request can hold, before and after together


@dataclass(frozen=True, slots=True)
class Subject:
    """Object of an event: its kind, its id and its tenant."""

    kind: str
    id: str
    tenant: str | None = None


def record_event(uow: UnitOfWork, action: str, subject: Subject, **details: Any) -> None:
    """Record ``action``, such as ``app_token.revoked``; ``details`` never hold secrets.

    The event is part of the transaction: an act that cannot be recorded fails.
    """
    connection = uow.connection
    uow.lock_audit_log()  # one chain for all nodes
    latest = connection.execute(
        select(audit_events.c.number, audit_events.c.hash).order_by(audit_events.c.number.desc()).limit(1)
    ).first()
    number, previous = (0, FIRST_PREVIOUS) if latest is None else (latest.number, bytes(latest.hash))
    text = json.dumps(details, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    event = {
        "number": number + 1,
        "at": uow.now,
        "actor": str(uow.actor),
        "action": action,
        "subject_kind": subject.kind,
        "subject": subject.id,
        "tenant": subject.tenant,
        "address": uow.actor.address,
        "details": text if len(text) <= _LONGEST else json.dumps({"beginning": text[: _LONGEST // 2]}),
        "previous": previous,
    }
    connection.execute(insert(audit_events).values(**event, hash=event_hash(event)))


def event_hash(event: Mapping[str, Any]) -> bytes:
    """SHA-256 of the event without its own hash, as canonical JSON (pure)."""
    fields = {name: value.hex() if isinstance(value, bytes) else value for name, value in event.items()}
    return hashlib.sha256(json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()).digest()
