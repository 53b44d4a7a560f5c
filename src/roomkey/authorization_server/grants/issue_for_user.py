"""The tokens of a person who has just signed in, for one app and one API: the beginning of a refresh family."""

from roomkey.authorization_server.clients.client import AllowedApi, Client
from roomkey.authorization_server.grants.scope import granted_scope
from roomkey.authorization_server.grants.token_request import token_answer
from roomkey.authorization_server.grants.user_claims import read_user_claims
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.issue import create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.tokens.refresh_tokens import new_family_id, start_family
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.oauth_error import OAuthError


def issue_tokens_for_user(
    uow: UnitOfWork,
    client: Client,
    access: AllowedApi,
    asked: tuple[str, ...],
    *,
    user_id: str,
    family_id: str | None = None,
    authenticated_at: int | None = None,
    acr: str | None = None,
) -> bytes:
    """The token answer for the person ``user_id``; part of the sign-in's transaction.

    There is a refresh token where the client may use that grant. Raises OAuthError where the person is disabled or
    may not have what is ``asked``.
    """
    person = read_user_claims(uow.connection, user_id)
    if person is None:
        raise OAuthError("invalid_grant", "The sign-in failed.")
    refreshes = "refresh_token" in client.grants
    grant = Grant(
        client_id=client.client_id,
        audience=access.api.audience,
        scope=granted_scope(access, asked, allowed=person.scopes),
        roles=person.roles,
        tenant=person.tenant,
        user_id=person.user_id,
        username=person.username,
        family_id=family_id or (new_family_id() if refreshes else None),
        authenticated_at=uow.now if authenticated_at is None else authenticated_at,
        acr=acr,
    )
    minted = create_access_token(
        grant,
        issuer=uow.settings.issuer,
        now=uow.now,
        lifetime=access.api.token_lifetime,
        signer=access.api.signer,
    )
    refresh_token = start_family(uow, grant).value if refreshes else None
    record_tokens(uow.connection, minted)
    return token_answer(minted, refresh_token=refresh_token)
