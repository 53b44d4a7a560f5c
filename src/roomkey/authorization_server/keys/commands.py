"""Commands on signing keys."""

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Lookup, Typed
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.keys.adoption import KeyStatus, list_key_states
from roomkey.authorization_server.keys.key_record import KeyState
from roomkey.authorization_server.keys.rotation import KeyRotation
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class KeyStatuses:
    """The signing keys with their states."""

    items: tuple[KeyStatus, ...]


@dataclass(frozen=True, slots=True)
class WithdrawnKey:
    """A key that is not published any more."""

    kid: str
    state: KeyState = KeyState.REMOVED


@command("keys list", "GET /keys", permission=Permission.READ)
class ListKeys(Command[KeyStatuses], frozen=True):
    """List the signing keys: next, signing, retiring; and the APIs that reported not to hold them."""

    removed: Annotated[bool, Meta(description="Removed keys, too."), Typed(name="--all")] = False

    def run(self, uow: UnitOfWork) -> KeyStatuses:
        """In the order of their creation."""
        return KeyStatuses(list_key_states(uow, removed=self.removed))


@command("keys rotate", "POST /keys/rotate", permission=Permission.CHANGE_KEYS, event="key.created")
class RotateKeys(Command[KeyRotation], frozen=True):
    """Create the next signing key, or let it sign once validators have had time to fetch it.

    The service does that by itself when the time has come. --now is for a key that leaked.
    """

    algorithm: Annotated[
        Literal["ES256", "RS256", "EdDSA"], Meta(description="Of the key."), Typed(metavar="ES256|RS256|EdDSA")
    ] = "ES256"
    now: Annotated[bool, Meta(description="Let the next key sign now, even where validators may not know it.")] = False

    def run(self, uow: UnitOfWork) -> KeyRotation:
        """Raises NotAllowed and NotFound."""
        return rotation.rotate(uow, algorithm=self.algorithm, now=self.now)


@command("keys withdraw", "POST /keys/{kid}/withdraw", permission=Permission.CHANGE_KEYS, event="key.removed")
class WithdrawKey(Command[WithdrawnKey], frozen=True):
    """Remove a retiring key from the JWK set at once; the tokens that it signed are rejected from then on."""

    kid: Annotated[Lookup, Meta(description="Its name: key_…"), Typed(metavar="KEY", argument=True)]

    def run(self, uow: UnitOfWork) -> WithdrawnKey:
        """Raises NotAllowed, NotFound, and Conflict for a key that is not retiring."""
        rotation.withdraw(uow, self.kid)
        return WithdrawnKey(self.kid)
