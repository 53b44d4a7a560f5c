"""Search of issued tokens, by client or user: refresh token families and access tokens; revocation of a family."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, false, or_, select

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.commands.paging import USUAL, Page, newest_first, page_of
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import service_accounts
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.schema.tokens import access_tokens, token_families
from roomkey.authorization_server.tokens import revocation
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class TokenFamily:
    """All refresh tokens of one sign-in; times in seconds since 1970.

    Attributes:
        id: its name.
        client_id, user_id, username: the client, and the user that it acts for.
        audience, scope: the API, and the scopes that were granted at first.
        created_at, expires_at: the longest time that it is valid.
        revoked_at, reason: when and why it was revoked.
    """

    id: str
    client_id: str
    user_id: str | None
    username: str | None
    audience: str
    scope: str
    created_at: int
    expires_at: int
    revoked_at: int | None
    reason: str


@dataclass(frozen=True, slots=True)
class ActiveAccessToken:
    """A valid access token; times in seconds since 1970."""

    jti: str
    client_id: str
    username: str | None
    audience: str
    scope: str
    issued_at: int
    expires_at: int


def find_families(
    uow: UnitOfWork,
    *,
    client_id: str | None = None,
    user_id: str | None = None,
    after: str | None = None,
    limit: int = USUAL,
) -> Page[TokenFamily]:
    """List the families that the actor sees, the latest first: of a client, of a user, or all. Raises NotAllowed."""
    _demand(uow)
    which = _of(token_families.c, client_id, user_id)
    page = newest_first(
        _families(uow, *which), token_families.c.created_at, token_families.c.id, after=after, limit=limit
    )
    rows = uow.connection.execute(page).all()
    return page_of(rows, limit, lambda shown: [_family(row) for row in shown], lambda row: f"{row.created_at}.{row.id}")


def find_tokens(
    uow: UnitOfWork,
    *,
    client_id: str | None = None,
    user_id: str | None = None,
    limit: int = USUAL,
) -> tuple[ActiveAccessToken, ...]:
    """List the valid access tokens of a client or a user, those that expire last first. Raises NotAllowed.

    Without either the list is empty: a service may have issued millions.
    """
    _demand(uow)
    which = _of(access_tokens.c, client_id, user_id) or (false(),)
    rows = uow.connection.execute(
        select(access_tokens, users.c.username)
        .join(service_accounts, service_accounts.c.client_id == access_tokens.c.client_id)
        .outerjoin(users, users.c.id == access_tokens.c.user_id)
        .where(*which, *_seen(uow), access_tokens.c.expires_at > uow.now, access_tokens.c.revoked_at.is_(None))
        .order_by(access_tokens.c.expires_at.desc())
        .limit(limit)
    )
    return tuple(
        ActiveAccessToken(row.jti, row.client_id, row.username, row.audience, row.scope, row.issued_at, row.expires_at)
        for row in rows
    )


def get_family(uow: UnitOfWork, family_id: str) -> TokenFamily:
    """Read one family; raises NotFound where there is none that the actor sees, and NotAllowed."""
    _demand(uow)
    row = uow.connection.execute(_families(uow, token_families.c.id == family_id)).first()
    if row is None:
        raise NotFound("There is no such token family.")
    return _family(row)


def revoke_family(uow: UnitOfWork, family_id: str, *, reason: str = "") -> TokenFamily:
    """Revoke a family and its access tokens, unless it is revoked already. Raises NotFound and NotAllowed."""
    uow.demand(Permission.REVOKE_TOKENS)
    family = get_family(uow, family_id)
    if revocation.revoke_family(uow, family_id, reason=reason or "revoked by hand"):
        details = {"client_id": family.client_id, "user": family.user_id, "reason": reason}
        record_event(uow, "family.revoked", Subject("family", family_id, uow.actor.tenant), **details)
    return get_family(uow, family_id)


def _demand(uow: UnitOfWork) -> None:
    uow.demand(Permission.READ_USERS, Permission.REVOKE_TOKENS)


def _families(uow: UnitOfWork, *which: ColumnElement[bool]) -> Select[Any]:
    return (
        select(token_families, users.c.username)
        .join(service_accounts, service_accounts.c.client_id == token_families.c.client_id)
        .outerjoin(users, users.c.id == token_families.c.user_id)
        .where(*which, *_seen(uow))
    )


def _of(columns: Any, client_id: str | None, user_id: str | None) -> tuple[ColumnElement[bool], ...]:
    pairs = ((columns.client_id, client_id), (columns.user_id, user_id))
    return tuple(column == value for column, value in pairs if value is not None)


def _seen(uow: UnitOfWork) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that the client's and the user's tenant are the actor's own."""
    tenant = uow.actor.tenant
    if tenant is None:
        return ()
    return service_accounts.c.tenant == tenant, or_(users.c.id.is_(None), users.c.tenant == tenant)


def _family(row: Any) -> TokenFamily:
    return TokenFamily(**{name: getattr(row, name) for name in TokenFamily.__slots__})
