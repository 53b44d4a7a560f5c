"""Recovery codes: ten, each good once, for the day on which the phone is gone; only their digests are kept."""

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
    """Ten new codes for the actor's own account, such as ``abcd-efgh-ijkm-npqr``, to be shown once; old ones end.

    Ends every other session than ``session``.
    """
    second_factors.demand_own(uow, user)
    # Whoever asks at the same moment waits here, and then finds these codes to end.
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
    """Whether ``code`` is one of the user's that was not used yet; it is spent then."""
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
    """How many of the user's codes were not used yet."""
    unused = select(func.count()).where(recovery_codes.c.user_id == user.id, recovery_codes.c.used_at.is_(None))
    return uow.connection.scalar(unused) or 0


def _digest(user: User, code: str) -> bytes:
    letters = "".join(code[: 4 * _LETTERS].lower().replace("-", " ").split())
    return digest_of(f"{user.id} {letters}")


def _grouped(letters: str) -> str:
    return "-".join(letters[place : place + 4] for place in range(0, _LETTERS, 4))
