"""The authorization code grant: a code for one use within a minute, by the client that asked (RFC 6749 4.1, 7636)."""

import base64
import hashlib
import hmac
import logging
import re
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, insert, select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.grants.issue_for_user import UserClaims, issue_tokens_for_user, read_user_claims
from roomkey.authorization_server.grants.token_request import TokenRequest
from roomkey.authorization_server.schema.tokens import authorization_codes
from roomkey.authorization_server.tokens.refresh_tokens import new_family_id
from roomkey.authorization_server.tokens.revocation import revoke_family
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.oauth_error import OAuthError

NAME = "authorization_code"
LIFETIME: Final = 60  # seconds
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_log = logging.getLogger("roomkey.authorization_server")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGrant:
    """The consent of a user to a client's request, for which a code is issued; times in seconds since 1970."""

    client_id: str
    user_id: str
    redirect_uri: str
    code_challenge: str
    audience: str
    scope: tuple[str, ...]
    authenticated_at: int
    acr: str


def new_code(uow: UnitOfWork, grant: CodeGrant) -> secret_format.GeneratedSecret:
    """Create a code for ``grant``; part of the transaction in which the user consents."""
    code = secret_format.generate_secret(secret_format.SecretKind.AUTHORIZATION_CODE)
    values = {name: getattr(grant, name) for name in CodeGrant.__slots__}
    uow.connection.execute(
        insert(authorization_codes).values(
            **values | {"scope": " ".join(grant.scope)}, digest=code.digest, expires_at=uow.now + LIFETIME
        )
    )
    return code


async def authorization_code(request: TokenRequest) -> bytes:
    """Return the response with an access token for the user, and a refresh token where the client may use one."""
    form, service = request.form, request.service
    code, redirect_uri, verifier = (form.required(name) for name in ("code", "redirect_uri", "code_verifier"))
    if not secret_format.is_well_formed(code, secret_format.SecretKind.AUTHORIZATION_CODE):
        raise _invalid_grant()
    digest = secret_format.digest_of(code)
    row, user = await service.database.read(lambda connection: _find(connection, digest))
    if row is None or row.client_id != request.client.client_id:
        raise _invalid_grant()  # another client's code is invalid for this one, and stays as it is
    if row.used_at is not None:
        await _revoke_reused(request, digest)
        raise _invalid_grant()
    proven = _matches(verifier, row.code_challenge)
    if not (proven and row.redirect_uri == redirect_uri and service.now() < row.expires_at) or user is None:
        raise _invalid_grant()
    response = await _redeem(request, digest, row, user)
    if response is None:  # another request was faster with the same code
        await _revoke_reused(request, digest)
        raise _invalid_grant()
    return response


def _find(connection: Connection, digest: bytes) -> tuple[Any, UserClaims | None]:
    row = connection.execute(select(authorization_codes).where(authorization_codes.c.digest == digest)).first()
    return row, None if row is None else read_user_claims(connection, row.user_id)


async def _redeem(request: TokenRequest, digest: bytes, row: Any, user: UserClaims) -> bytes | None:
    client, service = request.client, request.service
    access = client.access.get(row.audience)
    if access is None:
        raise _invalid_grant()
    allowed = user.limit(access)
    scope = tuple(scope for scope in row.scope.split() if scope in allowed)
    if not scope:  # and never the default scopes, to which the user has not consented
        raise _invalid_grant()
    family_id = new_family_id()

    def write(connection: Connection) -> bytes | None:
        require_config_version(connection, client.config_version)
        uow = service.on(connection, SERVICE)
        if not _consume(uow, digest, family_id):
            return None
        return issue_tokens_for_user(
            uow,
            client,
            access,
            scope,
            user_id=user.user_id,
            family_id=family_id,
            authenticated_at=row.authenticated_at,
            acr=row.acr or None,
        )

    return await service.database.write(write)


def _consume(uow: UnitOfWork, digest: bytes, family_id: str) -> bool:
    """Mark the code as used; of many requests at once exactly one gets True."""
    used = uow.connection.execute(
        update(authorization_codes)
        .where(
            authorization_codes.c.digest == digest,
            authorization_codes.c.used_at.is_(None),
            authorization_codes.c.expires_at > uow.now,
        )
        .values(used_at=uow.now, family_id=family_id)
    )
    return used.rowcount == 1


async def _revoke_reused(request: TokenRequest, digest: bytes) -> None:
    """Revoke what a used code was exchanged for: a second use means that two parties have it (section 4.1.2)."""
    client_id = request.client.client_id

    def write(connection: Connection) -> bool:
        uow = request.service.on(connection, SERVICE)
        family = connection.scalar(
            select(authorization_codes.c.family_id).where(authorization_codes.c.digest == digest)
        )
        if family is None:
            return False
        revoke_family(uow, family, reason="authorization_code_reused")
        subject = Subject("token_family", family)
        record_event(uow, "authorization_code.reused", subject, client_id=client_id, address=request.address)
        return True

    if await request.service.database.write(write):
        _log.warning("An authorization code of %s was used a second time; its tokens are revoked.", client_id)


def _matches(verifier: str, challenge: str) -> bool:
    """Check the PKCE ``verifier`` against the ``challenge`` (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(digest, challenge)


def _invalid_grant() -> OAuthError:
    return OAuthError(
        "invalid_grant", "The code is unknown, used, expired or not this client's, or the code_verifier is wrong."
    )
