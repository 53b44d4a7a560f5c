"""Exponential back-off after failed sign-ins, per account, per IP address, and per account and IP address.

No permanent lockout: a block lasts 15 minutes at most, attempts during a block do not extend it, and a user at a known
IP address passes a block of the account.
"""

import hashlib
import ipaddress
from dataclasses import dataclass
from typing import Final

from sqlalchemy import case, delete, select, tuple_, update

from roomkey.authorization_server.database.statements import insert_into
from roomkey.authorization_server.schema.identity import attempts
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LONGEST: Final = 15 * 60  # seconds of one block
_FORGOTTEN: Final = 24 * 3600  # seconds without a failure after which counting begins anew
_MOST_DOUBLINGS: Final = 20


@dataclass(frozen=True, slots=True)
class FailureCounter:
    """A key under which failures are counted.

    Attributes:
        kind: of attempt, such as ``password`` or ``totp``.
        subject: of the attempt; typed text as a :func:`digest`, because it may be a password in the wrong field.
        free: number of failures without a block.
        first: duration of the first block in seconds; each further failure doubles it.
    """

    kind: str
    subject: str
    free: int
    first: int = 30


def digest(text: str) -> str:
    """A digest of ``text`` that does not reveal it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def network(address: str) -> str:
    """The network that counts as one address: an IPv4 address or an IPv6 /64."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return digest(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def blocked(uow: UnitOfWork, *counted: FailureCounter) -> bool:
    """True where one of ``counted`` is blocked now. Reads with one statement."""
    keys = [(one.kind, one.subject) for one in counted]
    latest = uow.connection.scalars(
        select(attempts.c.blocked_until).where(tuple_(attempts.c.kind, attempts.c.subject).in_(keys))
    ).all()
    # A later end was written by a clock that was set back since.
    return any(uow.now < until <= uow.now + _LONGEST for until in latest)


def failed(uow: UnitOfWork, *counted: FailureCounter) -> bool:
    """Count a failure of each of ``counted``; True where that begins a block."""
    return any([_count(uow, one) for one in counted])  # noqa: C419 - all are counted


def succeeded(uow: UnitOfWork, *counted: FailureCounter) -> None:
    """Reset the failures of ``counted``."""
    keys = [(one.kind, one.subject) for one in counted]
    uow.connection.execute(delete(attempts).where(tuple_(attempts.c.kind, attempts.c.subject).in_(keys)))


def _count(uow: UnitOfWork, one: FailureCounter) -> bool:
    insert = insert_into(uow.connection, attempts).values(
        kind=one.kind, subject=one.subject, failures=1, last_at=uow.now
    )
    failures = uow.connection.execute(
        insert.on_conflict_do_update(
            index_elements=["kind", "subject"],
            set_={
                "failures": case((attempts.c.last_at < uow.now - _FORGOTTEN, 1), else_=attempts.c.failures + 1),
                "last_at": uow.now,
            },
        ).returning(attempts.c.failures)
    ).scalar_one()
    if failures < one.free:
        return False
    seconds = min(one.first * 2 ** min(failures - one.free, _MOST_DOUBLINGS), _LONGEST)
    uow.connection.execute(
        update(attempts)
        .where(attempts.c.kind == one.kind, attempts.c.subject == one.subject)
        .values(blocked_until=uow.now + seconds)
    )
    return True
