"""The end of what a user holds: sessions, refresh tokens, access tokens and codes, at once and in few statements."""

from sqlalchemy import update

from roomkey.authorization_server.schema.people import sessions
from roomkey.authorization_server.schema.tokens import access_tokens, authorization_codes, token_families
from roomkey.authorization_server.work import Work


def end_access(work: Work, user_id: str, *, reason: str, keep_session: str = "") -> None:
    """End every session of the user but the one with the id ``keep_session``, and every token and code."""
    end_sessions(work, user_id, keep_session=keep_session)
    connection = work.connection
    connection.execute(
        update(token_families)
        .where(token_families.c.user_id == user_id, token_families.c.revoked_at.is_(None))
        .values(revoked_at=work.now, reason=reason)
    )
    connection.execute(
        update(access_tokens)
        .where(
            access_tokens.c.user_id == user_id,
            access_tokens.c.revoked_at.is_(None),
            access_tokens.c.expires_at > work.now,
        )
        .values(revoked_at=work.now)
    )
    connection.execute(
        update(authorization_codes)
        .where(authorization_codes.c.user_id == user_id, authorization_codes.c.used_at.is_(None))
        .values(used_at=work.now)
    )
    work.changed()


def end_sessions(work: Work, user_id: str, *, keep_session: str = "") -> None:
    """End every session of the user but the one with the id ``keep_session``."""
    work.connection.execute(
        update(sessions)
        .where(sessions.c.user_id == user_id, sessions.c.revoked_at.is_(None), sessions.c.id != keep_session)
        .values(revoked_at=work.now)
    )
