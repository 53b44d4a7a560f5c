"""Service accounts: made, listed, changed, disabled (which ends their tokens), enabled again."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts import access as granted
from roomkey.authorization_server.accounts import account_secrets
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.bounds import demand_not_stronger, demand_roles
from roomkey.authorization_server.accounts.client_keys import checked_jwks
from roomkey.authorization_server.accounts.page import USUAL, Page, by_name, page_of
from roomkey.authorization_server.accounts.redirect_uris import checked_redirect_uris
from roomkey.authorization_server.accounts.service_account import (
    AUTHENTICATIONS,
    BY_SECRET,
    GRANTS,
    ServiceAccount,
    accounts_of,
    changeable,
    visible_account,
)
from roomkey.authorization_server.accounts.syntax import checked_client_id, checked_roles, checked_text
from roomkey.authorization_server.accounts.tenants import tenant_of_new
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.accounts import service_accounts
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.secret_format import GeneratedSecret
from roomkey.authorization_server.tokens.revocation import revoke_account
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class NewAccount:
    """An account that was just made; its secret is to be shown once.

    Attributes:
        account: the account.
        client_secret: None where it authenticates in another way.
    """

    account: ServiceAccount
    client_secret: GeneratedSecret | None


@dataclass(frozen=True, slots=True)
class ChangedAccount:
    """An account as it is now, and how many app tokens ended because they held more than it may ask for now."""

    account: ServiceAccount
    ended_app_tokens: int


def create(
    uow: UnitOfWork,
    *,
    client_id: str,
    apis: Iterable[Access] = (),
    description: str = "",
    tenant: str | None = None,
    owner_id: str | None = None,
    grants: Iterable[str] = ("client_credentials",),
    authentication: str = "client_secret_basic",
    jwks: str | None = None,
    redirect_uris: Iterable[str] = (),
    native: bool = False,
    roles: Iterable[str] = (),
    allows_password_with_mfa: bool = False,
) -> NewAccount:
    """A new service account; whoever is no administrator becomes its owner. Raises Invalid, Conflict, NotAllowed.

    Parameters:
        client_id: its name.
        apis: what it may ask for.
        jwks: the public keys of private_key_jwt, a JWK set as JSON; none in any other case.
    The others are those of ``ServiceAccount``.
    """
    uow.demand(Permission.CHANGE_ACCOUNTS, Permission.CHANGE_OWN_ACCOUNTS)
    uow.lock_admin_changes()
    if not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        owner_id = uow.actor.id
    tenant = tenant_of_new(uow, tenant)
    values = _values(grants, authentication, jwks, redirect_uris, native=native)
    _demand_password(uow, "password" in values["grants"] or allows_password_with_mfa)
    values |= {
        "client_id": checked_client_id(client_id),
        "kind": "app",
        "description": checked_text(description, "description"),
        "tenant": tenant,
        "owner_id": _checked_owner(uow, owner_id, tenant),
        "roles": " ".join(_checked_roles(uow, roles)),
        "allows_password_with_mfa": int(allows_password_with_mfa),
        "created_at": uow.now,
    }
    access = granted.checked_access(uow, apis, tenant)
    add(uow, values)
    granted.give(uow, client_id, access)
    secret = account_secrets.add(uow, client_id) if authentication in BY_SECRET else None
    account = visible_account(uow, client_id)
    record_event(uow, "service_account.created", _subject(account), after=_told(account))
    uow.bump_config_version()
    return NewAccount(account, secret)


def add(uow: UnitOfWork, values: dict[str, Any]) -> None:
    """Write a new row, which was checked; raises Conflict where the name is taken."""
    try:
        with uow.connection.begin_nested():
            uow.connection.execute(insert(service_accounts).values(values))
    except IntegrityError:
        raise Conflict(f'There is a service account "{values["client_id"]}" already.') from None


def get(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    """One account; raises NotFound where there is none that the actor sees."""
    uow.demand(Permission.READ)
    return visible_account(uow, client_id)


def find(
    uow: UnitOfWork,
    *,
    after: str | None = None,
    limit: int = USUAL,
    kind: str = "app",
    owner_id: str | None = None,
    tenant: str | None = None,
    audience: str | None = None,
    search: str = "",
) -> Page[ServiceAccount]:
    """The accounts that the actor sees, by name: of an owner, of a tenant, for an API, with ``search`` in the name."""
    uow.demand(Permission.READ)
    statement = select(service_accounts).where(service_accounts.c.kind == kind)
    for column, value in (("tenant", uow.actor.tenant), ("tenant", tenant), ("owner_id", owner_id)):
        if value is not None:
            statement = statement.where(service_accounts.c[column] == value)
    if audience is not None:
        access = schema.account_apis
        able = select(access.c.client_id).where(access.c.audience == audience)
        statement = statement.where(service_accounts.c.client_id.in_(able))
    if search:
        statement = statement.where(service_accounts.c.client_id.contains(search.lower(), autoescape=True))
    rows = uow.connection.execute(by_name(statement, service_accounts.c.client_id, after=after, limit=limit)).all()
    return page_of(rows, limit, lambda shown: accounts_of(uow, shown), lambda row: str(row.client_id))


def change(
    uow: UnitOfWork,
    client_id: str,
    *,
    apis: Iterable[Access] | None = None,
    description: str | None = None,
    owner_id: str | None = None,
    grants: Iterable[str] | None = None,
    authentication: str | None = None,
    jwks: str | None = None,
    redirect_uris: Iterable[str] | None = None,
    native: bool | None = None,
    roles: Iterable[str] | None = None,
    allows_password_with_mfa: bool | None = None,
) -> ChangedAccount:
    """Change what is given; None leaves things as they are, and an empty ``owner_id`` takes the owner away.

    App tokens that hold more than the account may ask for afterwards end; a way of authentication that is given up
    takes its secrets and keys along. Raises NotFound, NotAllowed, Invalid, and Conflict for the account of an API.
    """
    account = _demand(uow, client_id)
    before = _told(account)
    values: dict[str, Any] = {}
    if any(one is not None for one in (grants, authentication, jwks, redirect_uris, native)):
        way = authentication or account.authentication
        keys = jwks if jwks is not None or way != "private_key_jwt" else _jwks_of(uow, client_id)
        values |= _values(
            account.grants if grants is None else grants,
            way,
            keys,
            account.redirect_uris if redirect_uris is None else redirect_uris,
            native=account.native if native is None else native,
        )
        if way not in BY_SECRET:
            secrets = schema.account_secrets
            uow.connection.execute(delete(secrets).where(secrets.c.client_id == client_id))
    if description is not None:
        values["description"] = checked_text(description, "description")
    if owner_id is not None and (owner_id or None) != account.owner_id:
        uow.demand(Permission.CHANGE_ACCOUNTS)
        values["owner_id"] = _checked_owner(uow, owner_id or None, account.tenant)
    if roles is not None:
        values["roles"] = " ".join(_checked_roles(uow, roles))
    asked = "password" in values.get("grants", "") and "password" not in account.grants
    _demand_password(uow, asked or (bool(allows_password_with_mfa) and not account.allows_password_with_mfa))
    if allows_password_with_mfa is not None:
        values["allows_password_with_mfa"] = int(allows_password_with_mfa)
    if values:
        which = service_accounts.c.client_id == client_id
        uow.connection.execute(update(service_accounts).where(which).values(values))
    ended = 0
    if apis is not None:
        ended = granted.give(uow, client_id, granted.checked_access(uow, apis, account.tenant))
    changed = visible_account(uow, client_id)
    details = {"before": before, "after": _told(changed), "ended_app_tokens": ended, "new_keys": jwks is not None}
    record_event(uow, "service_account.changed", _subject(account), **details)
    uow.bump_config_version()
    return ChangedAccount(changed, ended)


def disable(uow: UnitOfWork, client_id: str, *, reason: str = "") -> ServiceAccount:
    """End all tokens of the account, for good, and let it get no others until it is enabled; done already, do nothing.

    Raises NotFound, NotAllowed, and Conflict for the account of an API.
    """
    account = _demand(uow, client_id)
    if not account.enabled:
        return account
    _switch(uow, client_id, uow.now)
    revoke_account(uow, client_id, reason="account_disabled")
    record_event(uow, "service_account.disabled", _subject(account), reason=checked_text(reason, "reason"))
    uow.bump_config_version()
    return visible_account(uow, client_id)


def enable(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    """Let a disabled account be used again; never by itself. Raises NotFound, NotAllowed, Conflict."""
    account = _demand(uow, client_id)
    if account.enabled:
        return account
    _switch(uow, client_id, None)
    record_event(uow, "service_account.enabled", _subject(account))
    uow.bump_config_version()
    return visible_account(uow, client_id)


def _demand(uow: UnitOfWork, client_id: str) -> ServiceAccount:
    uow.demand(Permission.CHANGE_ACCOUNTS, Permission.CHANGE_OWN_ACCOUNTS)
    uow.lock_admin_changes()
    account = changeable(uow, client_id)
    if account.kind == "api":
        raise Conflict(f"{client_id} is the account of an API; change the API.")
    demand_not_stronger(uow, client_id, account.roles)
    return account


def _switch(uow: UnitOfWork, client_id: str, disabled_at: int | None) -> None:
    which = service_accounts.c.client_id == client_id
    uow.connection.execute(update(service_accounts).where(which).values(disabled_at=disabled_at))


def _values(
    grants: Iterable[str], authentication: str, jwks: str | None, redirect_uris: Iterable[str], *, native: bool
) -> dict[str, Any]:
    """The columns that hang together: how the account gets tokens and by what it proves itself."""
    chosen = tuple(dict.fromkeys(grants))
    for grant in chosen:
        if grant not in GRANTS:
            raise Invalid(f"There are the grants {', '.join(GRANTS)}, and no other.", field="grants")
    if authentication not in AUTHENTICATIONS:
        raise Invalid(f"There are the authentications {', '.join(AUTHENTICATIONS)}.", field="authentication")
    if (jwks is not None) != (authentication == "private_key_jwt"):
        raise Invalid("Keys (jwks) belong to private_key_jwt, and it needs them.", field="jwks")
    if authentication == "none" and "client_credentials" in chosen:
        raise Invalid("An account without authentication has no credentials to get tokens with.", field="grants")
    uris = checked_redirect_uris(redirect_uris, native=native)
    if bool(uris) != ("authorization_code" in chosen):
        raise Invalid("Redirect URIs belong to the authorization_code grant, and it needs one.", field="redirect_uris")
    return {
        "grants": " ".join(chosen),
        "authentication": authentication,
        "jwks": None if jwks is None else checked_jwks(jwks),
        "redirect_uris": "\n".join(uris),
        "native": int(native),
    }


def _demand_password(uow: UnitOfWork, asked: bool) -> None:  # noqa: FBT001 - one private question
    """An app that sees people's passwords is an administrator's decision (RFC 9700 section 2.4)."""
    if asked and not uow.actor.may(Permission.CHANGE_ACCOUNTS):
        raise NotAllowed("Only an administrator can let an account use the password grant.")


def _checked_roles(uow: UnitOfWork, roles: Iterable[str]) -> Sequence[str]:
    chosen = checked_roles(roles)
    demand_roles(uow, chosen)
    return chosen


def _checked_owner(uow: UnitOfWork, owner_id: str | None, tenant: str | None) -> str | None:
    if owner_id is None:
        return None
    owner = uow.connection.execute(
        select(users.c.tenant).where(users.c.id == owner_id, users.c.deleted_at.is_(None))
    ).first()
    if owner is None or not uow.actor.sees(owner.tenant) or (owner.tenant is not None and owner.tenant != tenant):
        raise Invalid("There is no such user who could own this account.", field="owner_id")
    return owner_id


def _jwks_of(uow: UnitOfWork, client_id: str) -> str | None:
    which = service_accounts.c.client_id == client_id
    found: str | None = uow.connection.scalar(select(service_accounts.c.jwks).where(which))
    return found


def _subject(account: ServiceAccount) -> Subject:
    return Subject("service_account", account.client_id, account.tenant)


def _told(account: ServiceAccount) -> dict[str, Any]:
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
