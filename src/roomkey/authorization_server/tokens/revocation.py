"""Revocation of tokens (RFC 7009): one access token, a refresh token family, all that a client or a user has."""

from typing import Any

from sqlalchemy import ColumnElement, Connection, Table, and_, select, update

from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.schema.tokens import access_tokens, app_tokens, authorization_codes, token_families
from roomkey.authorization_server.unit_of_work import UnitOfWork


def block_bulk_revocation(connection: Connection) -> None:
    """Make the revocation of all tokens of a client or user wait for this transaction, whose tokens it then sees."""
    acquire_lock(connection, Lock.BULK_REVOCATION, shared=True)


def revoke_token(uow: UnitOfWork, digest: bytes) -> bool:
    """Revoke the access token with ``digest``; False where there is none that is valid."""
    return _revoke(uow, access_tokens, access_tokens.c.digest == digest) > 0


def revoke_family(uow: UnitOfWork, family_id: str, *, reason: str) -> bool:
    """Revoke a refresh token family and all its access tokens, in two statements; False where it was revoked before."""
    revoked = _revoke(uow, token_families, token_families.c.id == family_id, reason=reason)
    _revoke(uow, access_tokens, access_tokens.c.family_id == family_id)
    return revoked > 0


def revoke_account(uow: UnitOfWork, client_id: str, *, reason: str) -> None:
    """Revoke every token and family of a service account."""
    _revoke_all(uow, "client_id", client_id, reason)
    _revoke(uow, app_tokens, app_tokens.c.client_id == client_id)


def revoke_user(uow: UnitOfWork, user_id: str, *, reason: str) -> None:
    """Revoke every token and family of a user."""
    # First their row, as a sign-in does, so that the two never wait for each other.
    uow.connection.execute(select(users.c.id).where(users.c.id == user_id).with_for_update(key_share=True))
    _revoke_all(uow, "user_id", user_id, reason)


def revoke_access(uow: UnitOfWork, user_id: str, *, reason: str, keep_session: str = "") -> None:
    """Revoke every session of a user but ``keep_session``, and every token and authorization code.

    The caller bumps the config version.
    """
    revoke_sessions(uow, user_id, keep_session=keep_session)
    revoke_user(uow, user_id, reason=reason)
    uow.connection.execute(
        update(authorization_codes)
        .where(authorization_codes.c.user_id == user_id, authorization_codes.c.used_at.is_(None))
        .values(used_at=uow.now)
    )


def revoke_sessions(uow: UnitOfWork, user_id: str, *, keep_session: str = "") -> None:
    """Revoke every session of a user but ``keep_session``."""
    _revoke(uow, sessions, and_(sessions.c.user_id == user_id, sessions.c.id != keep_session))


def _revoke_all(uow: UnitOfWork, column: str, value: str, reason: str) -> None:
    acquire_lock(uow.connection, Lock.BULK_REVOCATION)  # waits for transactions that issue; later ones see the change
    _revoke(uow, token_families, token_families.c[column] == value, reason=reason)
    valid = and_(access_tokens.c[column] == value, access_tokens.c.expires_at > uow.now)
    _revoke(uow, access_tokens, valid)


def _revoke(uow: UnitOfWork, table: Table, which: ColumnElement[bool], **others: Any) -> int:
    statement = update(table).where(which, table.c.revoked_at.is_(None)).values(revoked_at=uow.now, **others)
    return uow.connection.execute(statement).rowcount
