"""Names for what tables know by ids: people and tenants."""

from collections.abc import Iterable

from sqlalchemy import select

from roomkey.authorization_server.accounts import tenants
from roomkey.authorization_server.audit_log import Event
from roomkey.authorization_server.schema.people import users
from roomkey.authorization_server.work import Work


def names_of(work: Work, ids: Iterable[str | None]) -> dict[str, str]:
    """How the users with these ids are called, as far as the actor sees them."""
    wanted = {user_id for user_id in ids if user_id}
    rows = work.connection.execute(select(users.c.id, users.c.username, users.c.tenant).where(users.c.id.in_(wanted)))
    return {row.id: row.username for row in rows if work.actor.sees(row.tenant) or row.tenant is None}


def names_in(work: Work, events: Iterable[Event]) -> dict[str, str]:
    """Names for who acts and for what is acted on in ``events``, by what stands there."""
    told = tuple(events)
    actors = {event.actor: event.actor.removeprefix("user:") for event in told if event.actor.startswith("user:")}
    subjects = [event.subject for event in told if event.subject_kind == "user"]
    names = names_of(work, [*actors.values(), *subjects])
    return names | {actor: names[user_id] for actor, user_id in actors.items() if user_id in names}


def tenant_choices(work: Work) -> tuple[tuple[str, str], ...]:
    """What an actor of all tenants can choose among; empty where there is nothing to choose."""
    found = tenants.find(work, limit=200).items if work.actor.tenant is None else ()
    return (("", "all tenants"), *((each.name, each.name) for each in found)) if found else ()
