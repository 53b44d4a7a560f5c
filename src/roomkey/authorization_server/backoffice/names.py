"""Names for what tables know by ids: people and tenants."""

from collections.abc import Iterable

from sqlalchemy import select

from roomkey.authorization_server.accounts import tenants
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.unit_of_work import UnitOfWork


def names_of(uow: UnitOfWork, ids: Iterable[str | None]) -> dict[str, str]:
    """How the users with these ids are called, as far as the actor sees them."""
    wanted = {user_id for user_id in ids if user_id}
    rows = uow.connection.execute(select(users.c.id, users.c.username, users.c.tenant).where(users.c.id.in_(wanted)))
    return {row.id: row.username for row in rows if uow.actor.sees(row.tenant) or row.tenant is None}


def names_in(uow: UnitOfWork, events: Iterable[Event]) -> dict[str, str]:
    """Names for who acts and for what is acted on in ``events``, by what stands there."""
    told = tuple(events)
    actors = {event.actor: event.actor.removeprefix("user:") for event in told if event.actor.startswith("user:")}
    subjects = [event.subject for event in told if event.subject_kind == "user"]
    names = names_of(uow, [*actors.values(), *subjects])
    return names | {actor: names[user_id] for actor, user_id in actors.items() if user_id in names}


def tenant_choices(uow: UnitOfWork) -> tuple[tuple[str, str], ...]:
    """What an actor of all tenants can choose among; empty where there is nothing to choose."""
    found = tenants.find(uow, limit=200).items if uow.actor.tenant is None else ()
    return (("", "all tenants"), *((each.name, each.name) for each in found)) if found else ()
