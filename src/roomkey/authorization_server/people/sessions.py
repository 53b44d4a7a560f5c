"""Sessions of the backoffice, on the server: what a cookie stands for, how far somebody has come, and its end."""

import enum
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import RowMapping, insert, select, update

from roomkey.authorization_server import audit, opaque
from roomkey.authorization_server.audit import Subject
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.people.usernames import storable
from roomkey.authorization_server.people.users import User, find, get, is_own
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.people import sessions, users
from roomkey.authorization_server.sealed_columns import NOTICE
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.work import Work, new_id

KNOWN_FOR: Final = 30 * DAY
"""Seconds for which the address of a session counts as the user's own, so long as that session may be over."""
_HALF_WAY: Final = 600  # seconds between the password and the second factor
_PASSWORD_FRESH: Final = 300  # seconds for which the password need not be asked again
_CHALLENGE: Final = 300  # seconds for a passkey's answer
_SEEN_EVERY: Final = 60  # seconds between two writes of when a session was last used
_LONGEST_AGENT: Final = 200


class Stage(enum.StrEnum):
    """How far somebody has come."""

    PASSWORD = "password"  # noqa: S105 - the password was right, the second factor is still to be shown
    ENROLMENT = "enrolment"  # a second factor must be set up first
    FULL = "full"


class Strength(enum.StrEnum):
    """How somebody has shown who they are; the ``acr`` of sessions and tokens."""

    PASSWORD = "password"  # noqa: S105
    MULTI_FACTOR = "mfa"


@dataclass(frozen=True, slots=True)
class Session:
    """One session as pages show it; times in seconds since 1970.

    Attributes:
        id: its name, which is no secret; the cookie's value is kept nowhere.
        acr: how they have shown who they are, a :class:`Strength`, once they have.
        authenticated_at: when the last factor was shown.
        password_at: when the password was last asked for.
        expires_at: the absolute end.
    """

    id: str
    user_id: str
    stage: Stage
    acr: str
    address: str
    user_agent: str
    created_at: int
    authenticated_at: int | None
    password_at: int | None
    last_seen_at: int
    expires_at: int

    def password_is_fresh(self, now: int) -> bool:
        """Whether the password was asked for in the last five minutes."""
        return self.password_at is not None and abs(now - self.password_at) <= _PASSWORD_FRESH


@dataclass(frozen=True, slots=True)
class Begun:
    """A session that has just begun, and the value of its cookie."""

    session: Session
    cookie: opaque.Opaque


@dataclass(frozen=True, slots=True)
class SignedIn:
    """Whose session a cookie stands for."""

    session: Session
    user: User


def begin(
    work: Work,
    user: User,
    *,
    stage: Stage,
    acr: str = "",
    user_agent: str = "",
    before: Session | None = None,
    password_asked: bool = False,
) -> Begun:
    """A session with a new id and a new cookie for ``user``, whose address is the actor's; ``before`` ends by it.

    ``password_asked`` says that the password was given just now. What continues a full session keeps its end.
    """
    if before is not None:
        _end(work, before.id)
    kept = before if before is not None and before.stage is Stage.FULL else None
    asked = work.now if password_asked else None if before is None else before.password_at
    lifetime = work.settings.session_absolute if stage is Stage.FULL else _HALF_WAY
    cookie = opaque.new(opaque.Kind.SESSION)
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        stage=stage,
        acr=acr,
        address=work.actor.address,
        user_agent=user_agent[:_LONGEST_AGENT],
        created_at=work.now if kept is None else kept.created_at,
        authenticated_at=work.now if stage is Stage.FULL else None,
        password_at=asked,
        last_seen_at=work.now,
        expires_at=work.now + lifetime if kept is None else kept.expires_at,
    )
    work.connection.execute(
        insert(sessions).values(digest=cookie.digest, **{name: getattr(session, name) for name in Session.__slots__})
    )
    work.connection.execute(update(users).where(users.c.id == user.id).values(last_seen_at=work.now))
    if stage is Stage.FULL and kept is None:
        audit.record(work, "session.began", Subject("session", session.id, user.tenant), user=user.id, acr=acr)
    return Begun(session, cookie)


def look_up(work: Work, cookie: str) -> SignedIn | None:
    """Whose session the cookie's value stands for; None where it has ended, or the user is disabled. Reads only."""
    if not opaque.is_whole(cookie, opaque.Kind.SESSION):
        return None
    row = work.connection.execute(
        select(sessions)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.digest == opaque.digest_of(cookie),
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > work.now,
            sessions.c.last_seen_at > work.now - work.settings.session_idle,
            users.c.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        return None
    session = _session(row._mapping)
    return SignedIn(session, find(work, session.user_id))


def is_to_be_seen(session: Session, now: int) -> bool:
    """Whether it is time for :func:`seen`, which writes, and so is not done with every request."""
    return now - session.last_seen_at >= _SEEN_EVERY


def seen(work: Work, session: Session) -> None:
    """Move the idle end of the session."""
    work.connection.execute(update(sessions).where(sessions.c.id == session.id).values(last_seen_at=work.now))


def list_sessions(work: Work, user: str) -> tuple[Session, ...]:
    """The user's sessions that have not ended, the latest first; one's own, or with the right to read people."""
    found = get(work, user)
    rows = work.connection.execute(
        select(sessions)
        .where(
            sessions.c.user_id == found.id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > work.now,
            sessions.c.last_seen_at > work.now - work.settings.session_idle,
        )
        .order_by(sessions.c.last_seen_at.desc(), sessions.c.id)
        .limit(200)
    )
    return tuple(_session(row._mapping) for row in rows)


def revoke(work: Work, session: str) -> None:
    """End the session with this id: one's own, or with the right to change people. Raises NotFound and NotAllowed."""
    user_id = work.connection.scalar(select(sessions.c.user_id).where(sessions.c.id == storable(session)))
    own = user_id is not None and is_own(work, user_id)
    if not own:
        work.demand(Permission.CHANGE_PEOPLE)
    if user_id is None:
        raise NotFound("There is no such session.")
    user = find(work, user_id)
    if not own and not work.actor.sees(user.tenant):
        raise NotFound("There is no such session.")
    if _end(work, session):
        audit.record(work, "session.revoked", Subject("session", session, user.tenant), user=user_id)


def revoke_own(work: Work, user: User, session: str) -> None:
    """End one of the user's own sessions; another one's is not there. Raises NotFound."""
    owner = work.connection.scalar(select(sessions.c.user_id).where(sessions.c.id == storable(session)))
    if owner != user.id:
        raise NotFound("There is no such session.")
    if _end(work, session):
        audit.record(work, "session.revoked", Subject("session", session, user.tenant), user=user.id)


def revoke_all(work: Work, user: str) -> User:
    """End every session of a user; one's own, or with the right to change people. Raises NotFound and NotAllowed."""
    found = get(work, user)
    while some := list_sessions(work, found.id):
        for session in some:
            revoke(work, session.id)
    return found


def end(work: Work, session: Session) -> None:
    """Sign out: the cookie's value is worth nothing from now on."""
    if _end(work, session.id):
        audit.record(work, "session.ended", Subject("session", session.id), user=session.user_id)


def new_challenge(work: Work, session: Session) -> bytes:
    """A challenge for one passkey ceremony of this session; an earlier one ends."""
    challenge = work.now.to_bytes(8) + secrets.token_bytes(32)
    work.connection.execute(update(sessions).where(sessions.c.id == session.id).values(challenge=challenge))
    return challenge


def take_challenge(work: Work, session: Session) -> bytes | None:
    """The challenge that waits for its answer, once; None where there is none, or it is too late."""
    challenge = _take(work, session, "challenge")
    if challenge is None or abs(work.now - int.from_bytes(challenge[:8])) > _CHALLENGE:
        return None
    return challenge


def leave_notice(work: Work, session: Session, notice: bytes) -> None:
    """Keep ``notice``, sealed, for the next page of this session, such as a secret that is shown once."""
    sealed = NOTICE.seal(work.sealed, notice, row=session.id)
    work.connection.execute(update(sessions).where(sessions.c.id == session.id).values(notice=sealed))


def take_notice(work: Work, session: Session) -> bytes | None:
    """What was left for this session, once; a reload or the Back button finds nothing."""
    sealed = _take(work, session, "notice")
    return None if sealed is None else NOTICE.open(work.sealed, sealed, row=session.id)


def _take(work: Work, session: Session, name: str) -> bytes | None:
    column = sessions.c[name]
    value = work.connection.scalar(select(column).where(sessions.c.id == session.id))
    if value is None:
        return None
    taken = work.connection.execute(
        update(sessions).where(sessions.c.id == session.id, column == value).values({name: None})
    )
    return bytes(value) if taken.rowcount == 1 else None


def _end(work: Work, session_id: str) -> bool:
    ended = work.connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=work.now, challenge=None, notice=None)
    )
    return ended.rowcount == 1


def _session(row: RowMapping) -> Session:
    values = {name: row[name] for name in Session.__slots__}
    return Session(**values | {"stage": Stage(row["stage"])})
