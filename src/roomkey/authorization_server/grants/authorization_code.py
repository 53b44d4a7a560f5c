"""The grant of a person who was asked: a code for one use, within a minute, by whoever asked (RFC 6749 4.1, 7636)."""

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
from roomkey.authorization_server.grants.issue_for_user import issue_tokens_for_user
from roomkey.authorization_server.grants.token_request import TokenRequest
from roomkey.authorization_server.grants.user_claims import UserClaims, read_user_claims
from roomkey.authorization_server.schema.tokens import authorization_codes
from roomkey.authorization_server.tokens.issued_tokens import revoke_family
from roomkey.authorization_server.tokens.refresh_tokens import new_family_id
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.oauth_error import OAuthError

NAME = "authorization_code"
LIFETIME: Final = 60  # seconds
_VERIFIER: Final = re.compile(r"[A-Za-z0-9._~-]{43,128}", re.ASCII)
_log = logging.getLogger("roomkey.authorization_server")


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeGrant:
    """What a person has granted a client, for a code to stand for; times in seconds since 1970."""

    client_id: str
    user_id: str
    redirect_uri: str
    code_challenge: str
    audience: str
    scope: tuple[str, ...]
    authenticated_at: int
    acr: str


def new_code(uow: UnitOfWork, granted: CodeGrant) -> secret_format.GeneratedSecret:
    """A code for ``granted``; part of the transaction in which the person agreed."""
    code = secret_format.generate_secret(secret_format.SecretKind.AUTHORIZATION_CODE)
    values = {name: getattr(granted, name) for name in CodeGrant.__slots__}
    uow.connection.execute(
        insert(authorization_codes).values(
            **values | {"scope": " ".join(granted.scope)}, digest=code.digest, expires_at=uow.now + LIFETIME
        )
    )
    return code


async def authorization_code(exchange: TokenRequest) -> bytes:
    """The answer with an access token for the person, and a refresh token where the client may use one."""
    form, service = exchange.form, exchange.service
    code, redirect_uri, verifier = (form.required(name) for name in ("code", "redirect_uri", "code_verifier"))
    if not secret_format.is_well_formed(code, secret_format.SecretKind.AUTHORIZATION_CODE):
        raise _refused()
    digest = secret_format.digest_of(code)
    row, person = await service.database.read(lambda connection: _look(connection, digest))
    if row is None or row.client_id != exchange.client.client_id:
        raise _refused()  # another client's code is none to it, and nothing comes of that
    if row.used_at is not None:
        await _end_what_it_minted(exchange, digest)
        raise _refused()
    proven = _proves(verifier, row.code_challenge)
    if not (proven and row.redirect_uri == redirect_uri and service.now() < row.expires_at) or person is None:
        raise _refused()
    answer = await _redeem(exchange, digest, row, person)
    if answer is None:  # somebody else was faster with the same code
        await _end_what_it_minted(exchange, digest)
        raise _refused()
    return answer


def _look(connection: Connection, digest: bytes) -> tuple[Any, UserClaims | None]:
    row = connection.execute(select(authorization_codes).where(authorization_codes.c.digest == digest)).first()
    return row, None if row is None else read_user_claims(connection, row.user_id)


async def _redeem(exchange: TokenRequest, digest: bytes, row: Any, person: UserClaims) -> bytes | None:
    client, service = exchange.client, exchange.service
    access = client.access.get(row.audience)
    if access is None:
        raise _refused()
    allowed = access.scopes if person.scopes is None else access.scopes & person.scopes
    scope = tuple(scope for scope in row.scope.split() if scope in allowed)
    if not scope:  # and never the default, which nobody has agreed to
        raise _refused()
    family_id = new_family_id()

    def write(connection: Connection) -> bytes | None:
        require_config_version(connection, client.config_version)
        uow = service.on(connection, SERVICE)
        if not _use_up(uow, digest, family_id):
            return None
        return issue_tokens_for_user(
            uow,
            client,
            access,
            scope,
            user_id=person.user_id,
            family_id=family_id,
            authenticated_at=row.authenticated_at,
            acr=row.acr or None,
        )

    return await service.database.write(write)


def _use_up(uow: UnitOfWork, digest: bytes, family_id: str) -> bool:
    """Whether the code was not used until now; of many that try at once exactly one gets True."""
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


async def _end_what_it_minted(exchange: TokenRequest, digest: bytes) -> None:
    """Somebody has a code that was used: what it was exchanged for ends, for it may be theirs (section 4.1.2)."""

    def write(connection: Connection) -> bool:
        uow = exchange.service.on(connection, SERVICE)
        family = connection.scalar(
            select(authorization_codes.c.family_id).where(authorization_codes.c.digest == digest)
        )
        if family is None:
            return False
        revoke_family(uow, family, reason="authorization_code_reused")
        subject = Subject("token_family", family)
        record_event(
            uow, "authorization_code.reused", subject, client_id=exchange.client.client_id, address=exchange.address
        )
        return True

    if await exchange.service.database.write(write):
        _log.warning("A code of %s was used a second time; its tokens are revoked.", exchange.client.client_id)


def _proves(verifier: str, challenge: str) -> bool:
    """Whether ``verifier`` is what ``challenge`` was made from (RFC 7636 section 4.6)."""
    if not _VERIFIER.fullmatch(verifier):
        return False
    digest = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
    return hmac.compare_digest(digest, challenge)


def _refused() -> OAuthError:
    return OAuthError(
        "invalid_grant", "The code is unknown, used, expired or not this client's, or the proof is wrong."
    )
