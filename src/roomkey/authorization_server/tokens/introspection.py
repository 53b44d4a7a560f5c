"""Token introspection (RFC 7662): the members of the response about a token that an API received."""

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, and_, bindparam, select, text

from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import StaleConfig
from roomkey.authorization_server.database.statements import Statement
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens

INACTIVE: Final[Mapping[str, Any]] = {"active": False}

# One statement, so that the config version and the token are of the same moment.
_LOOK_UP: Final = Statement(
    select(
        counters.c.value,
        access_tokens.c.client_id,
        access_tokens.c.user_id,
        access_tokens.c.audience,
        access_tokens.c.scope,
        access_tokens.c.roles,
        access_tokens.c.tenant,
        access_tokens.c.jti,
        access_tokens.c.issued_at,
        access_tokens.c.expires_at,
        access_tokens.c.authenticated_at,
        access_tokens.c.acr,
        users.c.username,
        app_tokens.c.digest,
    )
    .select_from(counters)
    .outerjoin(
        access_tokens,
        and_(
            access_tokens.c.digest == bindparam("digest"),
            access_tokens.c.expires_at > bindparam("now"),
            access_tokens.c.revoked_at.is_(None),
        ),
    )
    .outerjoin(users, users.c.id == access_tokens.c.user_id)
    .outerjoin(app_tokens, app_tokens.c.digest == access_tokens.c.digest)
    .where(counters.c.name == text("'changes'"))
)


def introspect(
    connection: Connection, digest: bytes, *, caller: Client, issuer: str, now: int
) -> tuple[Mapping[str, Any], bool]:
    """Return the members of the response about the token with ``digest``, and whether it is an app token.

    They are ``INACTIVE`` unless the token is valid and its audience is one of the APIs whose own account ``caller`` is;
    the response does not say why. Raises StaleConfig.
    """
    row = _LOOK_UP.first(connection, {"digest": digest, "now": now})
    if row is None or row[0] != caller.config_version:
        raise StaleConfig("The configuration has changed.")
    client_id, user_id, audience, scope, roles, tenant, jti, issued_at, expires_at, authenticated_at, *rest = row[1:]
    acr, username, app_token = rest
    if client_id is None or audience not in caller.audiences:
        return INACTIVE, False
    members: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "sub": user_id or client_id,
        "aud": audience,
        "client_id": client_id,
        "scope": scope,
        "token_type": "Bearer",
        "iat": issued_at,
        "nbf": issued_at,
        "exp": expires_at,
        "jti": jti,
    }
    if roles:
        members["roles"] = roles.split()
    if tenant is not None:
        members["tenant"] = tenant
    if username is not None:
        members["username"] = username
    if authenticated_at is not None:
        members["auth_time"] = authenticated_at
    if acr is not None:
        members["acr"] = acr
    return members, app_token is not None
