"""What needs somebody's attention, found by a few indexed readings; each alert names what it is about."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, exists, func, or_, select

from roomkey.authorization_server.accounts import token_requests
from roomkey.authorization_server.accounts.service_account import BUILT_IN
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.identity import users as people
from roomkey.authorization_server.keys.by_state import list_key_states
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.lists.deny_list import MAX_DENIED, count_revoked_tokens
from roomkey.authorization_server.permissions import Permission, Role
from roomkey.authorization_server.schema.accounts import account_secrets, apis, service_accounts
from roomkey.authorization_server.schema.identity import passkeys, user_roles, users
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork

SOON: Final = 7 * DAY
UNUSED: Final = 90 * DAY
_MOST: Final = 5  # of each kind
_TAIL: Final = 200
_NEARLY_FULL: Final = 0.8


class AlertKind(enum.StrEnum):
    """What it is that needs attention."""

    AUDIT_CHAIN = "audit_chain"
    REQUEST_WAITS = "request_waits"
    TOKEN_TO_COLLECT = "token_to_collect"  # noqa: S105 - a name
    APP_TOKEN_ENDS = "app_token_ends"  # noqa: S105
    OWNER_GONE = "owner_gone"
    SECRET_ENDS = "secret_ends"  # noqa: S105
    KEY_OVERDUE = "key_overdue"
    KEY_LACKING = "key_lacking"
    DENY_LIST_FILLS = "deny_list_fills"
    NO_SECOND_FACTOR = "no_second_factor"
    UNUSED_ACCOUNT = "unused_account"


@dataclass(frozen=True, slots=True)
class Alert:
    """Something that needs attention.

    Attributes:
        kind: what it is.
        id: of the token, request, account, key or user; the number of the event for the audit chain; for the deny list
            how much of it is taken, in percent.
        name: how people call it.
        about: what else there is to say, such as the account of a token.
        at: the time that it is about, in seconds since 1970, or None.
    """

    kind: AlertKind
    id: str
    name: str
    about: str = ""
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is of each thing that the actor sees: live app tokens, accounts and APIs in use, users."""

    app_tokens: int
    service_accounts: int
    apis: int
    users: int


def count(uow: UnitOfWork) -> Totals:
    """How much there is. Raises NotAllowed."""
    uow.demand(Permission.READ)
    accounts, now = service_accounts.c, uow.now
    of_tokens = select(func.count()).select_from(
        app_tokens.join(service_accounts, accounts.client_id == app_tokens.c.client_id)
    )
    live = of_tokens.where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > now)
    in_use = select(func.count()).where(accounts.kind == "app", accounts.disabled_at.is_(None))
    doors = select(func.count()).where(
        apis.c.disabled_at.is_(None), apis.c.audience != BUILT_IN, *_of_tenant(uow, apis.c.tenant)
    )
    persons = select(func.count()).where(users.c.deleted_at.is_(None), *_of_tenant(uow, users.c.tenant))
    own = _of_tenant(uow, accounts.tenant)
    counted = (live.where(*own), in_use.where(*own), doors, persons)
    return Totals(*(uow.connection.scalar(one) or 0 for one in counted))


def find(uow: UnitOfWork) -> tuple[Alert, ...]:
    """What needs the actor's attention, the most pressing kinds first and five of each at most; empty without READ."""
    if not uow.actor.may(Permission.READ):
        return ()
    return tuple(
        alert
        for look in (_chain, _requests, _app_tokens, _secrets, _keys, _deny_list, _people, _unused_accounts)
        for alert in look(uow)
    )


def _chain(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.may(Permission.READ_AUDIT) and uow.actor.tenant is None:
        verdict = search.verify_latest(uow, _TAIL)
        if not verdict.holds:
            yield Alert(AlertKind.AUDIT_CHAIN, str(verdict.number), f"number {verdict.number}")


def _requests(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.may(Permission.APPROVE_TOKENS):
        pending = token_requests.find(uow, state="pending", limit=_MOST + 1).items
        for one in [one for one in pending if one.requested_by != uow.actor.id][:_MOST]:
            about = f"{one.client_id} at {one.audience}"
            yield Alert(
                AlertKind.REQUEST_WAITS, one.id, people.find(uow, one.requested_by).username, about, one.lifetime
            )
    if uow.actor.may(Permission.REQUEST_TOKENS):
        for one in token_requests.find(uow, state="approved", own=True, limit=_MOST).items:
            if one.collectable(uow.now):
                yield Alert(AlertKind.TOKEN_TO_COLLECT, one.id, one.client_id, one.audience, one.decided_at)


def _app_tokens(uow: UnitOfWork) -> Iterator[Alert]:
    owner = users.alias("owner")
    live = and_(
        app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > uow.now, app_tokens.c.replaced_by.is_(None)
    )
    base = (
        select(app_tokens)
        .join(service_accounts, service_accounts.c.client_id == app_tokens.c.client_id)
        .outerjoin(owner, owner.c.id == app_tokens.c.owner_id)
        .where(live, *_of_tenant(uow, service_accounts.c.tenant))
        .limit(_MOST)
    )
    everybody = uow.actor.may(Permission.CHANGE_ACCOUNTS)
    if not everybody:
        base = base.where(app_tokens.c.owner_id == uow.actor.id)
    ends = base.where(app_tokens.c.expires_at < uow.now + SOON).order_by(app_tokens.c.expires_at)
    for row in uow.connection.execute(ends):
        yield Alert(AlertKind.APP_TOKEN_ENDS, row.id, row.hint, row.client_id, row.expires_at)
    if everybody:
        gone = base.where(owner.c.disabled_at.is_not(None)).order_by(app_tokens.c.created_at)
        for row in uow.connection.execute(gone):
            yield Alert(AlertKind.OWNER_GONE, row.id, row.hint, row.client_id, row.last_used_at)


def _secrets(uow: UnitOfWork) -> Iterator[Alert]:
    """Old secrets that end soon and are still the ones in use."""
    later = account_secrets.alias("later")
    newer = exists().where(
        later.c.client_id == account_secrets.c.client_id,
        later.c.expires_at.is_(None),
        later.c.last_used_at.is_(None),
    )
    rows = uow.connection.execute(
        select(account_secrets)
        .join(service_accounts, service_accounts.c.client_id == account_secrets.c.client_id)
        .where(
            account_secrets.c.expires_at.between(uow.now, uow.now + SOON),
            account_secrets.c.last_used_at.is_not(None),
            newer,
            service_accounts.c.kind == "app",
            *_own(uow),
        )
        .order_by(account_secrets.c.expires_at)
        .limit(_MOST)
    )
    for row in rows:
        yield Alert(AlertKind.SECRET_ENDS, row.client_id, row.client_id, row.hint, row.expires_at)


def _keys(uow: UnitOfWork) -> Iterator[Alert]:
    if not uow.actor.may(Permission.CHANGE_KEYS) or uow.actor.tenant is not None:
        return
    every = list_key_states(uow)
    waiting = {one.key.algorithm for one in every if one.key.state is KeyState.NEXT}
    for one in every:
        key, since = one.key, one.key.activated_at or one.key.created_at
        due = since + uow.settings.signing_key_lifetime
        if key.state is KeyState.SIGNING and key.algorithm not in waiting and due + DAY < uow.now:
            yield Alert(AlertKind.KEY_OVERDUE, key.kid, key.algorithm, key.kid, due)
        if key.state is not KeyState.RETIRING and one.lacking:
            yield Alert(AlertKind.KEY_LACKING, key.kid, key.algorithm, ", ".join(one.lacking), one.signs_from)


def _deny_list(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.tenant is None:
        ended = count_revoked_tokens(uow)
        if ended > _NEARLY_FULL * MAX_DENIED:
            about = f"{ended:,} of {MAX_DENIED:,} tokens"
            yield Alert(AlertKind.DENY_LIST_FILLS, str(100 * ended // MAX_DENIED), "deny list", about)


def _people(uow: UnitOfWork) -> Iterator[Alert]:
    """People who may do much and have nothing but a password."""
    if not uow.actor.may(Permission.READ_USERS):
        return
    roles = [role.value for role in Role]
    rows = uow.connection.execute(
        select(users.c.id, users.c.username, func.min(user_roles.c.role).label("role"), users.c.last_seen_at)
        .join(user_roles, user_roles.c.user_id == users.c.id)
        .where(
            user_roles.c.role.in_(roles),
            users.c.totp_confirmed_at.is_(None),
            ~exists().where(passkeys.c.user_id == users.c.id),
            users.c.disabled_at.is_(None),
            *_of_tenant(uow, users.c.tenant),
        )
        .group_by(users.c.id, users.c.username, users.c.last_seen_at)
        .order_by(users.c.username)
        .limit(_MOST)
    )
    for row in rows:
        yield Alert(AlertKind.NO_SECOND_FACTOR, row.id, row.username, row.role, row.last_seen_at)


def _unused_accounts(uow: UnitOfWork) -> Iterator[Alert]:
    """Accounts that prove themselves by a secret, and have neither used one nor an app token for long."""
    since = uow.now - UNUSED
    used = or_(
        exists().where(
            account_secrets.c.client_id == service_accounts.c.client_id, account_secrets.c.last_used_at > since
        ),
        exists().where(
            app_tokens.c.client_id == service_accounts.c.client_id,
            or_(app_tokens.c.last_used_at > since, app_tokens.c.created_at > since),
        ),
    )
    rows = uow.connection.execute(
        select(service_accounts)
        .where(
            service_accounts.c.kind == "app",
            service_accounts.c.disabled_at.is_(None),
            service_accounts.c.created_at < since,
            service_accounts.c.authentication.startswith("client_secret"),
            ~used,
            *_own(uow),
        )
        .order_by(service_accounts.c.client_id)
        .limit(_MOST)
    )
    for row in rows:
        yield Alert(AlertKind.UNUSED_ACCOUNT, row.client_id, row.client_id, row.description, row.created_at)


def _of_tenant(uow: UnitOfWork, column: Any) -> tuple[ColumnElement[bool], ...]:
    return () if uow.actor.tenant is None else (column == uow.actor.tenant,)


def _own(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """Accounts of the actor's tenant, and of those that are their own where they may change no others."""
    mine = () if uow.actor.may(Permission.CHANGE_ACCOUNTS) else (service_accounts.c.owner_id == uow.actor.id,)
    return *_of_tenant(uow, service_accounts.c.tenant), *mine
