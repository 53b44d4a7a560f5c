"""Refresh tokens: rotation and reuse detection (RFC 6749 section 6, RFC 9700 section 4.14).

Each sign-in starts one family, of which one token is valid at a time. A token that is used again is either the same
request repeated within the grace time, which gets the stored response, or reuse, which revokes the family.
"""

import enum
import hashlib
import hmac
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from sqlalchemy import Connection, insert, select, update

from roomkey.authorization_server.schema.tokens import refresh_tokens, token_families
from roomkey.authorization_server.secret_format import GeneratedSecret, SecretKind, generate_secret
from roomkey.authorization_server.tokens.issue import TokenGrant
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

_RESPONSE_LABEL: Final = b"roomkey refresh answer 1"
_NONCE: Final = 12


class RefreshTokenStatus(enum.Enum):
    """The meaning of receiving a refresh token."""

    VALID = "valid"
    REPEATED = "repeated"  # the same request again, within the grace time
    REUSED = "reused"  # a used token again: two parties have it
    INVALID = "invalid"  # unknown, expired or revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefreshToken:
    """A refresh token as the database has it, with its family; times in seconds since 1970.

    Attributes:
        family_id, client_id, user_id, audience: of the family.
        authenticated_at, acr: when and how the user signed in, or None.
        scope: the scopes of the token.
        expires_at: its idle expiry; ``family_expires_at`` is the absolute one.
        revoked_at: when the family was revoked, or None.
        used_at: when it was used, or None.
        successor_used_at: when the token that replaced it was used, or None.
        answer: the response to its use, encrypted, or None.
    """

    family_id: str
    client_id: str
    user_id: str | None
    audience: str
    authenticated_at: int | None
    acr: str | None
    scope: tuple[str, ...]
    expires_at: int
    family_expires_at: int
    revoked_at: int | None
    used_at: int | None
    successor_used_at: int | None
    answer: bytes | None

    def status(self, *, client_id: str, now: int, grace: int) -> RefreshTokenStatus:
        """Return what it means that ``client_id`` sends it at ``now`` (pure).

        Another client's token is invalid for it and has no effect: finding a token must not be enough to revoke its
        family.
        """
        if self.client_id != client_id or self.revoked_at is not None or now >= self.family_expires_at:
            return RefreshTokenStatus.INVALID
        if self.used_at is None:
            return RefreshTokenStatus.VALID if now < self.expires_at else RefreshTokenStatus.INVALID
        # A clock that was set back must not make an old use look recent for ever.
        recent = abs(now - self.used_at) < grace
        repeated = recent and self.successor_used_at is None and self.answer is not None
        return RefreshTokenStatus.REPEATED if repeated else RefreshTokenStatus.REUSED


def start_family(uow: UnitOfWork, grant: TokenGrant) -> GeneratedSecret:
    """Create the first refresh token of a new family, ``grant.family_id``; part of the sign-in's transaction."""
    expires_at = uow.now + uow.settings.refresh_absolute
    uow.connection.execute(
        insert(token_families),
        {
            "id": grant.family_id,
            "client_id": grant.client_id,
            "user_id": grant.user_id,
            "audience": grant.audience,
            "scope": " ".join(grant.scope),
            "created_at": uow.now,
            "authenticated_at": grant.authenticated_at,
            "acr": grant.acr,
            "expires_at": expires_at,
        },
    )
    first = generate_secret(SecretKind.REFRESH_TOKEN)
    _insert(uow, first, family_id=grant.family_id, scope=grant.scope, family_expires_at=expires_at)
    return first


def new_family_id() -> str:
    """Return an id for a family."""
    return new_id("fam")


def find_refresh_token(connection: Connection, digest: bytes) -> StoredRefreshToken | None:
    """Find the refresh token with ``digest``; None where there is none."""
    successor = refresh_tokens.alias("successor")
    row = connection.execute(
        select(
            *refresh_tokens.c["family_id", "scope", "expires_at", "used_at", "answer"],
            *token_families.c["client_id", "user_id", "audience", "authenticated_at", "acr", "revoked_at"],
            token_families.c.expires_at.label("family_expires_at"),
            successor.c.used_at.label("successor_used_at"),
        )
        .join(token_families, token_families.c.id == refresh_tokens.c.family_id)
        .outerjoin(successor, successor.c.digest == refresh_tokens.c.successor)
        .where(refresh_tokens.c.digest == digest)
    ).first()
    return None if row is None else StoredRefreshToken(**{**row._mapping, "scope": tuple(row.scope.split())})


def consume(
    uow: UnitOfWork,
    digest: bytes,
    stored: StoredRefreshToken,
    successor: GeneratedSecret,
    *,
    scope: tuple[str, ...],
    answer: bytes,
) -> bool:
    """Rotate: replace the token with ``digest`` by ``successor``; False where another request did, or it expired.

    One statement decides, so that of many requests at once exactly one gets True. The family's row is locked until the
    transaction ends: a revocation meanwhile waits, and then finds the tokens that were issued.
    """
    family = (
        select(token_families.c.id)
        .where(
            token_families.c.id == stored.family_id,
            token_families.c.revoked_at.is_(None),
            token_families.c.expires_at > uow.now,
        )
        .with_for_update(read=True)
    )
    if uow.connection.scalar(family) is None:
        return False
    consumed = uow.connection.execute(
        update(refresh_tokens)
        .where(
            refresh_tokens.c.digest == digest,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.expires_at > uow.now,
        )
        .values(used_at=uow.now, successor=successor.digest, answer=answer)
    ).rowcount
    if not consumed:
        return False
    _insert(uow, successor, family_id=stored.family_id, scope=scope, family_expires_at=stored.family_expires_at)
    return True


def encrypt_response(refresh_token: str, response: bytes) -> bytes:
    """Encrypt the response to the token's use; only the token itself decrypts it, and no database holds that."""
    nonce = os.urandom(_NONCE)
    return nonce + _response_cipher(refresh_token).encrypt(nonce, response, _RESPONSE_LABEL)


def decrypt_response(refresh_token: str, encrypted: bytes) -> bytes | None:
    """Return the response again; None where it was encrypted with another token."""
    try:
        return _response_cipher(refresh_token).decrypt(encrypted[:_NONCE], encrypted[_NONCE:], _RESPONSE_LABEL)
    except InvalidTag:
        return None


def _response_cipher(refresh_token: str) -> AESGCM:
    return AESGCM(hmac.digest(refresh_token.encode(), _RESPONSE_LABEL, hashlib.sha256))


def _insert(
    uow: UnitOfWork, token: GeneratedSecret, *, family_id: str | None, scope: tuple[str, ...], family_expires_at: int
) -> None:
    uow.connection.execute(
        insert(refresh_tokens),
        {
            "digest": token.digest,
            "family_id": family_id,
            "scope": " ".join(scope),
            "issued_at": uow.now,
            "expires_at": min(uow.now + uow.settings.refresh_idle, family_expires_at),
        },
    )
