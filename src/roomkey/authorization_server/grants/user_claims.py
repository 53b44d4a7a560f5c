"""A person as tokens speak of them: read anew for every token, so that what they lost is gone at the next one."""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from roomkey.authorization_server.schema.identity import user_roles, users


@dataclass(frozen=True, slots=True)
class UserClaims:
    """A user who is not disabled; ``scopes`` is the most that tokens for them may hold, or None for no such bound."""

    user_id: str
    username: str
    tenant: str | None
    roles: tuple[str, ...]
    scopes: frozenset[str] | None


def read_user_claims(connection: Connection, user_id: str) -> UserClaims | None:
    """The user with ``user_id``; None where there is none, or they are disabled."""
    row = connection.execute(
        select(users.c.username, users.c.tenant, users.c.scopes).where(
            users.c.id == user_id, users.c.disabled_at.is_(None)
        )
    ).first()
    if row is None:
        return None
    roles = connection.scalars(
        select(user_roles.c.role).where(user_roles.c.user_id == user_id).order_by(user_roles.c.role)
    ).all()
    scopes = None if row.scopes is None else frozenset(row.scopes.split())
    return UserClaims(user_id, row.username, row.tenant, tuple(roles), scopes)
