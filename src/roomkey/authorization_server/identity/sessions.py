"""Server-side sessions of the backoffice: cookies, stages of the sign-in, expiry and revocation."""

import enum
import secrets
from dataclasses import dataclass
from typing import Final

from sqlalchemy import RowMapping, insert, select, update

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import NOTICE
from roomkey.authorization_server.errors import NotFound
from roomkey.authorization_server.identity.usernames import storable
from roomkey.authorization_server.identity.users import User, find, get, is_own
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

KNOWN_FOR: Final = 30 * DAY
"""Seconds for which a session's IP address is known as the user's, even after the session."""
_HALF_WAY: Final = 600  # seconds between the password and the second factor
_PASSWORD_FRESH: Final = 300  # seconds for which the password need not be asked again
_CHALLENGE: Final = 300  # seconds for a passkey's answer
_SEEN_EVERY: Final = 60  # seconds between two writes of when a session was last used
_LONGEST_AGENT: Final = 200


class Stage(enum.StrEnum):
    """Stage of the sign-in."""

    PASSWORD = "password"  # noqa: S105 - the password was correct, the second factor is missing
    ENROLMENT = "enrolment"  # a second factor must be set up first
    FULL = "full"


class Strength(enum.StrEnum):
    """Strength of an authentication; the ``acr`` of sessions and tokens."""

    PASSWORD = "password"  # noqa: S105
    MULTI_FACTOR = "mfa"


@dataclass(frozen=True, slots=True)
class Session:
    """A session; times in seconds since 1970.

    Attributes:
        id: no secret; of the cookie's value only a digest is stored.
        acr: a :class:`Strength`, empty before the sign-in is complete.
        authenticated_at: time of the last factor.
        password_at: time of the last password check.
        expires_at: absolute expiry.
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
        """True where the password was checked in the last five minutes."""
        return self.password_at is not None and abs(now - self.password_at) <= _PASSWORD_FRESH


@dataclass(frozen=True, slots=True)
class NewSession:
    """A new session and the value of its cookie."""

    session: Session
    cookie: secret_format.GeneratedSecret


@dataclass(frozen=True, slots=True)
class SignedIn:
    """A valid session and its user."""

    session: Session
    user: User


def begin(
    uow: UnitOfWork,
    user: User,
    *,
    stage: Stage,
    acr: str = "",
    user_agent: str = "",
    before: Session | None = None,
    password_asked: bool = False,
) -> NewSession:
    """Begin a session with a new id and cookie for ``user`` from the actor's IP address; ``before`` is revoked.

    ``password_asked``: the password was checked just now. A session that continues a full one keeps its expiry.
    """
    if before is not None:
        _end(uow, before.id)
    kept = before if before is not None and before.stage is Stage.FULL else None
    asked = uow.now if password_asked else None if before is None else before.password_at
    lifetime = uow.settings.session_absolute if stage is Stage.FULL else _HALF_WAY
    cookie = secret_format.generate_secret(secret_format.SecretKind.SESSION)
    session = Session(
        id=new_id("ses"),
        user_id=user.id,
        stage=stage,
        acr=acr,
        address=uow.actor.address,
        user_agent=user_agent[:_LONGEST_AGENT],
        created_at=uow.now if kept is None else kept.created_at,
        authenticated_at=uow.now if stage is Stage.FULL else None,
        password_at=asked,
        last_seen_at=uow.now,
        expires_at=uow.now + lifetime if kept is None else kept.expires_at,
    )
    uow.connection.execute(
        insert(sessions).values(digest=cookie.digest, **{name: getattr(session, name) for name in Session.__slots__})
    )
    uow.connection.execute(update(users).where(users.c.id == user.id).values(last_seen_at=uow.now))
    if stage is Stage.FULL and kept is None:
        record_event(uow, "session.began", Subject("session", session.id, user.tenant), user=user.id, acr=acr)
    return NewSession(session, cookie)


def look_up(uow: UnitOfWork, cookie: str) -> SignedIn | None:
    """The session of a cookie value; None where unknown, revoked or expired, or the user is disabled. Reads only."""
    if not secret_format.is_well_formed(cookie, secret_format.SecretKind.SESSION):
        return None
    row = uow.connection.execute(
        select(sessions)
        .join(users, users.c.id == sessions.c.user_id)
        .where(
            sessions.c.digest == secret_format.digest_of(cookie),
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > uow.now,
            sessions.c.last_seen_at > uow.now - uow.settings.session_idle,
            users.c.disabled_at.is_(None),
        )
    ).first()
    if row is None:
        return None
    session = _session(row._mapping)
    return SignedIn(session, find(uow, session.user_id))


def needs_touch(session: Session, now: int) -> bool:
    """True where :func:`touch` is due: it writes, so not every request does it."""
    return now - session.last_seen_at >= _SEEN_EVERY


def touch(uow: UnitOfWork, session: Session) -> None:
    """Extend the session's idle timeout."""
    uow.connection.execute(update(sessions).where(sessions.c.id == session.id).values(last_seen_at=uow.now))


def list_sessions(uow: UnitOfWork, user: str) -> tuple[Session, ...]:
    """The user's valid sessions, the latest first; raises NotAllowed for others without permission."""
    found = get(uow, user)
    rows = uow.connection.execute(
        select(sessions)
        .where(
            sessions.c.user_id == found.id,
            sessions.c.revoked_at.is_(None),
            sessions.c.expires_at > uow.now,
            sessions.c.last_seen_at > uow.now - uow.settings.session_idle,
        )
        .order_by(sessions.c.last_seen_at.desc(), sessions.c.id)
        .limit(200)
    )
    return tuple(_session(row._mapping) for row in rows)


def revoke(uow: UnitOfWork, session: str) -> None:
    """End the session with this id: one's own, or with the right to change people. Raises NotFound and NotAllowed."""
    user_id = uow.connection.scalar(select(sessions.c.user_id).where(sessions.c.id == storable(session)))
    own = user_id is not None and is_own(uow, user_id)
    if not own:
        uow.demand(Permission.CHANGE_USERS)
    if user_id is None:
        raise NotFound("There is no such session.")
    user = find(uow, user_id)
    if not own and not uow.actor.sees(user.tenant):
        raise NotFound("There is no such session.")
    if _end(uow, session):
        record_event(uow, "session.revoked", Subject("session", session, user.tenant), user=user_id)


def revoke_own(uow: UnitOfWork, user: User, session: str) -> None:
    """Revoke one of the user's own sessions; raises NotFound, for another user's too."""
    owner = uow.connection.scalar(select(sessions.c.user_id).where(sessions.c.id == storable(session)))
    if owner != user.id:
        raise NotFound("There is no such session.")
    if _end(uow, session):
        record_event(uow, "session.revoked", Subject("session", session, user.tenant), user=user.id)


def revoke_all(uow: UnitOfWork, user: str) -> User:
    """End every session of a user; one's own, or with the right to change people. Raises NotFound and NotAllowed."""
    found = get(uow, user)
    while some := list_sessions(uow, found.id):
        for session in some:
            revoke(uow, session.id)
    return found


def end(uow: UnitOfWork, session: Session) -> None:
    """Sign out: revoke the session."""
    if _end(uow, session.id):
        record_event(uow, "session.ended", Subject("session", session.id), user=session.user_id)


def new_challenge(uow: UnitOfWork, session: Session) -> bytes:
    """A challenge for one passkey ceremony of this session; replaces an earlier one."""
    challenge = uow.now.to_bytes(8) + secrets.token_bytes(32)
    uow.connection.execute(update(sessions).where(sessions.c.id == session.id).values(challenge=challenge))
    return challenge


def take_challenge(uow: UnitOfWork, session: Session) -> bytes | None:
    """The pending challenge, once; None where there is none or it has expired."""
    challenge = _take(uow, session, "challenge")
    if challenge is None or abs(uow.now - int.from_bytes(challenge[:8])) > _CHALLENGE:
        return None
    return challenge


def leave_notice(uow: UnitOfWork, session: Session, notice: bytes) -> None:
    """Store ``notice``, encrypted, for the next page of this session, such as a secret that is shown once."""
    sealed = NOTICE.encrypt(uow.keyring, notice, row=session.id)
    uow.connection.execute(update(sessions).where(sessions.c.id == session.id).values(notice=sealed))


def take_notice(uow: UnitOfWork, session: Session) -> bytes | None:
    """The notice of this session, once; deleted by reading."""
    sealed = _take(uow, session, "notice")
    return None if sealed is None else NOTICE.decrypt(uow.keyring, sealed, row=session.id)


def _take(uow: UnitOfWork, session: Session, name: str) -> bytes | None:
    column = sessions.c[name]
    value = uow.connection.scalar(select(column).where(sessions.c.id == session.id))
    if value is None:
        return None
    taken = uow.connection.execute(
        update(sessions).where(sessions.c.id == session.id, column == value).values({name: None})
    )
    return bytes(value) if taken.rowcount == 1 else None


def _end(uow: UnitOfWork, session_id: str) -> bool:
    ended = uow.connection.execute(
        update(sessions)
        .where(sessions.c.id == session_id, sessions.c.revoked_at.is_(None))
        .values(revoked_at=uow.now, challenge=None, notice=None)
    )
    return ended.rowcount == 1


def _session(row: RowMapping) -> Session:
    values = {name: row[name] for name in Session.__slots__}
    return Session(**values | {"stage": Stage(row["stage"])})
