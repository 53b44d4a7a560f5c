"""The record of a signing key: its state, from next to removed, and the lock by which several nodes change states."""

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import select

from roomkey.authorization_server.database.transaction import Lock, acquire_lock
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork

CLOCK_STEP: Final = 300
"""By how many seconds a node's clock may suddenly be wrong without harm; all waiting times of keys are longer by it."""

_COLUMNS: Final = [column for column in signing_keys.c if column.name not in ("public_jwk", "private_key")]


class KeyState(enum.StrEnum):
    """The states: published and not signing yet, signing, published until its last token has expired, removed."""

    NEXT = "next"
    SIGNING = "signing"
    RETIRING = "retiring"
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A signing key without the key material; times in seconds since 1970, None where they have not come.

    Attributes:
        kid, algorithm: its name, and the algorithm that it signs with.
        state: its state.
        created_at, published_at, activated_at, retired_at, removed_at: when it came into each state.
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

    @property
    def signing_since(self) -> int:
        """When it began to sign; a service's first key does so as it is created."""
        return self.activated_at or self.created_at

    def signs_from(self, settings: Settings) -> int:
        """Return when every validator has had to read the JWK set again, so that it holds this key."""
        return self.published_at + settings.jwks_max_age + CLOCK_STEP


def read_keys(uow: UnitOfWork, *, removed: bool = False) -> tuple[KeyRecord, ...]:
    """Read the keys in the order of their creation, with the ``removed`` ones if wanted."""
    query = select(*_COLUMNS).order_by(signing_keys.c.created_at, signing_keys.c.kid)
    if not removed:
        query = query.where(signing_keys.c.state != KeyState.REMOVED)
    rows: Any = uow.connection.execute(query).mappings()
    return tuple(KeyRecord(**{**row, "state": KeyState(row["state"])}) for row in rows)


def lock_algorithms(uow: UnitOfWork, algorithms: Iterable[str]) -> None:
    """Keep other nodes from changing the keys of ``algorithms`` until the transaction ends.

    On SQLite there is one writer anyway. All algorithms are locked at once and in one order, so that no two nodes wait
    for each other.
    """
    for algorithm in sorted(algorithms):
        acquire_lock(uow.connection, Lock.KEYS, part=algorithm)
