"""APIs and their scopes."""

from dataclasses import dataclass, field
from typing import Final, Literal

from roomkey.authorization_server.accounts import apis
from roomkey.authorization_server.accounts.account_secrets import NewSecret
from roomkey.authorization_server.accounts.api import Api, Scope
from roomkey.authorization_server.accounts.page import Page
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.secret import Secret

Format = Literal["jwt", "opaque"]
Algorithm = Literal["ES256", "RS256", "EdDSA", "HS256"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiQuery(Paging):
    """A page of APIs, with ``search`` in the name."""

    search: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToCreate:
    """A new API; times in seconds."""

    audience: str
    scopes: tuple[Scope, ...]
    description: str = ""
    tenant: str | None = None
    token_lifetime: int | None = None
    longest_app_token: int | None = None
    token_format: Format = "jwt"  # noqa: S105 - a format
    algorithm: Algorithm = "ES256"
    needs_approval: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiToChange:
    """What is to change of an API; null or left out: nothing. ``scopes`` are all that it has afterwards."""

    description: str | None = None
    scopes: tuple[Scope, ...] | None = None
    token_lifetime: int | None = None
    longest_app_token: int | None = None
    token_format: Format | None = None
    algorithm: Algorithm | None = None
    needs_approval: bool | None = None
    disabled: bool | None = None


@dataclass(frozen=True, slots=True)
class CreatedApi:
    """A new API with its secrets, which are in no other answer."""

    api: Api
    client_secret: str = field(repr=False)
    shared_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class ChangedApi:
    """An API as it is now; ``shared_secret`` where it has just turned to HS256, and in no other answer."""

    api: Api
    ended_app_tokens: int
    shared_secret: str | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretToRotate:
    """For how many seconds the old secret stays good."""

    overlap: int = 0


@dataclass(frozen=True, slots=True)
class RotatedSecret:
    """A new secret, which is in no other answer, and until when the old one is good."""

    client_id: str
    client_secret: str = field(repr=False)
    old_until: int | None


def rotated(made: NewSecret) -> RotatedSecret:
    """A new secret as it is answered, once."""
    return RotatedSecret(made.client_id, made.client_secret.value, made.old_until)


def _list(uow: UnitOfWork, asked: Asked) -> Page[Api]:
    query: ApiQuery = asked.query
    return apis.find(uow, after=query.after, limit=query.limit, search=query.search)


def _create(uow: UnitOfWork, asked: Asked) -> CreatedApi:
    body: ApiToCreate = asked.body
    made = apis.create(
        uow,
        audience=body.audience,
        scopes=body.scopes,
        description=body.description,
        tenant=body.tenant,
        token_lifetime=body.token_lifetime,
        longest_app_token=body.longest_app_token,
        token_format=body.token_format,
        algorithm=body.algorithm,
        needs_approval=body.needs_approval,
    )
    return CreatedApi(made.api, made.client_secret.value, _revealed(made.shared_secret))


def _get(uow: UnitOfWork, asked: Asked) -> Api:
    return apis.get(uow, asked.path["audience"])


def _change(uow: UnitOfWork, asked: Asked) -> ChangedApi:
    body: ApiToChange = asked.body
    audience = asked.path["audience"]
    changed = apis.change(
        uow,
        audience,
        description=body.description,
        scopes=body.scopes,
        token_lifetime=body.token_lifetime,
        longest_app_token=body.longest_app_token,
        token_format=body.token_format,
        algorithm=body.algorithm,
        needs_approval=body.needs_approval,
    )
    api = changed.api
    if body.disabled is not None:
        api = (apis.disable if body.disabled else apis.enable)(uow, audience)
    return ChangedApi(api, changed.ended_app_tokens, _revealed(changed.shared_secret))


def _rotate_secret(uow: UnitOfWork, asked: Asked) -> RotatedSecret:
    return rotated(apis.rotate_secret(uow, asked.path["audience"], overlap=asked.body.overlap))


def _revealed(secret: Secret | None) -> str | None:
    return None if secret is None else secret.reveal()


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/apis",
        name="list_apis",
        summary="List the APIs.",
        permissions=(Permission.READ,),
        query=ApiQuery,
        answer=Page[Api],
        act=_list,
    ),
    Operation(
        method="POST",
        path="/apis",
        name="create_api",
        summary="Make an API, and the account by which it introspects.",
        permissions=(Permission.CHANGE_APIS,),
        body=ApiToCreate,
        answer=CreatedApi,
        status=201,
        act=_create,
    ),
    Operation(
        method="POST",
        path="/apis/{audience:whole}/rotate-secret",
        name="rotate_api_secret",
        summary="Make a new secret for the API's own account.",
        permissions=(Permission.CHANGE_APIS,),
        body=SecretToRotate,
        answer=RotatedSecret,
        act=_rotate_secret,
    ),
    Operation(
        method="GET",
        path="/apis/{audience:whole}",
        name="get_api",
        summary="Show one API.",
        permissions=(Permission.READ,),
        answer=Api,
        act=_get,
    ),
    Operation(
        method="PATCH",
        path="/apis/{audience:whole}",
        name="change_api",
        summary="Change an API, its scopes, or whether tokens are issued for it.",
        permissions=(Permission.CHANGE_APIS,),
        body=ApiToChange,
        answer=ChangedApi,
        act=_change,
    ),
)
