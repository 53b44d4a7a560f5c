"""Commands on app tokens: create and show once, list, rotate with an overlap, revoke."""

from dataclasses import dataclass, field, replace
from typing import Annotated, Any

from msgspec import Meta
from sqlalchemy import insert, select, update

from roomkey.authorization_server.accounts.apis.commands import TokenFormat
from roomkey.authorization_server.accounts.apis.model import visible_api
from roomkey.authorization_server.accounts.app_tokens import revocation
from roomkey.authorization_server.accounts.app_tokens.model import (
    AppToken,
    Order,
    app_token_of,
    checked_order,
    needs_approval,
    visible_app_token,
    with_tenant,
)
from roomkey.authorization_server.accounts.bounds import roles_within
from roomkey.authorization_server.accounts.syntax import one_line
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Account, Lookup, Overlap, Reason, Scopes, Seconds, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page, newest_first, page_of
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.keys.published_keys import read_signing_keys
from roomkey.authorization_server.keys.signer import signer
from roomkey.authorization_server.lists.status_list import status_claim
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.tokens.issue import TokenGrant, create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id
from roomkey.secret import Secret

Id = Annotated[Lookup, Meta(description="The app token's id: tok_…"), Typed(metavar="ID", argument=True)]
ForApi = Annotated[Lookup, Meta(description="The API that it is for."), Typed("--api", "AUDIENCE")]
Lifetime = Annotated[Seconds, Typed("--expires")]


@dataclass(frozen=True, slots=True)
class CreatedAppToken:
    """A new app token with the token itself, which is in no other response."""

    app_token: AppToken
    token: Secret = field(repr=False)


@command("app-token list", "GET /app-tokens", permission=Permission.READ)
class ListAppTokens(ListCommand[AppToken], frozen=True):
    """List the app tokens.

    The newest first; not the tokens themselves, which nobody keeps.
    """

    client_id: Annotated[
        Lookup | None, Meta(description="Those of one service account."), Typed("--account", "NAME")
    ] = None
    audience: Annotated[Lookup | None, Meta(description="Those for one API."), Typed("--api", "AUDIENCE")] = None
    owner_id: Annotated[Lookup | None, Meta(description="Those of a user, by id."), Typed("--owner", "ID")] = None
    live: Annotated[
        bool,
        Meta(description="Only those that are valid."),
        Typed("--all", read="not", help="Those too that have ended."),
    ] = False

    def run(self, uow: UnitOfWork) -> Page[AppToken]:
        """The app tokens that the actor sees."""
        statement = with_tenant()
        if uow.actor.tenant is not None:
            statement = statement.where(statement.selected_columns.tenant == uow.actor.tenant)
        for column in ("client_id", "audience", "owner_id"):
            if (value := getattr(self, column)) is not None:
                statement = statement.where(app_tokens.c[column] == value)
        if self.live:
            statement = statement.where(app_tokens.c.revoked_at.is_(None), app_tokens.c.expires_at > uow.now)
        paged = newest_first(statement, app_tokens.c.created_at, app_tokens.c.id, after=self.after, limit=self.limit)
        rows = uow.connection.execute(paged).all()
        return page_of(
            rows, self.limit, lambda shown: list(map(app_token_of, shown)), lambda row: f"{row.created_at}.{row.id}"
        )


@command(
    "app-token create",
    "POST /app-tokens",
    permission=Permission.CHANGE_ACCOUNTS,
    event="app_token.created",
    status=201,
)
class CreateAppToken(Command[CreatedAppToken], frozen=True):
    """Create an app token; it is shown once.

    It is a JWT that the API verifies by itself, unless the API or the format say something else. For administrators;
    others ask by a token request.
    """

    client_id: Account
    audience: ForApi
    scopes: Scopes
    lifetime: Annotated[Lifetime, Meta(description="How long it is valid: 12h, 30d, 90d; 30d by default.")] = 30 * DAY
    token_format: Annotated[TokenFormat | None, Meta(description="By default that of the API.")] = None

    def run(self, uow: UnitOfWork) -> CreatedAppToken:
        """Raises NotFound, Invalid, NotAllowed, Conflict."""
        order = checked_order(
            uow,
            client_id=self.client_id,
            audience=self.audience,
            scopes=self.scopes,
            lifetime=self.lifetime,
            token_format=self.token_format,
        )
        if order.api.needs_approval and uow.actor.kind is not ActorKind.CONSOLE:
            raise NotAllowed(
                f"App tokens for {self.audience} need somebody else's approval; ask for one by a token request."
            )
        made = issue(uow, order, owner_id=uow.actor.id if uow.actor.kind is ActorKind.USER else None)
        self.record(uow, _subject(made.app_token), **_audited(made.app_token))
        return made


@command("app-token show", "GET /app-tokens/{id}", permission=Permission.READ)
class GetAppToken(Command[AppToken], frozen=True):
    """Show one app token."""

    id: Id

    def run(self, uow: UnitOfWork) -> AppToken:
        """Raises NotFound where there is none that the actor sees."""
        return visible_app_token(uow, self.id)


@command(
    "app-token rotate",
    "POST /app-tokens/{id}/rotate",
    permission=(Permission.CHANGE_ACCOUNTS, Permission.REQUEST_TOKENS),
    event="app_token.rotated",
    status=201,
)
class RotateAppToken(Command[CreatedAppToken], frozen=True):
    """Make a new token in place of one.

    Without an overlap the old one expires at once. The new one allows what the old one did, and lives as long as that
    was made for, unless another lifetime is named; where tokens need approval it does not outlive what was approved.
    """

    id: Id
    overlap: Overlap = 0
    lifetime: Annotated[Lifetime | None, Meta(description="How long the new one is valid.")] = None

    def run(self, uow: UnitOfWork) -> CreatedAppToken:
        """Raises NotFound, NotAllowed, Invalid, and Conflict for a token that has ended or was rotated before."""
        old = _changeable(uow, self.id, Permission.CHANGE_ACCOUNTS)
        if old.state(uow.now) != "live":
            raise Conflict(f"The app token {self.id} is {old.state(uow.now)}; only one that is live can be rotated.")
        made = issue(uow, _renewed(uow, old, self.lifetime), owner_id=old.owner_id)
        until = min(old.expires_at, uow.now + self.overlap)
        replaced: dict[str, Any] = {"replaced_by": made.app_token.id, "expires_at": until}
        digest = uow.connection.scalar(
            update(app_tokens).where(app_tokens.c.id == self.id).values(replaced).returning(app_tokens.c.digest)
        )
        uow.connection.execute(update(access_tokens).where(access_tokens.c.digest == digest).values(expires_at=until))
        details = _audited(made.app_token)
        self.record(uow, _subject(old), old_until=until, new=made.app_token.id, **details)
        return made


@command(
    "app-token revoke",
    "POST /app-tokens/{id}/revoke",
    permission=(Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS, Permission.REQUEST_TOKENS),
    event="app_token.revoked",
)
class RevokeAppToken(Command[AppToken], frozen=True):
    """Revoke an app token now."""

    id: Id
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> AppToken:
        """Does nothing where it has ended. Raises NotFound, NotAllowed."""
        token = _changeable(uow, self.id, Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS)
        if not revocation.revoke(uow, [self.id]):
            return token
        self.record(uow, _subject(token), reason=one_line(self.reason))
        return visible_app_token(uow, self.id)


def issue(uow: UnitOfWork, order: Order, *, owner_id: str | None) -> CreatedAppToken:
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
    return CreatedAppToken(visible_app_token(uow, id_), Secret(minted.value))


def _changeable(uow: UnitOfWork, id_: str, *permissions: Permission) -> AppToken:
    """The token, where the actor has one of ``permissions`` or owns it; raises NotFound, NotAllowed."""
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
    if needs_approval(uow, order) and uow.actor.kind is not ActorKind.CONSOLE:
        return replace(order, lifetime=min(order.lifetime, old.expires_at - uow.now))
    return order


def _subject(token: AppToken) -> Subject:
    return Subject("app_token", token.id, token.tenant)


def _audited(token: AppToken) -> dict[str, Any]:
    """The facts about an app token that the audit log keeps."""
    return {
        "client_id": token.client_id,
        "audience": token.audience,
        "scopes": " ".join(token.scopes),
        "expires_at": token.expires_at,
        "token_format": token.token_format,
        "hint": token.hint,
    }
