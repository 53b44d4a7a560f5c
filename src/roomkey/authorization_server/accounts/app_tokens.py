"""App tokens: made and shown once, listed, rotated with an overlap, revoked."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

from sqlalchemy import insert, select, update

from roomkey.authorization_server import audit
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
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.lists.status_list import status_claim
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.ledger import keep
from roomkey.authorization_server.tokens.minting import Minted, mint
from roomkey.authorization_server.work import Work, new_id

LONGEST_OVERLAP: Final = 30 * DAY


@dataclass(frozen=True, slots=True)
class NewAppToken:
    """An app token that was just made; ``minted.value`` is the token, to be shown once."""

    app_token: AppToken
    minted: Minted


def create(
    work: Work,
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
    work.demand(Permission.CHANGE_ACCOUNTS)
    work.alone()
    order = checked_order(
        work, client_id=client_id, audience=audience, scopes=scopes, lifetime=lifetime, token_format=token_format
    )
    if order.api.needs_approval and work.actor.kind is not ActorKind.CONSOLE:
        raise NotAllowed(f"App tokens for {audience} need somebody else's approval; ask for one by a token request.")
    demand_not_stronger(work, client_id, order.account.roles)
    made = issue(work, order, owner_id=work.actor.id if work.actor.kind is ActorKind.USER else None)
    audit.record(work, "app_token.created", _subject(made.app_token), **_told(made.app_token))
    return made


def issue(work: Work, order: Order, *, owner_id: str | None) -> NewAppToken:
    """Make the token of an order that was checked and agreed to; writes no audit event."""
    account, api = order.account, order.api
    grant = Grant(
        client_id=account.client_id,
        audience=api.audience,
        scope=order.scopes,
        roles=roles_within(work, account.roles),
        tenant=account.tenant,
    )
    status_index = work.count("status_index") - 1
    minted = mint(
        grant,
        issuer=work.settings.issuer,
        now=work.now,
        lifetime=order.lifetime,
        signer=signer(
            work.keys.load(work),
            work.sealed,
            audience=api.audience,
            token_format=order.token_format,
            algorithm=api.algorithm,
            shared_secret=work.connection.scalar(select(apis.c.shared_secret).where(apis.c.audience == api.audience)),
        ),
        status=status_claim(work.settings, status_index),
    )
    keep(work.connection, minted)
    id_ = new_id("tok")
    work.connection.execute(
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
            created_by=str(work.actor),
            created_at=work.now,
            expires_at=minted.expires_at,
            exp=minted.expires_at,
        )
    )
    return NewAppToken(visible_app_token(work, id_), minted)


def get(work: Work, id_: str) -> AppToken:
    """One app token; raises NotFound where there is none that the actor sees."""
    work.demand(Permission.READ)
    return visible_app_token(work, id_)


def find(
    work: Work,
    *,
    after: str | None = None,
    limit: int = USUAL,
    client_id: str | None = None,
    audience: str | None = None,
    owner_id: str | None = None,
    live: bool = False,
) -> Page[AppToken]:
    """The app tokens that the actor sees, the newest first: of an account, an API, an owner, or ``live`` ones."""
    work.demand(Permission.READ)
    statement = with_tenant()
    if work.actor.tenant is not None:
        statement = statement.where(statement.selected_columns.tenant == work.actor.tenant)
    for column, value in (("client_id", client_id), ("audience", audience), ("owner_id", owner_id)):
        if value is not None:
            statement = statement.where(app_tokens.c[column] == value)
    if live:
        statement = statement.where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > work.now)
    paged = newest_first(statement, app_tokens.c.created_at, app_tokens.c.id, after=after, limit=limit)
    rows = work.connection.execute(paged).all()
    return page_of(rows, limit, lambda shown: list(map(app_token_of, shown)), lambda row: f"{row.created_at}.{row.id}")


def rotate(work: Work, id_: str, *, overlap: int = 0, lifetime: int | None = None) -> NewAppToken:
    """A new token in place of one that lives, which stays good for ``overlap`` seconds, or to its own end.

    It allows what the old one did, and lives as long as that was made for, or ``lifetime`` seconds; where tokens need
    approval it does not outlive what was approved. Raises NotFound, NotAllowed, Invalid, and Conflict for a token that
    has ended or was rotated before.
    """
    old = _changeable(work, id_, Permission.CHANGE_ACCOUNTS)
    checked_seconds(overlap, "overlap", least=0, most=LONGEST_OVERLAP)
    if old.state(work.now) != "live":
        raise Conflict(f"The app token {id_} is {old.state(work.now)}; only one that lives can be rotated.")
    order = _renewed(work, old, lifetime)
    made = issue(work, order, owner_id=old.owner_id)
    until = min(old.expires_at, work.now + overlap)
    replaced: dict[str, Any] = {"replaced_by": made.app_token.id, "expires_at": until}
    row = work.connection.scalar(
        update(app_tokens).where(app_tokens.c.id == id_).values(replaced).returning(app_tokens.c.digest)
    )
    work.connection.execute(update(access_tokens).where(access_tokens.c.digest == row).values(expires_at=until))
    subject = _subject(old)
    audit.record(work, "app_token.rotated", subject, old_until=until, new=made.app_token.id, **_told(made.app_token))
    return made


def revoke(work: Work, id_: str, *, reason: str = "") -> AppToken:
    """End the app token now; where it has ended, do nothing. Raises NotFound, NotAllowed."""
    token = _changeable(work, id_, Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS)
    if not app_token_ends.end(work, [id_]):
        return token
    audit.record(work, "app_token.revoked", _subject(token), reason=checked_text(reason, "reason"))
    return visible_app_token(work, id_)


def _changeable(work: Work, id_: str, *permissions: Permission) -> AppToken:
    """The token, where the actor has one of ``permissions`` or owns it and may ask for tokens."""
    work.demand(*permissions, Permission.REQUEST_TOKENS)
    work.alone()
    token = visible_app_token(work, id_)
    own = work.actor.kind is ActorKind.USER and token.owner_id == work.actor.id
    if not own and not any(work.actor.may(permission) for permission in permissions):
        raise NotAllowed(f"The app token {id_} is not yours; ask its owner or an administrator.")
    return token


def _renewed(work: Work, old: AppToken, lifetime: int | None) -> Order:
    longest = visible_api(work, old.audience).longest_app_token
    order = checked_order(
        work,
        client_id=old.client_id,
        audience=old.audience,
        scopes=old.scopes,
        lifetime=min(old.lifetime, longest) if lifetime is None else lifetime,
        token_format=old.token_format,
    )
    demand_not_stronger(work, old.client_id, order.account.roles)
    if needs_approval(work, order) and work.actor.kind is not ActorKind.CONSOLE:
        return replace(order, lifetime=min(order.lifetime, old.expires_at - work.now))
    return order


def _subject(token: AppToken) -> audit.Subject:
    return audit.Subject("app_token", token.id, token.tenant)


def _told(token: AppToken) -> dict[str, Any]:
    return {
        "client_id": token.client_id,
        "audience": token.audience,
        "scopes": " ".join(token.scopes),
        "expires_at": token.expires_at,
        "token_format": token.token_format,
        "hint": token.hint,
    }
