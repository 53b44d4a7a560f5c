"""Recovery codes: ten single-use codes in place of a lost second factor; only digests are stored."""

from typing import Final

from sqlalchemy import delete, func, insert, select, update

from roomkey.authorization_server.identity import second_factors
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.identity import recovery_codes, users
from roomkey.authorization_server.secret_format import digest_of
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

_HOW_MANY: Final = 10
_LETTERS: Final = 16  # 80 random bits


def renew(uow: UnitOfWork, user: User, *, session: str = "") -> tuple[str, ...]:
    """Ten new codes for the actor's own account, such as ``abcd-efgh-ijkm-npqr``; old codes become invalid.

    Revokes every session but ``session``.
    """
    second_factors.demand_own(uow, user)
    # A concurrent renewal waits here and then replaces these codes.
    uow.connection.execute(select(users.c.id).where(users.c.id == user.id).with_for_update(key_share=True))
    uow.connection.execute(delete(recovery_codes).where(recovery_codes.c.user_id == user.id))
    codes = tuple(_grouped(new_id("").removeprefix("_")) for _ in range(_HOW_MANY))
    uow.connection.execute(
        insert(recovery_codes),
        [{"digest": _digest(user, code), "user_id": user.id, "created_at": uow.now} for code in codes],
    )
    second_factors.changed(uow, user, "user.recovery_codes_renewed", keep_session=session)
    return codes


def matches(uow: UnitOfWork, user: User, code: str) -> bool:
    """True where ``code`` is an unused code of the user; consumes it."""
    spent = uow.connection.execute(
        update(recovery_codes)
        .where(
            recovery_codes.c.digest == _digest(user, code),
            recovery_codes.c.user_id == user.id,
            recovery_codes.c.used_at.is_(None),
        )
        .values(used_at=uow.now)
    )
    return spent.rowcount == 1


def left(uow: UnitOfWork, user: User) -> int:
    """Number of unused codes of the user."""
    unused = select(func.count()).where(recovery_codes.c.user_id == user.id, recovery_codes.c.used_at.is_(None))
    return uow.connection.scalar(unused) or 0


def _digest(user: User, code: str) -> bytes:
    letters = "".join(code[: 4 * _LETTERS].lower().replace("-", " ").split())
    return digest_of(f"{user.id} {letters}")


def _grouped(letters: str) -> str:
    return "-".join(letters[place : place + 4] for place in range(0, _LETTERS, 4))
