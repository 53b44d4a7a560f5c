"""Issue of tokens for a user who has just signed in: an access token, and the start of a refresh token family.

The user's claims are read anew for every token, so that a role that was taken away is gone at the next one.
"""

from dataclasses import dataclass

from sqlalchemy import Connection, select

from roomkey.authorization_server.clients.client import AllowedApi, Client
from roomkey.authorization_server.grants.scope import granted_scope
from roomkey.authorization_server.grants.token_request import token_response
from roomkey.authorization_server.schema.identity import user_roles, users
from roomkey.authorization_server.tokens.issue import TokenGrant
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.tokens.refresh_tokens import new_family_id, start_family
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.oauth_error import OAuthError


@dataclass(frozen=True, slots=True)
class UserClaims:
    """The claims of a user who is not disabled; ``scopes`` is the most that a token may hold, or None for no limit."""

    user_id: str
    username: str
    tenant: str | None
    roles: tuple[str, ...]
    scopes: frozenset[str] | None

    def limit(self, access: AllowedApi) -> frozenset[str]:
        """Return the scopes of the client's ``access`` that the user may have too."""
        return access.scopes if self.scopes is None else access.scopes & self.scopes


def read_user_claims(connection: Connection, user_id: str) -> UserClaims | None:
    """Read the claims of the user ``user_id``; None where there is none, or the user is disabled."""
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


def issue_tokens_for_user(
    uow: UnitOfWork,
    client: Client,
    access: AllowedApi,
    requested: tuple[str, ...],
    *,
    user_id: str,
    family_id: str | None = None,
    authenticated_at: int | None = None,
    acr: str | None = None,
) -> bytes:
    """Return the token response for the user ``user_id``; part of the sign-in's transaction.

    It has a refresh token where the client may use that grant. Raises OAuthError where the user is disabled or may not
    have the ``requested`` scopes.
    """
    user = read_user_claims(uow.connection, user_id)
    if user is None:
        raise OAuthError("invalid_grant", "The sign-in failed.")
    refreshes = "refresh_token" in client.grants
    grant = TokenGrant(
        client_id=client.client_id,
        audience=access.api.audience,
        scope=granted_scope(access, requested, allowed=user.scopes),
        roles=user.roles,
        tenant=user.tenant,
        user_id=user.user_id,
        username=user.username,
        family_id=family_id or (new_family_id() if refreshes else None),
        authenticated_at=uow.now if authenticated_at is None else authenticated_at,
        acr=acr,
    )
    token = access.api.create_token(grant, issuer=uow.settings.issuer, now=uow.now)
    refresh_token = start_family(uow, grant).value if refreshes else None
    record_tokens(uow.connection, token)
    return token_response(token, refresh_token=refresh_token)
