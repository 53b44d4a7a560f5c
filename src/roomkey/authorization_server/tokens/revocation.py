"""Revocation of a user's sessions, refresh tokens, access tokens and authorization codes in few statements."""

from sqlalchemy import update

from roomkey.authorization_server.schema.identity import sessions
from roomkey.authorization_server.schema.tokens import authorization_codes
from roomkey.authorization_server.tokens.issued_tokens import revoke_user
from roomkey.authorization_server.unit_of_work import UnitOfWork


def revoke_access(uow: UnitOfWork, user_id: str, *, reason: str, keep_session: str = "") -> None:
    """Revoke every session of the user but ``keep_session``, and every token and code.

    The caller bumps the configuration version.
    """
    revoke_sessions(uow, user_id, keep_session=keep_session)
    revoke_user(uow, user_id, reason=reason)
    uow.connection.execute(
        update(authorization_codes)
        .where(authorization_codes.c.user_id == user_id, authorization_codes.c.used_at.is_(None))
        .values(used_at=uow.now)
    )


def revoke_sessions(uow: UnitOfWork, user_id: str, *, keep_session: str = "") -> None:
    """Revoke every session of the user but ``keep_session``."""
    uow.connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.id != keep_session)
        .values(revoked_at=uow.now)
    )
