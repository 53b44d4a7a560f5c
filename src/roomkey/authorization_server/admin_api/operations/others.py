"""Tenants, token requests, users, keys and the audit log: mostly to be read, for people decide there."""

from dataclasses import dataclass
from typing import Final, Literal

from roomkey.authorization_server import audit_log
from roomkey.authorization_server.accounts import tenants, token_requests
from roomkey.authorization_server.accounts.page import LARGEST, USUAL, Page
from roomkey.authorization_server.accounts.tenants import Tenant
from roomkey.authorization_server.accounts.token_requests import TokenRequest
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.keys.lanes import LaneKey, lanes
from roomkey.authorization_server.keys.rotation import Rotation
from roomkey.authorization_server.people import users
from roomkey.authorization_server.people.users import User
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.work import Work


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantToCreate:
    """A new tenant."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestQuery(Paging):
    """A page of token requests, the newest first, in one state or in any."""

    state: Literal["pending", "approved", "refused", "collected", "withdrawn"] | None = None


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing keys in their lanes."""

    items: tuple[LaneKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyToRotate:
    """Whose turn it is, and whether the next key signs ``now``, also where it is too new."""

    algorithm: Literal["ES256", "RS256", "EdDSA"] = "ES256"
    now: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class EventQuery:
    """A page of audit events, the newest first: of an actor, of an action or its beginning, about a subject."""

    after: str | None = None
    limit: int = USUAL
    actor: str = ""
    action: str = ""
    subject: str = ""


def _tenants(work: Work, asked: Asked) -> Page[Tenant]:
    return tenants.find(work, after=asked.query.after, limit=asked.query.limit)


def _create_tenant(work: Work, asked: Asked) -> Tenant:
    return tenants.create(work, name=asked.body.name)


def _requests(work: Work, asked: Asked) -> Page[TokenRequest]:
    query: RequestQuery = asked.query
    return token_requests.find(work, after=query.after, limit=query.limit, state=query.state)


def _request(work: Work, asked: Asked) -> TokenRequest:
    return token_requests.get(work, asked.path["id"])


def _users(work: Work, asked: Asked) -> Page[User]:
    query: Paging = asked.query
    if not 1 <= query.limit < LARGEST:
        raise Invalid(f"A page of users has 1 to {LARGEST - 1} items.", field="limit")
    found = users.list_users(work, after=query.after or "", limit=query.limit + 1)
    shown = found[: query.limit]
    return Page(shown, shown[-1].username_key if len(found) > query.limit else None)


def _user(work: Work, asked: Asked) -> User:
    return users.get(work, asked.path["user"])


def _disable_user(work: Work, asked: Asked) -> User:
    return users.disable(work, asked.path["user"])


def _keys(work: Work, _: Asked) -> Keys:
    return Keys(lanes(work))


def _rotate_keys(work: Work, asked: Asked) -> Rotation:
    return rotation.rotate(work, algorithm=asked.body.algorithm, now=asked.body.now)


def _events(work: Work, asked: Asked) -> Page[audit_log.Event]:
    query: EventQuery = asked.query
    return audit_log.find(
        work,
        actor=query.actor,
        action=query.action,
        subject=query.subject,
        after=query.after,
        limit=query.limit,
    )


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/tenants",
        name="list_tenants",
        summary="List the tenants.",
        permissions=(Permission.READ,),
        query=Paging,
        answer=Page[Tenant],
        act=_tenants,
    ),
    Operation(
        method="POST",
        path="/tenants",
        name="create_tenant",
        summary="Make a tenant.",
        permissions=(Permission.CHANGE_ACCOUNTS,),
        body=TenantToCreate,
        answer=Tenant,
        status=201,
        act=_create_tenant,
    ),
    Operation(
        method="GET",
        path="/token-requests",
        name="list_token_requests",
        summary="List the requests for app tokens; people ask and decide in the backoffice.",
        permissions=(Permission.APPROVE_TOKENS, Permission.READ_AUDIT),
        query=RequestQuery,
        answer=Page[TokenRequest],
        act=_requests,
    ),
    Operation(
        method="GET",
        path="/token-requests/{id}",
        name="get_token_request",
        summary="Show one request.",
        permissions=(Permission.APPROVE_TOKENS, Permission.READ_AUDIT),
        answer=TokenRequest,
        act=_request,
    ),
    Operation(
        method="GET",
        path="/users",
        name="list_users",
        summary="List the users.",
        permissions=(Permission.READ_PEOPLE,),
        query=Paging,
        answer=Page[User],
        act=_users,
    ),
    Operation(
        method="GET",
        path="/users/{user}",
        name="get_user",
        summary="Show one user, by id or user name.",
        permissions=(Permission.READ_PEOPLE,),
        answer=User,
        act=_user,
    ),
    Operation(
        method="POST",
        path="/users/{user}/disable",
        name="disable_user",
        summary="Let nobody in as a user, and end their sessions and tokens.",
        permissions=(Permission.CHANGE_PEOPLE,),
        answer=User,
        act=_disable_user,
    ),
    Operation(
        method="GET",
        path="/keys",
        name="list_keys",
        summary="List the signing keys in their lanes.",
        permissions=(Permission.READ,),
        answer=Keys,
        act=_keys,
    ),
    Operation(
        method="POST",
        path="/keys/rotate",
        name="rotate_keys",
        summary="Make the next signing key, or let it sign.",
        permissions=(Permission.CHANGE_KEYS,),
        body=KeyToRotate,
        answer=Rotation,
        act=_rotate_keys,
    ),
    Operation(
        method="GET",
        path="/audit-events",
        name="list_audit_events",
        summary="List the events of the audit log.",
        permissions=(Permission.READ_AUDIT,),
        query=EventQuery,
        answer=Page[audit_log.Event],
        act=_events,
    ),
)
