"""A signing key as it is kept, on its way from next to removed; and the one order in which several nodes move them."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self

from sqlalchemy import Row, select

from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

CLOCK_STEP: Final = 300
"""By how many seconds a node's clock may suddenly be wrong without harm; all that keys wait for is longer by this."""

_COLUMNS: Final = [column for column in signing_keys.c if column.name not in ("public_jwk", "private_key")]


class KeyState(enum.StrEnum):
    """The lanes: published and waiting, signing, published until its last token has ended, gone."""

    NEXT = "next"
    SIGNING = "signing"
    RETIRING = "retiring"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key without the key; times in seconds since 1970, None where they have not come.

    Attributes:
        kid, algorithm: its name, and what it signs with.
        state: the lane that it is in.
        created_at, published_at, activated_at, retired_at, removed_at: when it came into each lane.
        remove_at: when it will leave the JWK set.
    """

    kid: str
    algorithm: str
    state: KeyState
    created_at: int
    published_at: int
    activated_at: int | None
    retired_at: int | None
    remove_at: int | None
    removed_at: int | None

    @classmethod
    def of(cls, row: "Row[tuple[object, ...]]") -> Self:
        """The key that ``row`` describes."""
        values = dict(row._mapping)
        return cls(**values | {"state": KeyState(values["state"])})

    def signs_from(self, settings: Settings) -> int:
        """From when on every validator has had to look at the JWK set again, so that it holds this key."""
        return self.published_at + settings.jwks_max_age + CLOCK_STEP


def read_keys(uow: UnitOfWork, *, removed: bool = False) -> tuple[KeyRecord, ...]:
    """All keys in the order of their making; those that are ``removed`` only where they are asked for."""
    query = select(*_COLUMNS).order_by(signing_keys.c.created_at, signing_keys.c.kid)
    if not removed:
        query = query.where(signing_keys.c.state != KeyState.REMOVED)
    return tuple(KeyRecord.of(row) for row in uow.connection.execute(query))


def lock_algorithms(uow: UnitOfWork, algorithms: Iterable[str]) -> None:
    """Until ``uow`` is done, no other node moves keys of ``algorithms``; what is read from here on is still so then.

    On SQLite whoever writes is alone anyway. All algorithms are taken at once and in one order: no two nodes wait for
    each other.
    """
    for algorithm in sorted(algorithms):
        acquire_lock(uow.connection, Lock.KEYS, part=algorithm)
