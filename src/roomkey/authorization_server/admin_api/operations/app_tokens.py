"""App tokens."""

from dataclasses import dataclass, field
from typing import Final

from roomkey.authorization_server.accounts import app_tokens
from roomkey.authorization_server.accounts.app_token import AppToken
from roomkey.authorization_server.accounts.page import Page
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.apis import Format
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.admin_api.operations.service_accounts import Reason
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTokenQuery(Paging):
    """A page of app tokens, the newest first: of an account, for an API, of an owner, or live ones only."""

    client_id: str | None = None
    audience: str | None = None
    owner_id: str | None = None
    live: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTokenToCreate:
    """A new app token that lives ``lifetime`` seconds."""

    client_id: str
    audience: str
    scopes: tuple[str, ...]
    lifetime: int
    token_format: Format | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AppTokenToRotate:
    """For how many seconds the old token stays good, and for how many the new one is."""

    overlap: int = 0
    lifetime: int | None = None


@dataclass(frozen=True, slots=True)
class CreatedAppToken:
    """A new app token with the token itself, which is in no other answer."""

    app_token: AppToken
    token: str = field(repr=False)


def _list(uow: UnitOfWork, asked: Asked) -> Page[AppToken]:
    query: AppTokenQuery = asked.query
    return app_tokens.find(
        uow,
        after=query.after,
        limit=query.limit,
        client_id=query.client_id,
        audience=query.audience,
        owner_id=query.owner_id,
        live=query.live,
    )


def _create(uow: UnitOfWork, asked: Asked) -> CreatedAppToken:
    body: AppTokenToCreate = asked.body
    made = app_tokens.create(
        uow,
        client_id=body.client_id,
        audience=body.audience,
        scopes=body.scopes,
        lifetime=body.lifetime,
        token_format=body.token_format,
    )
    return CreatedAppToken(made.app_token, made.minted.value)


def _get(uow: UnitOfWork, asked: Asked) -> AppToken:
    return app_tokens.get(uow, asked.path["id"])


def _rotate(uow: UnitOfWork, asked: Asked) -> CreatedAppToken:
    body: AppTokenToRotate = asked.body
    made = app_tokens.rotate(uow, asked.path["id"], overlap=body.overlap, lifetime=body.lifetime)
    return CreatedAppToken(made.app_token, made.minted.value)


def _revoke(uow: UnitOfWork, asked: Asked) -> AppToken:
    return app_tokens.revoke(uow, asked.path["id"], reason=asked.body.reason)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/app-tokens",
        name="list_app_tokens",
        summary="List the app tokens.",
        permissions=(Permission.READ,),
        query=AppTokenQuery,
        answer=Page[AppToken],
        act=_list,
    ),
    Operation(
        method="POST",
        path="/app-tokens",
        name="create_app_token",
        summary="Make an app token.",
        permissions=(Permission.CHANGE_ACCOUNTS,),
        body=AppTokenToCreate,
        answer=CreatedAppToken,
        status=201,
        act=_create,
    ),
    Operation(
        method="GET",
        path="/app-tokens/{id}",
        name="get_app_token",
        summary="Show one app token.",
        permissions=(Permission.READ,),
        answer=AppToken,
        act=_get,
    ),
    Operation(
        method="POST",
        path="/app-tokens/{id}/rotate",
        name="rotate_app_token",
        summary="Make a new token in place of one; the old one stays good for an overlap.",
        permissions=(Permission.CHANGE_ACCOUNTS,),
        body=AppTokenToRotate,
        answer=CreatedAppToken,
        status=201,
        act=_rotate,
    ),
    Operation(
        method="POST",
        path="/app-tokens/{id}/revoke",
        name="revoke_app_token",
        summary="End an app token now.",
        permissions=(Permission.REVOKE_TOKENS, Permission.CHANGE_ACCOUNTS),
        body=Reason,
        answer=AppToken,
        act=_revoke,
    ),
)
