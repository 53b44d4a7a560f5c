"""A service account as a value, and which of them an actor sees and may change."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from sqlalchemy import select

from roomkey.authorization_server.accounts.access import Access, access_of
from roomkey.authorization_server.accounts.syntax import from_row, words
from roomkey.authorization_server.actor import ActorKind
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.errors import NotAllowed, NotFound
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import service_accounts
from roomkey.authorization_server.unit_of_work import UnitOfWork

GrantType = Literal["client_credentials", "refresh_token", "password", "authorization_code"]
Authentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]
BY_SECRET: Final = ("client_secret_basic", "client_secret_post")
BUILT_IN: Final = "roomkey-admin"


@dataclass(frozen=True, slots=True)
class ServiceAccount:
    """An application that gets tokens, or the account by which an API introspects.

    Attributes:
        client_id: its name.
        kind: ``app``, or ``api``: that one may introspect, and nothing else.
        description: in words.
        tenant: that it belongs to, or None.
        owner_id: the user who looks after it, or None.
        grants: the grant types that it may use (the grant_types of RFC 7591).
        authentication: its token_endpoint_auth_method.
        key_ids: the names of the public keys of private_key_jwt.
        redirect_uris: where its authorization codes may go.
        native: whether it is a program on a user's machine.
        roles: those in its tokens.
        allows_password_with_mfa: whether its password grant takes users who have a second factor.
        apis: what it may ask for.
        created_at, disabled_at: seconds since 1970.
    """

    client_id: str
    kind: str
    description: str
    tenant: str | None
    owner_id: str | None
    grants: tuple[str, ...]
    authentication: str
    key_ids: tuple[str, ...]
    redirect_uris: tuple[str, ...]
    native: bool
    roles: tuple[str, ...]
    allows_password_with_mfa: bool
    apis: tuple[Access, ...]
    created_at: int
    disabled_at: int | None

    @property
    def enabled(self) -> bool:
        """Whether it may be used at all."""
        return self.disabled_at is None

    @property
    def built_in(self) -> bool:
        """Whether it is the service's own, which nobody uses from outside."""
        return self.client_id == BUILT_IN

    def scopes_of(self, audience: str) -> tuple[str, ...]:
        """The scopes that it may ask for at an API."""
        return next((one.scopes for one in self.apis if one.audience == audience), ())


def accounts_of(uow: UnitOfWork, rows: Sequence[Any]) -> list[ServiceAccount]:
    """The accounts in ``rows`` of the table."""
    access = access_of(uow, [row.client_id for row in rows])
    return [
        from_row(
            ServiceAccount,
            row,
            grants=words(row.grants),
            key_ids=tuple(str(key.get("kid", "")) for key in json.loads(row.jwks or '{"keys":[]}')["keys"]),
            redirect_uris=words(row.redirect_uris),
            native=bool(row.native),
            roles=words(row.roles),
            allows_password_with_mfa=bool(row.allows_password_with_mfa),
            apis=access[row.client_id],
        )
        for row in rows
    ]


def visible_account(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    """The account, where the actor may see it; raises NotFound."""
    row = uow.connection.execute(select(service_accounts).where(service_accounts.c.client_id == client_id)).first()
    if row is None or not uow.actor.sees(row.tenant):
        raise NotFound(f'There is no service account "{client_id}".')
    return accounts_of(uow, [row])[0]


def changeable(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    """The account, where the actor may change it: administrators any, others their own. Raises NotFound, NotAllowed."""
    account = visible_account(uow, client_id)
    if not (owns(uow, account) or uow.actor.may(Permission.CHANGE_ACCOUNTS)):
        raise NotAllowed(f"The account {client_id} is not yours; ask its owner or an administrator.")
    return account


def owns(uow: UnitOfWork, account: ServiceAccount) -> bool:
    """Whether the account is the actor's own."""
    return uow.actor.kind is ActorKind.USER and account.owner_id == uow.actor.id


def audit_subject(account: ServiceAccount) -> Subject:
    """The account as the subject of an audit event."""
    return Subject("service_account", account.client_id, account.tenant)


def audit_details(account: ServiceAccount) -> dict[str, Any]:
    """The facts about an account that the audit log keeps."""
    return {
        "description": account.description,
        "owner_id": account.owner_id,
        "grants": " ".join(account.grants),
        "authentication": account.authentication,
        "key_ids": list(account.key_ids),
        "redirect_uris": list(account.redirect_uris),
        "roles": " ".join(account.roles),
        "apis": {one.audience: " ".join(one.scopes) for one in account.apis},
    }
