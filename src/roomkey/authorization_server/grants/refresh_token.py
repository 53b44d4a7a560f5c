"""The grant that renews: one step that exactly one request wins, and the same answer for whoever sends it again.

RFC 6749 section 6; RFC 9700 section 4.14: a token that was used up and comes again ends its family.
"""

import logging
from typing import Final

from sqlalchemy import Connection

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.clients.client import AllowedApi
from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.grants.scope import read_scope
from roomkey.authorization_server.grants.token_request import TokenRequest, token_answer
from roomkey.authorization_server.grants.user_claims import UserClaims, read_user_claims
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.tokens.issue import create_access_token
from roomkey.authorization_server.tokens.issued_tokens import record_tokens, revoke_family
from roomkey.authorization_server.tokens.refresh_tokens import (
    RefreshTokenStatus,
    StoredRefreshToken,
    consume,
    find_refresh_token,
)
from roomkey.authorization_server.tokens.sealed_answer import AnswerKey
from roomkey.authorization_server.web.oauth_error import OAuthError

NAME = "refresh_token"
_log = logging.getLogger("roomkey.authorization_server")
_ATTEMPTS: Final = 3


async def refresh_token(exchange: TokenRequest) -> bytes:
    """The answer with a new access token and the refresh token's successor."""
    token = exchange.form.required("refresh_token")
    if not secret_format.is_well_formed(token, secret_format.SecretKind.REFRESH_TOKEN):
        raise _refused()
    digest = secret_format.digest_of(token)
    for _ in range(_ATTEMPTS):
        presented, person = await exchange.service.database.read(lambda connection: _look(connection, exchange, digest))
        if presented is None:
            raise _refused()
        now, grace = exchange.service.now(), exchange.service.settings.refresh_grace
        match presented.standing(client_id=exchange.client.client_id, now=now, grace=grace):
            case RefreshTokenStatus.GOOD:
                answer = await _renew(exchange, token, presented, person)
            case RefreshTokenStatus.REPEATED:
                answer = AnswerKey(token).open(presented.answer or b"")
            case RefreshTokenStatus.REUSED:
                await _end_family(exchange, presented)
                raise _refused()
            case _:
                raise _refused()
        if answer is not None:
            return answer
    raise _refused()


def _look(
    connection: Connection, exchange: TokenRequest, digest: bytes
) -> tuple[StoredRefreshToken | None, UserClaims | None]:
    require_config_version(connection, exchange.client.config_version, issues=False)
    presented = find_refresh_token(connection, digest)
    user_id = None if presented is None else presented.user_id
    return presented, None if user_id is None else read_user_claims(connection, user_id)


async def _renew(
    exchange: TokenRequest, token: str, presented: StoredRefreshToken, person: UserClaims | None
) -> bytes | None:
    """The answer, or None where another request was faster."""
    client, service = exchange.client, exchange.service
    access = client.access.get(presented.audience)
    if access is None or (presented.user_id is not None and person is None):
        raise _refused()
    left = _left(presented, access, person)
    grant = Grant(
        client_id=client.client_id,
        audience=presented.audience,
        scope=_narrowed(exchange, presented, left),
        roles=client.roles if person is None else person.roles,
        tenant=client.tenant if person is None else person.tenant,
        user_id=presented.user_id,
        username=None if person is None else person.username,
        family_id=presented.family_id,
        authenticated_at=presented.authenticated_at,
        acr=presented.acr,
    )
    minted = create_access_token(
        grant,
        issuer=service.settings.issuer,
        now=service.clock.wall(),
        lifetime=access.api.token_lifetime,
        signer=access.api.signer,
    )
    successor = secret_format.generate_secret(secret_format.SecretKind.REFRESH_TOKEN)
    answer = token_answer(minted, refresh_token=successor.value)
    sealed, digest = AnswerKey(token).seal(answer), secret_format.digest_of(token)

    def write(connection: Connection) -> bool:
        require_config_version(connection, exchange.client.config_version)
        won = consume(service.on(connection, SERVICE), digest, presented, successor, scope=left, answer=sealed)
        if won:
            record_tokens(connection, minted)
        return won

    return answer if await service.database.write(write) else None


def _left(presented: StoredRefreshToken, access: AllowedApi, person: UserClaims | None) -> tuple[str, ...]:
    """What the token has; what client, API or person have lost since is gone from it."""
    allowed = access.scopes if person is None or person.scopes is None else access.scopes & person.scopes
    return tuple(scope for scope in presented.scope if scope in allowed)


def _narrowed(exchange: TokenRequest, presented: StoredRefreshToken, left: tuple[str, ...]) -> tuple[str, ...]:
    """What is asked for of what is ``left``: for the access token alone, the successor keeps all (section 6)."""
    asked = read_scope(exchange.form)
    if not set(asked) <= set(presented.scope):
        raise OAuthError("invalid_scope", "A refresh can narrow the scope, never widen it.")
    return tuple(scope for scope in asked if scope in left) if asked else left


async def _end_family(exchange: TokenRequest, presented: StoredRefreshToken) -> None:
    def write(connection: Connection) -> bool:
        uow = exchange.service.on(connection, SERVICE)
        ended = revoke_family(uow, presented.family_id, reason="refresh_token_reused")
        if ended:
            subject = Subject("token_family", presented.family_id)
            record_event(uow, "refresh_token.reused", subject, client_id=presented.client_id, address=exchange.address)
        return ended

    if await exchange.service.database.write(write):
        _log.warning(
            "A refresh token of %s was used a second time; its family %s is revoked.",
            presented.client_id,
            presented.family_id,
        )


def _refused() -> OAuthError:
    return OAuthError("invalid_grant", "The refresh token is unknown, used up, revoked or expired.")
