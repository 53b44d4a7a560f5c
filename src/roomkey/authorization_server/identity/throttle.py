"""Back-off after failures, counted for whatever fails: an account, an address, an account from one address.

Nobody is shut out for ever by what others do: blocks end by themselves after 15 minutes at most, attempts during a
block do not lengthen it, and whoever is known at an address passes the block that strangers brought on the account.
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
    """One thing whose failures are counted.

    Attributes:
        kind: of attempt, such as ``password`` or ``totp``.
        subject: whose; what somebody typed goes through :func:`digest`, for it may be a password in the wrong field.
        free: how many failures have no consequence.
        first: seconds of the first block; each further failure doubles it.
    """

    kind: str
    subject: str
    free: int
    first: int = 30


def digest(text: str) -> str:
    """A name for ``text`` of any length that does not show it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def network(address: str) -> str:
    """What is counted as one address: an IPv4 address, or the /64 that one IPv6 customer has to himself."""
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
    """Whether one of ``counted`` is blocked now. Reads one statement."""
    keys = [(one.kind, one.subject) for one in counted]
    latest = uow.connection.scalars(
        select(attempts.c.blocked_until).where(tuple_(attempts.c.kind, attempts.c.subject).in_(keys))
    ).all()
    # One that ends later than any block can was written by a clock that has been set back since.
    return any(uow.now < until <= uow.now + _LONGEST for until in latest)


def failed(uow: UnitOfWork, *counted: FailureCounter) -> bool:
    """Count a failure of each of ``counted``; True where that begins a block."""
    return any([_count(uow, one) for one in counted])  # noqa: C419 - each is counted, whatever the first says


def succeeded(uow: UnitOfWork, *counted: FailureCounter) -> None:
    """Forget the failures of ``counted``."""
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
