"""What validators say that they hold: a new key signs without surprise where all of them have it already."""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import delete, insert, select

from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.errors import Invalid, NotAllowed
from roomkey.authorization_server.keys.key_record import read_keys
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.keys import held_keys
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

MOST_KIDS: Final = 100
_RECENT: Final = DAY


def report_held_keys(uow: UnitOfWork, kids: Sequence[str]) -> tuple[str, ...]:
    """Write down that the API whose account acts holds the keys ``kids``, and no others of this service.

    Returns those of them that the service knows; the rest are not kept. Raises NotAllowed for whoever is no API, and
    Invalid for more than 100 names.
    """
    client_id = uow.actor.id
    is_api = select(apis.c.audience).where(apis.c.client_id == client_id, apis.c.disabled_at.is_(None))
    is_api = is_api.with_for_update(key_share=True)  # the processes of one API may report at once, to several nodes
    if uow.actor.kind is not ActorKind.SERVICE_ACCOUNT or uow.connection.scalar(is_api) is None:
        raise NotAllowed("Only an API's own account says which keys the API holds.")
    if len(kids) > MOST_KIDS:
        raise Invalid(f"An API holds at most {MOST_KIDS} keys.", field="kids")
    known = tuple(key.kid for key in read_keys(uow) if key.kid in set(kids))
    uow.connection.execute(delete(held_keys).where(held_keys.c.client_id == client_id))
    if known:
        rows = [{"client_id": client_id, "kid": kid, "reported_at": uow.now} for kid in known]
        uow.connection.execute(insert(held_keys), rows)
    return known


def lacking(uow: UnitOfWork, kid: str) -> tuple[str, ...]:
    """The audiences of the APIs that have reported within a day, and not ``kid``; in the order of their names."""
    return tuple(audience for audience, held in _reports(uow).items() if kid not in held)


def holding(uow: UnitOfWork, kid: str) -> tuple[str, ...]:
    """The audiences of the APIs that have reported within a day, and ``kid`` with it."""
    return tuple(audience for audience, held in _reports(uow).items() if kid in held)


def _reports(uow: UnitOfWork) -> dict[str, set[str]]:
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
