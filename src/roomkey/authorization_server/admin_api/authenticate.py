"""The caller: the service account of the bearer token, by the service's own records, so a revocation is at once."""

import re
from typing import Final

from sqlalchemy import and_, select

from roomkey.authorization_server.accounts.service_accounts.model import BUILT_IN
from roomkey.authorization_server.accounts.syntax import words
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.admin_api.problem import InsufficientScope, Unauthorized
from roomkey.authorization_server.commands.command import Declaration
from roomkey.authorization_server.errors import NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import account_apis, service_accounts
from roomkey.authorization_server.schema.tokens import access_tokens
from roomkey.authorization_server.tokens.issue import lookup_digest
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.request_response import BufferedRequest

READ: Final = "admin:read"
WRITE: Final = "admin:write"
_OF_USERS: Final = frozenset({Permission.CHANGE_OWN_ACCOUNTS, Permission.REQUEST_TOKENS})
_LONGEST: Final = 8192
_BEARER: Final = re.compile(rb"bearer +([A-Za-z0-9._~+/-]+=*)[ \t]*", re.IGNORECASE)


def token_key(request: BufferedRequest) -> bytes:
    """The key of the one token in the Authorization header, in the table of tokens; raises Unauthorized."""
    values = request.header_values(b"authorization")
    if not values:
        raise Unauthorized("A token is needed: Authorization: Bearer …", token=False)
    found = _BEARER.fullmatch(values[0]) if len(values) == 1 and len(values[0]) <= _LONGEST else None
    if found is None:
        raise Unauthorized("The Authorization header does not hold one bearer token.", token=True)
    key = lookup_digest(found[1].decode("ascii"))
    if key is None:
        raise Unauthorized("The token is none of this service.", token=True)
    return key


def scope_of(declaration: Declaration) -> str:
    """The scope that a token needs for a command."""
    return READ if declaration.reads else WRITE


def permissions_of(declaration: Declaration) -> tuple[Permission, ...]:
    """The permissions of which a service account needs one: not those on what a user owns, for it owns nothing."""
    return tuple(one for one in declaration.permissions if one not in _OF_USERS)


def authenticate(uow: UnitOfWork, key: bytes, declaration: Declaration, *, address: str) -> Actor:
    """The account that may perform a command by the token with this ``key``.

    It has those roles and scopes that both the token and the account have now. Raises Unauthorized,
    InsufficientScope, NotAllowed.
    """
    row = uow.connection.execute(
        select(access_tokens, service_accounts.c.disabled_at, service_accounts.c.roles.label("has_roles"))
        .add_columns(service_accounts.c.tenant.label("is_of"), account_apis.c.scopes.label("may_ask"))
        .join_from(access_tokens, service_accounts, service_accounts.c.client_id == access_tokens.c.client_id)
        .outerjoin(
            account_apis,
            and_(account_apis.c.client_id == access_tokens.c.client_id, account_apis.c.audience == BUILT_IN),
        )
        .where(access_tokens.c.digest == key)
    ).first()
    if (
        row is None
        or row.audience != BUILT_IN
        or row.revoked_at is not None
        or uow.now >= row.expires_at
        or row.disabled_at is not None
    ):
        raise Unauthorized(
            "The token is not valid for this API: it may have expired or been revoked, or be for another one.",
            token=True,
        )
    if row.user_id is not None:
        raise NotAllowed("The token is a user's; users have the backoffice.")
    scope = scope_of(declaration)
    if scope not in set(words(row.scope)) & set(words(row.may_ask or "")):
        raise InsufficientScope(scope)
    roles = frozenset(words(row.roles)) & frozenset(words(row.has_roles))
    actor = Actor(ActorKind.SERVICE_ACCOUNT, row.client_id, row.client_id, roles, row.is_of, address)
    if not any(map(actor.may, permissions_of(declaration))):
        raise NotAllowed("The roles of this account do not allow this; ask an administrator.")
    return actor
