"""The keys as people look at them: each in its lane, with what happens to it next."""

from dataclasses import dataclass

from roomkey.authorization_server.keys.adoption import holding, lacking
from roomkey.authorization_server.keys.key_record import KeyRecord, KeyState, read_keys
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class KeyStatus:
    """A key in its lane.

    Attributes:
        key: its name, algorithm, lane and times.
        signs_from: for a next key, from when on it may sign, in seconds since 1970; else None.
        held_by, lacking: of the APIs that report what they hold, those that have it and those that have not.
    """

    key: KeyRecord
    signs_from: int | None
    held_by: tuple[str, ...]
    lacking: tuple[str, ...]


def list_key_states(uow: UnitOfWork, *, removed: bool = False) -> tuple[KeyStatus, ...]:
    """All keys in the order of their making, the ``removed`` ones only where they are asked for."""
    uow.demand(Permission.READ)
    return tuple(
        KeyStatus(
            key,
            key.signs_from(uow.settings) if key.state is KeyState.NEXT else None,
            holding(uow, key.kid),
            () if key.state is KeyState.REMOVED else lacking(uow, key.kid),
        )
        for key in read_keys(uow, removed=removed)
    )
