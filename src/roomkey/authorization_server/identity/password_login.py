"""Password sign-in for the password grant and the sign-in page, throttled and without user enumeration.

Unknown username, wrong password, disabled account and throttling give the same response after the same work. The hash
is verified between two transactions; the second one checks everything again.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, TypeVar

from sqlalchemy import select, update

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.identity import throttle, usernames
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.sessions import KNOWN_FOR, Stage
from roomkey.authorization_server.identity.throttle import FailureCounter
from roomkey.authorization_server.identity.users import User, find
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork

Result = TypeVar("Result")
_KIND: Final = "password"


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """The credentials of one sign-in and the IP address that it comes from."""

    username: str
    password: str
    address: str

    def __repr__(self) -> str:
        return f"SignInAttempt(address={self.address!r})"


@dataclass(frozen=True, slots=True)
class _Stored:
    user_id: str = ""
    password_hash: str | None = None
    blocked: bool = False


async def sign_in(
    service: Service,
    hashing: PasswordHashing,
    attempt: SignInAttempt,
    then: Callable[[UnitOfWork, User], Result],
) -> Result | None:
    """The result of ``then`` for the authenticated user, such as a session or tokens; None where it is rejected.

    ``then`` runs as the user, in the transaction that checked the user; it must honour ``user.has_second_factor`` and
    ``user.must_enrol``. Its exceptions roll the transaction back. Raises TooManySignIns and DatabaseUnavailable.
    """
    anonymous = Actor(ActorKind.SERVICE, name="service", address=attempt.address)
    stored = await service.view(anonymous, lambda uow: _read(uow, attempt))
    right = await hashing.matches_async(attempt.password, None if stored.blocked else stored.password_hash)
    return await service.perform(anonymous, lambda uow: _decide(uow, attempt, stored, then, right=right))


async def is_own_password(service: Service, hashing: PasswordHashing, user: User, attempt: SignInAttempt) -> bool:
    """True where the signed-in user has entered the correct password again; throttled like a sign-in."""
    answer = await sign_in(service, hashing, replace(attempt, username=user.username), lambda _work, found: found.id)
    return answer == user.id


def _read(uow: UnitOfWork, attempt: SignInAttempt) -> _Stored:
    row = uow.connection.execute(
        select(users.c.id, users.c.password_hash).where(
            users.c.username_key == usernames.key_of(attempt.username), users.c.disabled_at.is_(None)
        )
    ).first()
    user_id = "" if row is None else row.id
    return _Stored(user_id, None if row is None else row.password_hash, _is_blocked(uow, attempt, user_id))


def _decide(
    uow: UnitOfWork, attempt: SignInAttempt, stored: _Stored, then: Callable[[UnitOfWork, User], Result], *, right: bool
) -> Result | None:
    account, address, both = _counted(attempt)
    # Concurrent guesses count one after the other: check the throttle again.
    if stored.blocked or _is_blocked(uow, attempt, stored.user_id):
        return None
    if right:
        seen = uow.connection.execute(
            update(users)
            .where(
                users.c.id == stored.user_id,
                users.c.password_hash == stored.password_hash,
                users.c.disabled_at.is_(None),
            )
            .values(last_seen_at=uow.now)
        )
        if seen.rowcount == 1:
            throttle.succeeded(uow, account, both)
            user = find(uow, stored.user_id)
            return then(replace(uow, actor=user.actor(attempt.address)), user)
    if throttle.failed(uow, account, address, both):
        record_event(uow, "sign_in.blocked", Subject("user", stored.user_id or "unknown"))
    return None


def _is_blocked(uow: UnitOfWork, attempt: SignInAttempt, user_id: str) -> bool:
    account, address, both = _counted(attempt)
    if throttle.blocked(uow, address, both):
        return True
    return throttle.blocked(uow, account) and not _is_known(uow, attempt.address, user_id)


def _is_known(uow: UnitOfWork, address: str, user_id: str) -> bool:
    """True where the user was signed in from this IP address lately: a flood from elsewhere does not lock them out."""
    return bool(user_id) and (
        uow.connection.scalar(
            select(sessions.c.id)
            .where(
                sessions.c.user_id == user_id,
                sessions.c.address == address,
                sessions.c.stage == Stage.FULL,
                sessions.c.created_at > uow.now - KNOWN_FOR,
            )
            .limit(1)
        )
        is not None
    )


def _counted(attempt: SignInAttempt) -> tuple[FailureCounter, FailureCounter, FailureCounter]:
    name = throttle.digest(usernames.key_of(attempt.username))
    address = throttle.network(attempt.address)
    return (
        FailureCounter(_KIND, f"user:{name}", free=50),
        FailureCounter(_KIND, f"address:{address}", free=30),
        FailureCounter(_KIND, f"user:{name} address:{address}", free=5),
    )
