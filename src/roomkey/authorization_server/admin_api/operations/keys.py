"""Signing keys and their rotation."""

from dataclasses import dataclass
from typing import Final, Literal

from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.keys.adoption import KeyStatus, list_key_states
from roomkey.authorization_server.keys.rotation import KeyRotation
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing keys in their lanes."""

    items: tuple[KeyStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyToRotate:
    """Whose turn it is, and whether the next key signs ``now``, also where it is too new."""

    algorithm: Literal["ES256", "RS256", "EdDSA"] = "ES256"
    now: bool = False


def _keys(uow: UnitOfWork, _: Asked) -> Keys:
    return Keys(list_key_states(uow))


def _rotate_keys(uow: UnitOfWork, asked: Asked) -> KeyRotation:
    return rotation.rotate(uow, algorithm=asked.body.algorithm, now=asked.body.now)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/keys",
        name="list_keys",
        summary="List the signing keys in their lanes.",
        permissions=(Permission.READ,),
        answer=Keys,
        act=_keys,
    ),
    Operation(
        method="POST",
        path="/keys/rotate",
        name="rotate_keys",
        summary="Make the next signing key, or let it sign.",
        permissions=(Permission.CHANGE_KEYS,),
        body=KeyToRotate,
        answer=KeyRotation,
        act=_rotate_keys,
    ),
)
