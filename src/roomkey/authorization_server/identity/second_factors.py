"""Rules that all second factors share: only the user changes them, an administrator resets them all."""

from sqlalchemy import delete, update

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.identity import throttle
from roomkey.authorization_server.identity.throttle import FailureCounter
from roomkey.authorization_server.identity.users import User, find, is_own, lock_for_change
from roomkey.authorization_server.schema.identity import passkeys, recovery_codes, users
from roomkey.authorization_server.tokens.revocation import revoke_access
from roomkey.authorization_server.unit_of_work import UnitOfWork


def demand_own(uow: UnitOfWork, user: User) -> None:
    """Raise NotAllowed unless the actor is the user."""
    if not is_own(uow, user.id):
        raise NotAllowed("You can only change your own second factors.")


def counted(user: User) -> FailureCounter:
    """Failure counter for codes and passkeys of a user, separate from passwords."""
    return FailureCounter("second_factor", user.id, free=5)


def is_blocked(uow: UnitOfWork, user: User) -> bool:
    """True where codes are throttled after too many wrong ones."""
    return throttle.blocked(uow, counted(user))


def changed(uow: UnitOfWork, user: User, action: str, *, keep_session: str = "", **details: object) -> User:
    """Record the change, revoke every session but ``keep_session`` and every token, and return the changed user."""
    revoke_access(uow, user.id, reason="second factor changed", keep_session=keep_session)
    record_event(uow, action, Subject("user", user.id, user.tenant), **details)
    uow.bump_config_version()
    return find(uow, user.id)


def demand_another(user: User, *, left: int) -> None:
    """Raise Conflict where the user needs a second factor and would have none left."""
    if left == 0 and user.needs_second_factor:
        raise Conflict("Your roles need a second factor; set up another one before you remove this one.")


def reset(uow: UnitOfWork, user: str) -> User:
    """Remove authenticator app, passkeys and recovery codes of a user, and revoke all sessions and tokens.

    Raises NotFound and NotAllowed.
    """
    found = lock_for_change(uow, user)
    uow.connection.execute(
        update(users).where(users.c.id == found.id).values(totp_seed=None, totp_pending=None, totp_confirmed_at=None)
    )
    for table in (passkeys, recovery_codes):
        uow.connection.execute(delete(table).where(table.c.user_id == found.id))
    throttle.succeeded(uow, counted(found))
    return changed(uow, found, "user.second_factors_reset")
