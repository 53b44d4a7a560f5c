"""Commands on signing keys."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.keys.adoption import KeyStatus, list_key_states
from roomkey.authorization_server.keys.rotation import KeyRotation
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Keys:
    """The signing keys by their states."""

    items: tuple[KeyStatus, ...]


@command("keys", "GET /keys", permission=Permission.READ)
class ListKeys(Command[Keys], frozen=True):
    """List the signing keys by their states."""

    def run(self, uow: UnitOfWork) -> Keys:
        """In the order of their creation."""
        return Keys(list_key_states(uow))


@command("keys", "POST /keys/rotate", permission=Permission.CHANGE_KEYS, event="keys.rotated")
class RotateKeys(Command[KeyRotation], frozen=True):
    """Make the next signing key, or let it sign."""

    algorithm: Literal["ES256", "RS256", "EdDSA"] = "ES256"
    now: Annotated[bool, Meta(description="Let the next key sign now, also where it is too new.")] = False

    def run(self, uow: UnitOfWork) -> KeyRotation:
        """Raises NotAllowed, Conflict."""
        return rotation.rotate(uow, algorithm=self.algorithm, now=self.now)
