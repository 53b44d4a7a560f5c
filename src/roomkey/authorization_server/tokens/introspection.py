"""What an API may learn of a token that somebody showed to it (RFC 7662)."""

from typing import Any, Final

from sqlalchemy import Connection, bindparam, select

from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.directory import check
from roomkey.authorization_server.schema.people import users
from roomkey.authorization_server.schema.tokens import access_tokens

_LOOK_UP: Final = (
    select(access_tokens, users.c.username)
    .outerjoin_from(access_tokens, users, users.c.id == access_tokens.c.user_id)
    .where(access_tokens.c.digest == bindparam("digest"))
)


def introspect(connection: Connection, digest: bytes, *, caller: Client, issuer: str, now: int) -> dict[str, Any]:
    """The members of the answer about the token with ``digest``: ``{"active": False}`` unless it is the caller's.

    It is where the token lives and its audience is one of the APIs whose own account ``caller`` is; whatever else is
    wrong looks the same. Raises Outdated.
    """
    check(connection, caller.generation)
    row = connection.execute(_LOOK_UP, {"digest": digest}).first()
    if row is None or row.audience not in caller.audiences or row.revoked_at is not None or now >= row.expires_at:
        return {"active": False}
    members: dict[str, Any] = {
        "active": True,
        "iss": issuer,
        "sub": row.user_id or row.client_id,
        "aud": row.audience,
        "client_id": row.client_id,
        "scope": row.scope,
        "token_type": "Bearer",
        "iat": row.issued_at,
        "nbf": row.issued_at,
        "exp": row.expires_at,
        "jti": row.jti,
    }
    if row.roles:
        members["roles"] = row.roles.split()
    optional = {"tenant": row.tenant, "username": row.username}
    return members | {name: value for name, value in optional.items() if value is not None}
