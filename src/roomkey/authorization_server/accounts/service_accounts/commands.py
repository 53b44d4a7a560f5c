"""Commands on service accounts: create, list, change, disable (which revokes their tokens), enable; their secrets."""

from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from msgspec import Meta
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts.access import Access, checked_access, set_access
from roomkey.authorization_server.accounts.bounds import demand_not_stronger, demand_roles
from roomkey.authorization_server.accounts.service_accounts import secrets
from roomkey.authorization_server.accounts.service_accounts.metadata import (
    AllowsPassword,
    Grants,
    Jwks,
    Native,
    Proof,
    RedirectUris,
    client_metadata,
)
from roomkey.authorization_server.accounts.service_accounts.model import (
    BY_SECRET,
    ServiceAccount,
    accounts_of,
    audit_details,
    audit_subject,
    changeable,
    visible_account,
)
from roomkey.authorization_server.accounts.syntax import one_line
from roomkey.authorization_server.accounts.tenants.commands import tenant_of_new
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import (
    Account,
    ClientId,
    Lookup,
    Overlap,
    Reason,
    Roles,
    Search,
    Tenant,
    Text,
    Typed,
)
from roomkey.authorization_server.commands.paging import ListCommand, Page, by_name, page_of
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed
from roomkey.authorization_server.identity.usernames import key_of
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.accounts import service_accounts
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.secret_format import GeneratedSecret
from roomkey.authorization_server.tokens.revocation import revoke_account
from roomkey.authorization_server.unit_of_work import UnitOfWork

_CHANGE = (Permission.CHANGE_ACCOUNTS, Permission.CHANGE_OWN_ACCOUNTS)
Apis = Annotated[tuple[Access, ...], Meta(description="The APIs that it may use.")]
TokenRoles = Annotated[Roles, Meta(description="The roles in its tokens.")]
Owner = Annotated[
    Lookup, Meta(description="Who looks after it: the id or name of a user."), Typed("--owner", metavar="USER")
]


@dataclass(frozen=True, slots=True)
class CreatedServiceAccount:
    """A new account with its secret, which is in no other response; null where it authenticates in another way."""

    service_account: ServiceAccount
    client_secret: GeneratedSecret | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedServiceAccount:
    """An account as it is now, and how many app tokens were revoked because they held more than it may ask for."""

    service_account: ServiceAccount
    ended_app_tokens: int


@dataclass(frozen=True, slots=True)
class AccountSecrets:
    """The valid secrets of an account: their hints and times, not the secrets."""

    items: tuple[secrets.AccountSecret, ...]


@command("service-account list", "GET /service-accounts", permission=Permission.READ)
class ListServiceAccounts(ListCommand[ServiceAccount], frozen=True):
    """List the service accounts."""

    kind: Annotated[Literal["app", "api"], Typed(read="never")] = "app"
    owner_id: Annotated[Lookup | None, Meta(description="Those of a user, by id."), Typed("--owner", "ID")] = None
    tenant: Annotated[Tenant | None, Meta(description="Those of a tenant.")] = None
    audience: Annotated[Lookup | None, Meta(description="Those that may use this API."), Typed("--api", "AUDIENCE")] = (
        None
    )
    search: Search = ""

    def run(self, uow: UnitOfWork) -> Page[ServiceAccount]:
        """The accounts that the actor sees, by name."""
        statement = select(service_accounts).where(service_accounts.c.kind == self.kind)
        for column, value in (("tenant", uow.actor.tenant), ("tenant", self.tenant), ("owner_id", self.owner_id)):
            if value is not None:
                statement = statement.where(service_accounts.c[column] == value)
        if self.audience is not None:
            access = schema.account_apis
            able = select(access.c.client_id).where(access.c.audience == self.audience)
            statement = statement.where(service_accounts.c.client_id.in_(able))
        if self.search:
            found = service_accounts.c.client_id.contains(self.search.lower(), autoescape=True)
            statement = statement.where(found)
        rows = uow.connection.execute(
            by_name(statement, service_accounts.c.client_id, after=self.after, limit=self.limit)
        ).all()
        return page_of(rows, self.limit, lambda shown: accounts_of(uow, shown), lambda row: str(row.client_id))


@command(
    "service-account create",
    "POST /service-accounts",
    permission=_CHANGE,
    event="service_account.created",
    status=201,
)
class CreateServiceAccount(Command[CreatedServiceAccount], frozen=True):
    """Create a service account; its secret is shown once.

    It gets all scopes that it may ask for where it asks for none, unless default scopes are named.
    """

    client_id: ClientId
    apis: Apis = ()
    description: Text = ""
    tenant: Tenant | None = None
    owner_id: Owner | None = None
    grants: Grants = ("client_credentials",)
    authentication: Proof = "client_secret_basic"
    jwks: Jwks | None = None
    redirect_uris: RedirectUris = ()
    native: Native = False
    roles: TokenRoles = ()
    allows_password_with_mfa: AllowsPassword = False

    def run(self, uow: UnitOfWork) -> CreatedServiceAccount:
        """Who is no administrator becomes its owner. Raises Invalid, Conflict, NotAllowed."""
        tenant = tenant_of_new(uow, self.tenant)
        owner = self.owner_id if uow.actor.may(Permission.CHANGE_ACCOUNTS) else uow.actor.id
        values = client_metadata(self.grants, self.authentication, self.jwks, self.redirect_uris, native=self.native)
        _demand_password(uow, "password" in self.grants or self.allows_password_with_mfa)
        demand_roles(uow, self.roles)
        values |= {
            "client_id": self.client_id,
            "kind": "app",
            "description": one_line(self.description),
            "tenant": tenant,
            "owner_id": _checked_owner(uow, owner or None, tenant),
            "roles": " ".join(dict.fromkeys(self.roles)),
            "allows_password_with_mfa": int(self.allows_password_with_mfa),
            "created_at": uow.now,
        }
        access = checked_access(uow, self.apis, tenant)
        add_account(uow, values)
        set_access(uow, self.client_id, access)
        secret = secrets.add_secret(uow, self.client_id) if self.authentication in BY_SECRET else None
        account = visible_account(uow, self.client_id)
        self.record(uow, audit_subject(account), after=audit_details(account))
        uow.bump_config_version()
        return CreatedServiceAccount(account, secret)


@command("service-account show", "GET /service-accounts/{client_id}", permission=Permission.READ)
class GetServiceAccount(Command[ServiceAccount], frozen=True):
    """Show one service account."""

    client_id: Account

    def run(self, uow: UnitOfWork) -> ServiceAccount:
        """Raises NotFound where there is none that the actor sees."""
        return visible_account(uow, self.client_id)


@command(
    "service-account change",
    "PATCH /service-accounts/{client_id}",
    permission=_CHANGE,
    event="service_account.changed",
)
class ChangeServiceAccount(Command[ChangedServiceAccount], frozen=True):
    """Change a service account.

    What is not named stays as it is. The scopes that are named are all that it may ask for from now on; app tokens that
    hold more are revoked. A way of authentication that is given up takes its secrets and keys along.
    """

    client_id: Account
    apis: Apis | None = None
    description: Text | None = None
    owner_id: Annotated[
        Owner | None, Meta(description="Who looks after it: the id or name of a user; empty: nobody.")
    ] = None
    grants: Grants | None = None
    authentication: Proof | None = None
    jwks: Jwks | None = None
    redirect_uris: RedirectUris | None = None
    native: Native | None = None
    roles: TokenRoles | None = None
    allows_password_with_mfa: AllowsPassword | None = None

    def run(self, uow: UnitOfWork) -> ChangedServiceAccount:
        """Raises NotFound, NotAllowed, Invalid, and Conflict for the account of an API."""
        account = _changeable_app(uow, self.client_id)
        values = self._metadata(uow, account)
        if self.description is not None:
            values["description"] = one_line(self.description)
        if self.owner_id is not None:
            owner = _checked_owner(uow, self.owner_id or None, account.tenant)
            if owner != account.owner_id:
                uow.demand(Permission.CHANGE_ACCOUNTS)
                values["owner_id"] = owner
        if self.roles is not None:
            demand_roles(uow, self.roles)
            values["roles"] = " ".join(dict.fromkeys(self.roles))
        if self.allows_password_with_mfa is not None:
            values["allows_password_with_mfa"] = int(self.allows_password_with_mfa)
        more = "password" in (self.grants or ()) and "password" not in account.grants
        _demand_password(uow, more or (bool(self.allows_password_with_mfa) and not account.allows_password_with_mfa))
        if values:
            which = service_accounts.c.client_id == self.client_id
            uow.connection.execute(update(service_accounts).where(which).values(values))
        revoked = 0
        if self.apis is not None:
            revoked = set_access(uow, self.client_id, checked_access(uow, self.apis, account.tenant))
        changed = visible_account(uow, self.client_id)
        self.record(
            uow,
            audit_subject(account),
            before=audit_details(account),
            after=audit_details(changed),
            ended_app_tokens=revoked,
            new_keys=self.jwks is not None,
        )
        uow.bump_config_version()
        return ChangedServiceAccount(changed, revoked)

    def _metadata(self, uow: UnitOfWork, account: ServiceAccount) -> dict[str, Any]:
        """The columns that depend on each other, where one of them changes."""
        named = (self.grants, self.authentication, self.jwks, self.redirect_uris, self.native)
        if all(one is None for one in named):
            return {}
        authentication = self.authentication or account.authentication
        jwks = self.jwks
        if jwks is None and authentication == "private_key_jwt":
            jwks = uow.connection.scalar(
                select(service_accounts.c.jwks).where(service_accounts.c.client_id == self.client_id)
            )
        values = client_metadata(
            account.grants if self.grants is None else self.grants,
            authentication,
            jwks,
            account.redirect_uris if self.redirect_uris is None else self.redirect_uris,
            native=account.native if self.native is None else self.native,
        )
        if authentication not in BY_SECRET:
            stored = schema.account_secrets
            uow.connection.execute(delete(stored).where(stored.c.client_id == self.client_id))
        return values


@command("service-account", "GET /service-accounts/{client_id}/secrets", permission=Permission.READ)
class ListAccountSecrets(Command[AccountSecrets], frozen=True):
    """List the facts about an account's valid secrets."""

    client_id: Account

    def run(self, uow: UnitOfWork) -> AccountSecrets:
        """The newest first; raises NotFound."""
        visible_account(uow, self.client_id)
        return AccountSecrets(secrets.secrets_of(uow, self.client_id))


@command(
    "service-account rotate-secret",
    "POST /service-accounts/{client_id}/rotate-secret",
    permission=_CHANGE,
    event="service_account.secret_rotated",
)
class RotateAccountSecret(Command[secrets.RotatedSecret], frozen=True):
    """Make a new secret for a service account.

    Without an overlap the old one expires at once.
    """

    client_id: Account
    overlap: Overlap = 0

    def run(self, uow: UnitOfWork) -> secrets.RotatedSecret:
        """Raises NotFound, NotAllowed, and Conflict where the account does not authenticate by a secret."""
        return secrets.rotate(uow, self.client_id, self.overlap)


@command(
    "service-account disable",
    "POST /service-accounts/{client_id}/disable",
    permission=_CHANGE,
    event="service_account.disabled",
)
class DisableServiceAccount(Command[ServiceAccount], frozen=True):
    """Revoke all tokens of a service account, and issue no others.

    They stay revoked when it is enabled.
    """

    client_id: Account
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> ServiceAccount:
        """Does nothing where it is disabled. Raises NotFound, NotAllowed, and Conflict for the account of an API."""
        account = _changeable_app(uow, self.client_id)
        if not account.enabled:
            return account
        _set_disabled_at(uow, self.client_id, uow.now)
        revoke_account(uow, self.client_id, reason="account_disabled")
        self.record(uow, audit_subject(account), reason=one_line(self.reason))
        uow.bump_config_version()
        return visible_account(uow, self.client_id)


@command(
    "service-account enable",
    "POST /service-accounts/{client_id}/enable",
    permission=_CHANGE,
    event="service_account.enabled",
)
class EnableServiceAccount(Command[ServiceAccount], frozen=True):
    """Let a service account be used again.

    Tokens that were revoked stay so.
    """

    client_id: Account
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> ServiceAccount:
        """Does nothing where it is enabled. Raises NotFound, NotAllowed, Conflict."""
        account = _changeable_app(uow, self.client_id)
        if account.enabled:
            return account
        _set_disabled_at(uow, self.client_id, None)
        self.record(uow, audit_subject(account), reason=one_line(self.reason))
        uow.bump_config_version()
        return visible_account(uow, self.client_id)


def add_account(uow: UnitOfWork, values: dict[str, Any]) -> None:
    """Write a new row, which was checked; raises Conflict where the name is taken."""
    try:
        with uow.connection.begin_nested():
            uow.connection.execute(insert(service_accounts).values(values))
    except IntegrityError:
        raise Conflict(f'There is a service account "{values["client_id"]}" already.') from None


def _changeable_app(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    account = changeable(uow, client_id)
    if account.kind == "api":
        raise Conflict(f"{client_id} is the account of an API; change the API.")
    demand_not_stronger(uow, client_id, account.roles)
    return account


def _set_disabled_at(uow: UnitOfWork, client_id: str, disabled_at: int | None) -> None:
    which = service_accounts.c.client_id == client_id
    uow.connection.execute(update(service_accounts).where(which).values(disabled_at=disabled_at))


def _demand_password(uow: UnitOfWork, asked: bool) -> None:  # noqa: FBT001 - one private question
    """A client that sees users' passwords is an administrator's decision (RFC 9700 section 2.4)."""
    if asked and not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        raise NotAllowed("Only an administrator can let an account use the password grant.")


def _checked_owner(uow: UnitOfWork, owner: str | None, tenant: str | None) -> str | None:
    """The id of the user with this id or name; raises Invalid where they cannot own an account of ``tenant``."""
    if owner is None:
        return None
    found = uow.connection.execute(
        select(users.c.id, users.c.tenant)
        .where(or_(users.c.id == owner, users.c.username_key == key_of(owner)), users.c.deleted_at.is_(None))
        .order_by(users.c.id != owner)
    ).first()
    if found is None or not uow.actor.sees(found.tenant) or (found.tenant is not None and found.tenant != tenant):
        raise Invalid("There is no such user who could own this account.", field="owner_id")
    return str(found.id)
