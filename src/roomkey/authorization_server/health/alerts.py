"""Alerts of the dashboard: the rules that concern the signed-in user, with what each is about."""

import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, func, select

from roomkey.authorization_server.accounts.service_accounts.model import BUILT_IN
from roomkey.authorization_server.accounts.token_requests.commands import ListTokenRequests
from roomkey.authorization_server.health import rules
from roomkey.authorization_server.identity import users as user_acts
from roomkey.authorization_server.keys.adoption import list_key_states
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.lists.deny_list import MAX_DENIED, count_revoked_tokens
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis, service_accounts
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.schema.tokens import app_tokens
from roomkey.authorization_server.unit_of_work import UnitOfWork

_NEARLY_FULL: Final = 0.8


class AlertKind(enum.StrEnum):
    """The rule that an alert comes from."""

    AUDIT_CHAIN = "audit_chain"
    REQUEST_PENDING = "request_pending"
    TOKEN_TO_COLLECT = "token_to_collect"  # noqa: S105 - a name
    APP_TOKEN_EXPIRES = "app_token_expires"  # noqa: S105
    OWNER_DISABLED = "owner_disabled"
    SECRET_EXPIRES = "secret_expires"  # noqa: S105
    KEY_OVERDUE = "key_overdue"
    KEY_NOT_ADOPTED = "key_not_adopted"
    DENY_LIST_FULL = "deny_list_full"
    NO_SECOND_FACTOR = "no_second_factor"
    UNUSED_ACCOUNT = "unused_account"


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert.

    Attributes:
        kind: its rule.
        id: of the token, request, account, key or user; the number of the event for the audit chain; the percentage in
            use for the deny list.
        name: as pages show it.
        about: further details, such as the account of a token.
        at: the time in question, in seconds since 1970, or None.
    """

    kind: AlertKind
    id: str
    name: str
    about: str = ""
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Totals:
    """Numbers of valid app tokens, enabled service accounts, enabled APIs and users that the actor may see."""

    app_tokens: int
    service_accounts: int
    apis: int
    users: int


def count(uow: UnitOfWork) -> Totals:
    """Count them. Raises NotAllowed."""
    uow.demand(Permission.READ)
    account, own = service_accounts.c, _in_tenant(uow, service_accounts.c.tenant)
    of_accounts = app_tokens.join(service_accounts, account.client_id == app_tokens.c.client_id)
    counts = (
        select(func.count())
        .select_from(of_accounts)
        .where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > uow.now, *own),
        select(func.count()).where(account.kind == "app", account.disabled_at.is_(None), *own),
        select(func.count()).where(
            apis.c.disabled_at.is_(None), apis.c.audience != BUILT_IN, *_in_tenant(uow, apis.c.tenant)
        ),
        select(func.count()).where(users.c.deleted_at.is_(None), *_in_tenant(uow, users.c.tenant)),
    )
    return Totals(*(uow.connection.scalar(one) or 0 for one in counts))


def find(uow: UnitOfWork) -> tuple[Alert, ...]:
    """The actor's alerts, the most urgent kinds first, five of each kind at most; none without READ."""
    if not uow.actor.may(Permission.READ):
        return ()
    readers = (_audit, _requests, _app_tokens, _secrets, _keys, _deny_list, _users, _unused_accounts)
    return tuple(alert for read in readers for alert in read(uow))


def _audit(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.may(Permission.READ_AUDIT) and uow.actor.tenant is None:
        chain = rules.audit_chain(uow.connection)
        if not chain.holds:
            yield Alert(AlertKind.AUDIT_CHAIN, str(chain.number), f"event {chain.number}")


def _requests(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.may(Permission.APPROVE_TOKENS):
        pending = ListTokenRequests(state="pending", limit=rules.MOST + 1)(uow).items
        for one in [one for one in pending if one.requested_by != uow.actor.id][: rules.MOST]:
            requester = user_acts.find(uow, one.requested_by).username
            about = f"{one.client_id} at {one.audience}"
            yield Alert(AlertKind.REQUEST_PENDING, one.id, requester, about, one.lifetime)
    if uow.actor.may(Permission.REQUEST_TOKENS):
        for one in ListTokenRequests(state="approved", own=True, limit=rules.MOST)(uow).items:
            if one.collectable(uow.now):
                yield Alert(AlertKind.TOKEN_TO_COLLECT, one.id, one.client_id, one.audience, one.decided_at)


def _app_tokens(uow: UnitOfWork) -> Iterator[Alert]:
    tenant = _in_tenant(uow, service_accounts.c.tenant)
    if not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        tenant = (*tenant, app_tokens.c.owner_id == uow.actor.id)
    for row in rules.expiring_app_tokens(uow.connection, uow.now, *tenant):
        yield Alert(AlertKind.APP_TOKEN_EXPIRES, row.id, row.hint, row.client_id, row.expires_at)
    if uow.actor.may(Permission.CHANGE_ACCOUNTS):
        for row in rules.orphaned_app_tokens(uow.connection, uow.now, *tenant):
            yield Alert(AlertKind.OWNER_DISABLED, row.id, row.hint, row.client_id, row.last_used_at)


def _secrets(uow: UnitOfWork) -> Iterator[Alert]:
    for row in rules.expiring_secrets(uow.connection, uow.now, service_accounts.c.kind == "app", *_own(uow)):
        about = "its successor has not been used yet" if row.replaced else "it has no successor"
        yield Alert(AlertKind.SECRET_EXPIRES, row.client_id, row.client_id, f"{row.hint}, {about}", row.expires_at)


def _keys(uow: UnitOfWork) -> Iterator[Alert]:
    if not uow.actor.may(Permission.CHANGE_KEYS) or uow.actor.tenant is not None:
        return
    for row in rules.overdue_keys(uow.connection, uow.now, uow.settings.signing_key_lifetime):
        yield Alert(AlertKind.KEY_OVERDUE, row.kid, row.algorithm, row.kid, row.due)
    for one in list_key_states(uow):
        if one.key.state is not KeyState.RETIRING and one.lacking:
            about = ", ".join(one.lacking)
            yield Alert(AlertKind.KEY_NOT_ADOPTED, one.key.kid, one.key.algorithm, about, one.signs_from)


def _deny_list(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.tenant is None:
        revoked = count_revoked_tokens(uow)
        if revoked > _NEARLY_FULL * MAX_DENIED:
            percent = str(100 * revoked // MAX_DENIED)
            yield Alert(AlertKind.DENY_LIST_FULL, percent, "deny list", f"{revoked:,} of {MAX_DENIED:,} tokens")


def _users(uow: UnitOfWork) -> Iterator[Alert]:
    if uow.actor.may(Permission.READ_USERS):
        for row in rules.users_without_second_factor(uow.connection, *_in_tenant(uow, users.c.tenant)):
            yield Alert(AlertKind.NO_SECOND_FACTOR, row.id, row.username, row.role, row.last_seen_at)


def _unused_accounts(uow: UnitOfWork) -> Iterator[Alert]:
    for row in rules.unused_accounts(uow.connection, uow.now, *_own(uow)):
        yield Alert(AlertKind.UNUSED_ACCOUNT, row.client_id, row.client_id, row.description, row.created_at)


def _in_tenant(uow: UnitOfWork, column: Any) -> tuple[ColumnElement[bool], ...]:
    return () if uow.actor.tenant is None else (column == uow.actor.tenant,)


def _own(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """Accounts of the actor's tenant; the actor's own alone where they may change no others."""
    mine = () if uow.actor.may(Permission.CHANGE_ACCOUNTS) else (service_accounts.c.owner_id == uow.actor.id,)
    return *_in_tenant(uow, service_accounts.c.tenant), *mine
