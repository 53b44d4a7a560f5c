"""Key adoption: the keys by state, and the APIs that report to hold each of them.

A new key can sign as soon as every validator holds it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from sqlalchemy import delete, insert, select

from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.errors import Invalid, NotAllowed
from roomkey.authorization_server.keys.key_record import KeyRecord, KeyState, read_keys
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.signing_keys import held_keys
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

MAX_KIDS: Final = 100
_RECENT: Final = DAY


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key and its adoption.

    Attributes:
        key: its name, algorithm, state and times.
        signs_from: for a next key, when it may sign, in seconds since 1970; else None.
        held_by, lacking: of the APIs that report the keys that they hold, those that have it and those that have not.
    """

    key: KeyRecord
    signs_from: int | None
    held_by: tuple[str, ...]
    lacking: tuple[str, ...]


def list_key_states(uow: UnitOfWork, *, removed: bool = False) -> tuple[KeyStatus, ...]:
    """List the keys in the order of their creation, with the ``removed`` ones if wanted. Raises NotAllowed."""
    uow.demand(Permission.READ)
    reports = _reports(uow)
    return tuple(
        KeyStatus(
            key,
            key.signs_from(uow.settings) if key.state is KeyState.NEXT else None,
            tuple(audience for audience, kids in reports.items() if key.kid in kids),
            () if key.state is KeyState.REMOVED else _lacking(reports, key.kid),
        )
        for key in read_keys(uow, removed=removed)
    )


def lacking(uow: UnitOfWork, kid: str) -> tuple[str, ...]:
    """Return the audiences of the APIs that have reported within a day, but not ``kid``; sorted by name."""
    return _lacking(_reports(uow), kid)


def report_held_keys(uow: UnitOfWork, kids: Sequence[str]) -> tuple[str, ...]:
    """Record that the API whose account acts holds the keys ``kids``, and no others of this service.

    Returns those of them that the service knows; the rest are not stored. Raises NotAllowed for an actor that is no
    API, and Invalid for more than 100 names.
    """
    client_id = uow.actor.id
    is_api = select(apis.c.audience).where(apis.c.client_id == client_id, apis.c.disabled_at.is_(None))
    is_api = is_api.with_for_update(key_share=True)  # the processes of one API may report at once, to several nodes
    if uow.actor.kind is not ActorKind.SERVICE_ACCOUNT or uow.connection.scalar(is_api) is None:
        raise NotAllowed("Only an API's own account can report the keys that the API holds.")
    if len(kids) > MAX_KIDS:
        raise Invalid(f"kids has more than {MAX_KIDS} names; report the keys of this service only.", field="kids")
    known = tuple(key.kid for key in read_keys(uow) if key.kid in set(kids))
    uow.connection.execute(delete(held_keys).where(held_keys.c.client_id == client_id))
    if known:
        rows = [{"client_id": client_id, "kid": kid, "reported_at": uow.now} for kid in known]
        uow.connection.execute(insert(held_keys), rows)
    return known


def _lacking(reports: dict[str, set[str]], kid: str) -> tuple[str, ...]:
    return tuple(audience for audience, kids in reports.items() if kid not in kids)


def _reports(uow: UnitOfWork) -> dict[str, set[str]]:
    """Read the key names that each API has reported within a day, by audience."""
    rows = uow.connection.execute(
        select(apis.c.audience, apis.c.tenant, held_keys.c.kid)
        .join(apis, apis.c.client_id == held_keys.c.client_id)
        .where(held_keys.c.reported_at > uow.now - _RECENT, apis.c.disabled_at.is_(None))
        .order_by(apis.c.audience)
    )
    reports: dict[str, set[str]] = {}
    for row in rows:
        if uow.actor.sees(row.tenant):
            reports.setdefault(row.audience, set()).add(row.kid)
    return reports
