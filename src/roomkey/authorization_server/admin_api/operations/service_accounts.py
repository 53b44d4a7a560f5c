"""Service accounts and their secrets."""

from dataclasses import dataclass, field
from typing import Final, Literal

from roomkey.authorization_server.accounts import account_secrets, service_accounts
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.account_secrets import AccountSecret
from roomkey.authorization_server.accounts.page import Page
from roomkey.authorization_server.accounts.service_account import ServiceAccount
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.apis import RotatedSecret, SecretToRotate, rotated
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

GrantType = Literal["client_credentials", "refresh_token", "password", "authorization_code"]
Authentication = Literal["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountQuery(Paging):
    """A page of accounts: of an owner, of a tenant, for an API, with ``search`` in the name."""

    kind: Literal["app", "api"] = "app"
    owner_id: str | None = None
    tenant: str | None = None
    audience: str | None = None
    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountToCreate:
    """A new service account; ``jwks`` is a JWK set as JSON text, for private_key_jwt."""

    client_id: str
    apis: tuple[Access, ...] = ()
    description: str = ""
    tenant: str | None = None
    owner_id: str | None = None
    grants: tuple[GrantType, ...] = ("client_credentials",)
    authentication: Authentication = "client_secret_basic"
    jwks: str | None = None
    redirect_uris: tuple[str, ...] = ()
    native: bool = False
    roles: tuple[str, ...] = ()
    allows_password_with_mfa: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountToChange:
    """What is to change of an account; null or left out: nothing. An empty ``owner_id`` takes the owner away."""

    apis: tuple[Access, ...] | None = None
    description: str | None = None
    owner_id: str | None = None
    grants: tuple[GrantType, ...] | None = None
    authentication: Authentication | None = None
    jwks: str | None = None
    redirect_uris: tuple[str, ...] | None = None
    native: bool | None = None
    roles: tuple[str, ...] | None = None
    allows_password_with_mfa: bool | None = None


@dataclass(frozen=True, slots=True)
class CreatedAccount:
    """A new account with its secret, which is in no other answer; null where it has keys of its own."""

    service_account: ServiceAccount
    client_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedAccount:
    """An account as it is now, and how many app tokens ended because they held more than it may ask for now."""

    service_account: ServiceAccount
    ended_app_tokens: int


@dataclass(frozen=True, slots=True)
class KnownSecrets:
    """The live secrets of an account: their hints and times, not the secrets."""

    items: tuple[AccountSecret, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why, for the audit log."""

    reason: str = ""


def _list(uow: UnitOfWork, asked: Asked) -> Page[ServiceAccount]:
    query: AccountQuery = asked.query
    return service_accounts.find(
        uow,
        after=query.after,
        limit=query.limit,
        kind=query.kind,
        owner_id=query.owner_id,
        tenant=query.tenant,
        audience=query.audience,
        search=query.search,
    )


def _create(uow: UnitOfWork, asked: Asked) -> CreatedAccount:
    body: AccountToCreate = asked.body
    made = service_accounts.create(
        uow,
        client_id=body.client_id,
        apis=body.apis,
        description=body.description,
        tenant=body.tenant,
        owner_id=body.owner_id,
        grants=body.grants,
        authentication=body.authentication,
        jwks=body.jwks,
        redirect_uris=body.redirect_uris,
        native=body.native,
        roles=body.roles,
        allows_password_with_mfa=body.allows_password_with_mfa,
    )
    return CreatedAccount(made.account, None if made.client_secret is None else made.client_secret.value)


def _get(uow: UnitOfWork, asked: Asked) -> ServiceAccount:
    return service_accounts.get(uow, asked.path["client_id"])


def _change(uow: UnitOfWork, asked: Asked) -> ChangedAccount:
    body: AccountToChange = asked.body
    changed = service_accounts.change(
        uow,
        asked.path["client_id"],
        apis=body.apis,
        description=body.description,
        owner_id=body.owner_id,
        grants=body.grants,
        authentication=body.authentication,
        jwks=body.jwks,
        redirect_uris=body.redirect_uris,
        native=body.native,
        roles=body.roles,
        allows_password_with_mfa=body.allows_password_with_mfa,
    )
    return ChangedAccount(changed.account, changed.ended_app_tokens)


def _secrets(uow: UnitOfWork, asked: Asked) -> KnownSecrets:
    return KnownSecrets(account_secrets.find(uow, asked.path["client_id"]))


def _rotate(uow: UnitOfWork, asked: Asked) -> RotatedSecret:
    return rotated(account_secrets.rotate(uow, asked.path["client_id"], overlap=asked.body.overlap))


def _disable(uow: UnitOfWork, asked: Asked) -> ServiceAccount:
    return service_accounts.disable(uow, asked.path["client_id"], reason=asked.body.reason)


def _enable(uow: UnitOfWork, asked: Asked) -> ServiceAccount:
    return service_accounts.enable(uow, asked.path["client_id"])


_CHANGE: Final = (Permission.CHANGE_ACCOUNTS,)
_ONE: Final = "/service-accounts/{client_id}"
OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/service-accounts",
        name="list_service_accounts",
        summary="List the service accounts.",
        permissions=(Permission.READ,),
        query=AccountQuery,
        answer=Page[ServiceAccount],
        act=_list,
    ),
    Operation(
        method="POST",
        path="/service-accounts",
        name="create_service_account",
        summary="Make a service account.",
        permissions=_CHANGE,
        body=AccountToCreate,
        answer=CreatedAccount,
        status=201,
        act=_create,
    ),
    Operation(
        method="GET",
        path=_ONE,
        name="get_service_account",
        summary="Show one service account.",
        permissions=(Permission.READ,),
        answer=ServiceAccount,
        act=_get,
    ),
    Operation(
        method="PATCH",
        path=_ONE,
        name="change_service_account",
        summary="Change a service account; app tokens that hold more than it may ask for afterwards end.",
        permissions=_CHANGE,
        body=AccountToChange,
        answer=ChangedAccount,
        act=_change,
    ),
    Operation(
        method="GET",
        path=f"{_ONE}/secrets",
        name="list_account_secrets",
        summary="List what is known of an account's live secrets.",
        permissions=(Permission.READ,),
        answer=KnownSecrets,
        act=_secrets,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/rotate-secret",
        name="rotate_account_secret",
        summary="Make a new secret; the old one stays good for an overlap.",
        permissions=_CHANGE,
        body=SecretToRotate,
        answer=RotatedSecret,
        act=_rotate,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/disable",
        name="disable_service_account",
        summary="End all tokens of an account, and issue no others.",
        permissions=_CHANGE,
        body=Reason,
        answer=ServiceAccount,
        act=_disable,
    ),
    Operation(
        method="POST",
        path=f"{_ONE}/enable",
        name="enable_service_account",
        summary="Let a disabled account be used again.",
        permissions=_CHANGE,
        answer=ServiceAccount,
        act=_enable,
    ),
)
