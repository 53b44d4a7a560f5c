"""App tokens: made and shown once, listed, rotated with an overlap, revoked."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import insert, select, update

from roomkey.authorization_server.accounts import app_token_ends
from roomkey.authorization_server.accounts.api import visible_api
from roomkey.authorization_server.accounts.app_token import (
    AppToken,
    Order,
    app_token_of,
    checked_order,
    needs_approval,
    visible_app_token,
    with_tenant,
)
from roomkey.authorization_server.accounts.bounds import demand_not_stronger, roles_within
from roomkey.authorization_server.accounts.page import USUAL, Page, newest_first, page_of
from roomkey.authorization_server.accounts.syntax import checked_seconds, checked_text
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.keys.published_keys import read_signing_keys
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.lists.status_list import status_claim
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.tokens.issue import NewAccessToken, TokenGrant, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

LONGEST_OVERLAP: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class NewAppToken:
    """An app token that was just made; ``minted.value`` is the token, to be shown once."""

    app_token: AppToken
    minted: NewAccessToken


def create(
    uow: UnitOfWork,
    *,
    client_id: str,
    audience: str,
    scopes: Iterable[str],
    lifetime: int,
    token_format: str | None = None,
) -> NewAppToken:
    """A new app token that lives ``lifetime`` seconds; for administrators, others ask by a token request.

    Without a format it has that of the API. Raises NotFound, Invalid, NotAllowed, Conflict.
    """
    uow.demand(Permission.CHANGE_ACCOUNTS)
    uow.lock_admin_changes()
    order = checked_order(
        uow, client_id=client_id, audience=audience, scopes=scopes, lifetime=lifetime, token_format=token_format
    )
    if order.api.needs_approval and uow.actor.kind is not ActorKind.CONSOLE:
        raise NotAllowed(f"App tokens for {audience} need somebody else's approval; ask for one by a token request.")
    demand_not_stronger(uow, client_id, order.account.roles)
    made = issue(uow, order, owner_id=uow.actor.id if uow.actor.kind is ActorKind.USER else None)
    record_event(uow, "app_token.created", _subject(made.app_token), **_told(made.app_token))
    return made


def issue(uow: UnitOfWork, order: Order, *, owner_id: str | None) -> NewAppToken:
    """Make the token of an order that was checked and agreed to; writes no audit event."""
    account, api = order.account, order.api
    grant = TokenGrant(
        client_id=account.client_id,
        audience=api.audience,
        scope=order.scopes,
        roles=roles_within(uow, account.roles),
        tenant=account.tenant,
    )
    status_index = uow.next_number("status_index") - 1
    minted = create_access_token(
        grant,
        issuer=uow.settings.issuer,
        now=uow.now,
        lifetime=order.lifetime,
        signer=signer(
            read_signing_keys(uow),
            uow.keyring,
            audience=api.audience,
            token_format=order.token_format,
            algorithm=api.algorithm,
            shared_secret=uow.connection.scalar(select(apis.c.shared_secret).where(apis.c.audience == api.audience)),
        ),
        status=status_claim(uow.settings, status_index),
    )
    record_tokens(uow.connection, minted)
    id_ = new_id("tok")
    uow.connection.execute(
        insert(app_tokens).values(
            id=id_,
            digest=minted.digest,
            status_index=status_index,
            client_id=account.client_id,
            audience=api.audience,
            scope=" ".join(order.scopes),
            token_format=order.token_format,
            hint=minted.hint,
            owner_id=owner_id,
            created_by=str(uow.actor),
            created_at=uow.now,
            expires_at=minted.expires_at,
            exp=minted.expires_at,
        )
    )
    return NewAppToken(visible_app_token(uow, id_), minted)


def get(uow: UnitOfWork, id_: str) -> AppToken:
    """One app token; raises NotFound where there is none that the actor sees."""
    uow.demand(Permission.READ)
    return visible_app_token(uow, id_)


def find(
    uow: UnitOfWork,
    *,
    after: str | None = None,
    limit: int = USUAL,
    client_id: str | None = None,
    audience: str | None = None,
    owner_id: str | None = None,
    live: bool = False,
) -> Page[AppToken]:
    """The app tokens that the actor sees, the newest first: of an account, an API, an owner, or ``live`` ones."""
    uow.demand(Permission.READ)
    statement = with_tenant()
    if uow.actor.tenant is not None:
        statement = statement.where(statement.selected_columns.tenant == uow.actor.tenant)
    for column, value in (("client_id", client_id), ("audience", audience), ("owner_id", owner_id)):
        if value is not None:
            statement = statement.where(app_tokens.c[column] == value)
    if live:
        statement = statement.where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > uow.now)
    paged = newest_first(statement, app_tokens.c.created_at, app_tokens.c.id, after=after, limit=limit)
    rows = uow.connection.execute(paged).all()
    return page_of(rows, limit, lambda shown: list(map(app_token_of, shown)), lambda row: f"{row.created_at}.{row.id}")


def rotate(uow: UnitOfWork, id_: str, *, overlap: int = 0, lifetime: int | None = None) -> NewAppToken:
    """A new token in place of one that lives, which stays good for ``overlap`` seconds, or to its own end.

    It allows what the old one did, and lives as long as that was made for, or ``lifetime`` seconds; where tokens need
    approval it does not outlive what was approved. Raises NotFound, NotAllowed, Invalid, and Conflict for a token that
    has ended or was rotated before.
    """
    old = _changeable(uow, id_, Permission.CHANGE_ACCOUNTS)
    checked_seconds(overlap, "overlap", least=0, most=LONGEST_OVERLAP)
    if old.state(uow.now) != "live":
        raise Conflict(f"The app token {id_} is {old.state(uow.now)}; only one that lives can be rotated.")
    order = _renewed(uow, old, lifetime)
    made = issue(uow, order, owner_id=old.owner_id)
    until = min(old.expires_at, uow.now + overlap)
    replaced: dict[str, Any] = {"replaced_by": made.app_token.id, "expires_at": until}
    row = uow.connection.scalar(
        update(app_tokens).where(app_tokens.c.id == id_).values(replaced).returning(app_tokens.c.digest)
    )
    uow.connection.execute(update(access_tokens).where(access_tokens.c.digest == row).values(expires_at=until))
    subject = _subject(old)
    record_event(uow, "app_token.rotated", subject, old_until=until, new=made.app_token.id, **_told(made.app_token))
    return made


def revoke(uow: UnitOfWork, id_: str, *, reason: str = "") -> AppToken:
    """End the app token now; where it has ended, do nothing. Raises NotFound, NotAllowed."""
    token = _changeable(uow, id_, Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS)
    if not app_token_ends.end(uow, [id_]):
        return token
    record_event(uow, "app_token.revoked", _subject(token), reason=checked_text(reason, "reason"))
    return visible_app_token(uow, id_)


def _changeable(uow: UnitOfWork, id_: str, *permissions: Permission) -> AppToken:
    """The token, where the actor has one of ``permissions`` or owns it and may ask for tokens."""
    uow.demand(*permissions, Permission.REQUEST_TOKENS)
    uow.lock_admin_changes()
    token = visible_app_token(uow, id_)
    own = uow.actor.kind is ActorKind.USER and token.owner_id == uow.actor.id
    if not own and not any(uow.actor.may(permission) for permission in permissions):
        raise NotAllowed(f"The app token {id_} is not yours; ask its owner or an administrator.")
    return token


def _renewed(uow: UnitOfWork, old: AppToken, lifetime: int | None) -> Order:
    longest = visible_api(uow, old.audience).longest_app_token
    order = checked_order(
        uow,
        client_id=old.client_id,
        audience=old.audience,
        scopes=old.scopes,
        lifetime=min(old.lifetime, longest) if lifetime is None else lifetime,
        token_format=old.token_format,
    )
    demand_not_stronger(uow, old.client_id, order.account.roles)
    if needs_approval(uow, order) and uow.actor.kind is not ActorKind.CONSOLE:
        return replace(order, lifetime=min(order.lifetime, old.expires_at - uow.now))
    return order


def _subject(token: AppToken) -> Subject:
    return Subject("app_token", token.id, token.tenant)


def _told(token: AppToken) -> dict[str, Any]:
    return {
        "client_id": token.client_id,
        "audience": token.audience,
        "scopes": " ".join(token.scopes),
        "expires_at": token.expires_at,
        "token_format": token.token_format,
        "hint": token.hint,
    }
