"""Values that several pages show: names for ids, tenants to choose from, token states, requests that wait."""

from collections.abc import Iterable
from typing import Final

from sqlalchemy import select

from roomkey.authorization_server.accounts.app_tokens.model import AppToken
from roomkey.authorization_server.accounts.tenants.commands import ListTenants
from roomkey.authorization_server.accounts.token_requests.commands import ListTokenRequests
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.health.rules import SOON
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.unit_of_work import UnitOfWork

_MOST: Final = 100
_TOKEN_STATES: Final = {
    "live": ("ok", "active"),
    "replaced": ("wait", "being replaced"),
    "expired": ("", "expired"),
    "revoked": ("bad", "revoked"),
}


def usernames(uow: UnitOfWork, ids: Iterable[str | None]) -> dict[str, str]:
    """Usernames of the users with these ids, as far as the actor sees them."""
    wanted = {user_id for user_id in ids if user_id}
    rows = uow.connection.execute(select(users.c.id, users.c.username, users.c.tenant).where(users.c.id.in_(wanted)))
    return {row.id: row.username for row in rows if uow.actor.sees(row.tenant) or row.tenant is None}


def event_names(uow: UnitOfWork, events: Iterable[Event]) -> dict[str, str]:
    """Usernames for the actors and subjects of ``events``, by the value that stands in the event."""
    shown = tuple(events)
    actors = {event.actor: event.actor.removeprefix("user:") for event in shown if event.actor.startswith("user:")}
    subjects = [event.subject for event in shown if event.subject_kind == "user"]
    names = usernames(uow, [*actors.values(), *subjects])
    return names | {actor: names[user_id] for actor, user_id in actors.items() if user_id in names}


def tenant_choices(uow: UnitOfWork) -> tuple[tuple[str, str], ...]:
    """Options for an actor of all tenants; empty where there is nothing to choose."""
    found = all_items(uow, ListTenants()) if uow.actor.tenant is None else ()
    return (("", "all tenants"), *((each.name, each.name) for each in found)) if found else ()


def token_state(token: AppToken, now: int) -> tuple[str, str]:
    """Kind and word of an app token's status."""
    state = token.state(now)
    if state == "live" and token.expires_at - now < min(SOON, token.lifetime // 2):
        return "warn", "expires soon"
    return _TOKEN_STATES[state]


def pending_requests(uow: UnitOfWork) -> int:
    """Number of token requests that wait for the actor, to be answered or collected; 100 at most."""
    actor, count = uow.actor, 0
    if actor.may(Permission.APPROVE_TOKENS):
        pending = ListTokenRequests(state="pending", limit=_MOST)(uow).items
        count += sum(one.requested_by != actor.id for one in pending)
    if actor.may(Permission.REQUEST_TOKENS):
        approved = ListTokenRequests(state="approved", own=True, limit=_MOST)(uow).items
        count += sum(one.collectable(uow.now) for one in approved)
    return min(count, _MOST)
