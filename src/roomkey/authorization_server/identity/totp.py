"""TOTP: one-time codes of an authenticator app (RFC 6238), six digits, 30 seconds, single use."""

import hmac
import io
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import pyotp
from sqlalchemy import select, update

from roomkey.authorization_server.column_encryption import TOTP_PENDING, TOTP_SEED, EncryptedColumn
from roomkey.authorization_server.errors import Conflict
from roomkey.authorization_server.identity import second_factors
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.secret import Confidential

_PERIOD: Final = 30  # seconds
_CODE: Final = re.compile(r"[0-9]{6}", re.ASCII)


@dataclass(frozen=True, slots=True, repr=False)
class Enrolment(Confidential):
    """A pending registration of an authenticator app, to be confirmed by a first code.

    Attributes:
        secret: the seed in base32.
        uri: the same as ``otpauth://…``.
        picture: the same as a QR code, an SVG element without styles or scripts.
    """

    secret: str
    uri: str
    picture: str

    def __repr__(self) -> str:
        return "Enrolment(••••)"


def begin(uow: UnitOfWork, user: User) -> Enrolment:
    """A new seed for the actor's own account; it is active after :func:`confirm`."""
    second_factors.demand_own(uow, user)
    seed = pyotp.random_base32()
    uow.connection.execute(
        update(users)
        .where(users.c.id == user.id)
        .values(totp_pending=TOTP_PENDING.encrypt(uow.keyring, seed.encode(), row=user.id))
    )
    return _enrolment(uow, user, seed)


def pending(uow: UnitOfWork, user: User) -> Enrolment | None:
    """The pending enrolment, or None."""
    second_factors.demand_own(uow, user)
    seed = _open(uow, user.id, TOTP_PENDING)
    return None if seed is None else _enrolment(uow, user, seed)


def confirm(uow: UnitOfWork, user: User, code: str, *, session: str = "") -> User | None:
    """Activate the pending seed if ``code`` is correct, and revoke every session but ``session``; None if it is wrong.

    The code is consumed: it cannot be used to sign in.
    """
    second_factors.demand_own(uow, user)
    seed = _open(uow, user.id, TOTP_PENDING)
    step = None if seed is None else _step(seed, code, uow.now)
    if seed is None or step is None:
        return None
    uow.connection.execute(
        update(users)
        .where(users.c.id == user.id)
        .values(
            totp_seed=TOTP_SEED.encrypt(uow.keyring, seed.encode(), row=user.id),
            totp_pending=None,
            totp_confirmed_at=uow.now,
            totp_step=step,
        )
    )
    return second_factors.changed(uow, user, "user.totp_confirmed", keep_session=session)


def matches(uow: UnitOfWork, user: User, code: str) -> bool:
    """True where ``code`` is correct for this step or an adjacent one and newer than the last code; consumes it."""
    seed = _open(uow, user.id, TOTP_SEED)
    step = None if seed is None else _step(seed, code, uow.now)
    if step is None:
        return False
    spent = uow.connection.execute(
        update(users)
        .where(users.c.id == user.id, users.c.totp_step < step, users.c.totp_confirmed_at.is_not(None))
        .values(totp_step=step)
    )
    return spent.rowcount == 1


def remove(uow: UnitOfWork, user: User, *, session: str = "") -> User:
    """Remove the app and revoke every session but ``session``. Raises Conflict where the roles need a second factor."""
    second_factors.demand_own(uow, user)
    if not user.has_totp:
        raise Conflict("No authenticator app is set up for this account.")
    second_factors.demand_another(user, left=user.passkeys)
    uow.connection.execute(
        update(users).where(users.c.id == user.id).values(totp_seed=None, totp_pending=None, totp_confirmed_at=None)
    )
    return second_factors.changed(uow, user, "user.totp_removed", keep_session=session)


def _enrolment(uow: UnitOfWork, user: User, seed: str) -> Enrolment:
    import segno

    host = urlsplit(uow.settings.issuer).netloc
    uri = pyotp.TOTP(seed).provisioning_uri(name=user.username, issuer_name=f"roomkey {host}".replace(":", " "))
    picture = io.BytesIO()
    segno.make(uri, error="m").save(
        picture,
        kind="svg",
        light="#fff",
        xmldecl=False,
        svgns=False,
        omitsize=True,
        svgclass=None,
        lineclass=None,
        nl=False,
    )
    return Enrolment(seed, uri, picture.getvalue().decode())


def _step(seed: str, code: str, now: int) -> int | None:
    """The newest step, of this one and the two beside it, that ``code`` belongs to; compares all three. Pure."""
    if not _CODE.fullmatch(code):
        return None
    here, found = now // _PERIOD, None
    for step in (here - 1, here, here + 1):
        if hmac.compare_digest(pyotp.TOTP(seed).generate_otp(step), code):
            found = step
    return found


def _open(uow: UnitOfWork, user_id: str, of: EncryptedColumn) -> str | None:
    sealed = uow.connection.scalar(select(of.column).where(users.c.id == user_id))
    return None if sealed is None else of.decrypt(uow.keyring, sealed, row=user_id).decode()
