"""Refresh tokens: one family for each sign-in, of which one token lives at a time (RFC 6749 section 6, RFC 9700)."""

import enum
from dataclasses import dataclass

from sqlalchemy import Connection, insert, select, update

from roomkey.authorization_server.schema.tokens import refresh_tokens, token_families
from roomkey.authorization_server.secret_format import GeneratedSecret, SecretKind, generate_secret
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id


class RefreshTokenStatus(enum.Enum):
    """What the presentation of a refresh token means."""

    GOOD = "good"
    REPEATED = "repeated"  # the same request again, within the grace time
    REUSED = "reused"  # somebody has a token that was used up
    DEAD = "dead"  # unknown, ended or revoked


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRefreshToken:
    """A refresh token as the database knows it, with its family.

    Attributes:
        family_id, client_id, user_id, audience: of the family.
        authenticated_at, acr: when and how the person signed in, or None.
        scope: what the token allows.
        expires_at: its idle end; ``family_expires_at`` is the absolute one.
        revoked: whether the family has ended.
        used_at: when it was used up, or None.
        successor_used: whether the token that replaced it was used up as well.
        answer: what its use was answered with, sealed, or None.
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
    revoked: bool
    used_at: int | None
    successor_used: bool
    answer: bytes | None

    def standing(self, *, client_id: str, now: int, grace: int) -> RefreshTokenStatus:
        """What it means that ``client_id`` presents it at ``now`` (pure).

        Another client's token is dead to it, and nothing comes of that: who finds a token must not end its family.
        """
        if self.client_id != client_id or self.revoked or now >= self.family_expires_at:
            return RefreshTokenStatus.DEAD
        if self.used_at is None:
            return RefreshTokenStatus.GOOD if now < self.expires_at else RefreshTokenStatus.DEAD
        # A clock that was set back must not make an old use look young for ever.
        repeated = abs(now - self.used_at) < grace and not self.successor_used and self.answer is not None
        return RefreshTokenStatus.REPEATED if repeated else RefreshTokenStatus.REUSED


def start_family(uow: UnitOfWork, grant: Grant) -> GeneratedSecret:
    """The first refresh token of a new family, whose id is ``grant.family_id``; part of the sign-in's transaction."""
    ends = uow.now + uow.settings.refresh_absolute
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
            "expires_at": ends,
        },
    )
    first = generate_secret(SecretKind.REFRESH_TOKEN)
    _keep(uow, first, family_id=grant.family_id, scope=grant.scope, family_ends=ends)
    return first


def new_family_id() -> str:
    """A name for a family."""
    return new_id("fam")


def find_refresh_token(connection: Connection, digest: bytes) -> StoredRefreshToken | None:
    """What the database knows of the refresh token with ``digest``; None where it knows none."""
    successor = refresh_tokens.alias("successor")
    row = connection.execute(
        select(
            refresh_tokens,
            token_families.c.client_id,
            token_families.c.user_id,
            token_families.c.audience,
            token_families.c.authenticated_at,
            token_families.c.acr,
            token_families.c.expires_at.label("family_expires_at"),
            token_families.c.revoked_at,
            successor.c.used_at.label("successor_used_at"),
        )
        .join(token_families, token_families.c.id == refresh_tokens.c.family_id)
        .outerjoin(successor, successor.c.digest == refresh_tokens.c.successor)
        .where(refresh_tokens.c.digest == digest)
    ).first()
    if row is None:
        return None
    return StoredRefreshToken(
        family_id=row.family_id,
        client_id=row.client_id,
        user_id=row.user_id,
        audience=row.audience,
        authenticated_at=row.authenticated_at,
        acr=row.acr,
        scope=tuple(row.scope.split()),
        expires_at=row.expires_at,
        family_expires_at=row.family_expires_at,
        revoked=row.revoked_at is not None,
        used_at=row.used_at,
        successor_used=row.successor_used_at is not None,
        answer=None if row.answer is None else bytes(row.answer),
    )


def consume(
    uow: UnitOfWork,
    digest: bytes,
    presented: StoredRefreshToken,
    successor: GeneratedSecret,
    *,
    scope: tuple[str, ...],
    answer: bytes,
) -> bool:
    """Put ``successor`` in the place of the token with ``digest``; False where somebody was faster, or it has ended.

    One statement decides, so of many that try at once exactly one gets True. The family is held until the transaction
    is over: whoever ends it meanwhile waits, and then finds what was issued in it.
    """
    family = (
        select(token_families.c.id)
        .where(
            token_families.c.id == presented.family_id,
            token_families.c.revoked_at.is_(None),
            token_families.c.expires_at > uow.now,
        )
        .with_for_update(read=True)
    )
    if uow.connection.scalar(family) is None:
        return False
    won = uow.connection.execute(
        update(refresh_tokens)
        .where(
            refresh_tokens.c.digest == digest,
            refresh_tokens.c.used_at.is_(None),
            refresh_tokens.c.expires_at > uow.now,
        )
        .values(used_at=uow.now, successor=successor.digest, answer=answer)
    ).rowcount
    if not won:
        return False
    _keep(uow, successor, family_id=presented.family_id, scope=scope, family_ends=presented.family_expires_at)
    return True


def _keep(
    uow: UnitOfWork, token: GeneratedSecret, *, family_id: str | None, scope: tuple[str, ...], family_ends: int
) -> None:
    uow.connection.execute(
        insert(refresh_tokens),
        {
            "digest": token.digest,
            "family_id": family_id,
            "scope": " ".join(scope),
            "issued_at": uow.now,
            "expires_at": min(uow.now + uow.settings.refresh_idle, family_ends),
        },
    )
