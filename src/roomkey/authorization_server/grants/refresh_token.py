"""The refresh token grant: rotation that exactly one request wins, the same response to a repeated one, and reuse
detection (RFC 6749 section 6, RFC 9700 section 4.14).
"""

import logging
from typing import Final

from sqlalchemy import Connection

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.grants.issue_for_user import UserClaims, read_user_claims
from roomkey.authorization_server.grants.scope import read_scope
from roomkey.authorization_server.grants.token_request import TokenRequest, token_response
from roomkey.authorization_server.tokens.issue import TokenGrant
from roomkey.authorization_server.tokens.issued_tokens import record_tokens
from roomkey.authorization_server.tokens.refresh_tokens import (
    RefreshTokenStatus,
    StoredRefreshToken,
    consume,
    decrypt_response,
    encrypt_response,
    find_refresh_token,
)
from roomkey.authorization_server.tokens.revocation import revoke_family
from roomkey.authorization_server.web.oauth_error import OAuthError

NAME = "refresh_token"
_log = logging.getLogger("roomkey.authorization_server")
_ATTEMPTS: Final = 3


async def refresh_token(request: TokenRequest) -> bytes:
    """Return the response with a new access token and the refresh token's successor."""
    token = request.form.required("refresh_token")
    if not secret_format.is_well_formed(token, secret_format.SecretKind.REFRESH_TOKEN):
        raise _invalid_grant()
    digest = secret_format.digest_of(token)
    for _ in range(_ATTEMPTS):
        stored, user = await request.service.database.read(lambda connection: _find(connection, request, digest))
        if stored is None:
            raise _invalid_grant()
        now, grace = request.service.now(), request.service.settings.refresh_grace
        match stored.status(client_id=request.client.client_id, now=now, grace=grace):
            case RefreshTokenStatus.VALID:
                response = await _rotate(request, token, stored, user)
            case RefreshTokenStatus.REPEATED:
                response = decrypt_response(token, stored.answer or b"")
            case RefreshTokenStatus.REUSED:
                await _revoke_reused(request, stored)
                raise _invalid_grant()
            case _:
                raise _invalid_grant()
        if response is not None:
            return response
    raise _invalid_grant()


def _find(
    connection: Connection, request: TokenRequest, digest: bytes
) -> tuple[StoredRefreshToken | None, UserClaims | None]:
    require_config_version(connection, request.client.config_version, issues=False)
    stored = find_refresh_token(connection, digest)
    user_id = None if stored is None else stored.user_id
    return stored, None if user_id is None else read_user_claims(connection, user_id)


async def _rotate(
    request: TokenRequest, token: str, stored: StoredRefreshToken, user: UserClaims | None
) -> bytes | None:
    """Return the response, or None where another request was faster."""
    client, service = request.client, request.service
    access = client.access.get(stored.audience)
    if access is None or (stored.user_id is not None and user is None):
        raise _invalid_grant()
    allowed = access.scopes if user is None else user.limit(access)
    left = tuple(scope for scope in stored.scope if scope in allowed)  # without what client, API or user have lost
    grant = TokenGrant(
        client_id=client.client_id,
        audience=stored.audience,
        scope=_narrowed(request, stored, left),
        roles=client.roles if user is None else user.roles,
        tenant=client.tenant if user is None else user.tenant,
        user_id=stored.user_id,
        username=None if user is None else user.username,
        family_id=stored.family_id,
        authenticated_at=stored.authenticated_at,
        acr=stored.acr,
    )
    access_token = access.api.create_token(grant, issuer=service.settings.issuer, now=service.clock.wall())
    successor = secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN)
    response = token_response(access_token, refresh_token=successor.value)
    encrypted, digest = encrypt_response(token, response), secret_format.digest_of(token)

    def write(connection: Connection) -> bool:
        require_config_version(connection, client.config_version)
        won = consume(service.on(connection, SERVICE), digest, stored, successor, scope=left, answer=encrypted)
        if won:
            record_tokens(connection, access_token)
        return won

    return response if await service.database.write(write) else None


def _narrowed(request: TokenRequest, stored: StoredRefreshToken, left: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requested part of ``left``: for the access token alone, the successor keeps all (section 6)."""
    requested = read_scope(request.form)
    if not set(requested) <= set(stored.scope):
        raise OAuthError("invalid_scope", "A refresh can narrow the scope, never widen it.")
    return tuple(scope for scope in requested if scope in left) if requested else left


async def _revoke_reused(request: TokenRequest, stored: StoredRefreshToken) -> None:
    def write(connection: Connection) -> bool:
        uow = request.service.on(connection, SERVICE)
        revoked = revoke_family(uow, stored.family_id, reason="refresh_token_reused")
        if revoked:
            subject = Subject("token_family", stored.family_id)
            record_event(uow, "refresh_token.reused", subject, client_id=stored.client_id, address=request.address)
        return revoked

    if await request.service.database.write(write):
        _log.warning(
            "A refresh token of %s was used a second time; its family %s is revoked.",
            stored.client_id,
            stored.family_id,
        )


def _invalid_grant() -> OAuthError:
    return OAuthError("invalid_grant", "The refresh token is unknown, used up, revoked or expired.")
