"""What the database keeps but must not show: sealed with the service's keyring, each value to its own place."""

from typing import Final

from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.secret import Confidential
from roomkey.stores.encryption import Miss
from roomkey.stores.keyring import Keyring


class Sealed(Confidential):
    """Seals and opens the columns that hold secrets. Safe in any thread; may read the key file."""

    __slots__ = ("keyring",)

    def __init__(self, keyring: Keyring) -> None:
        self.keyring = keyring

    def seal(self, plaintext: bytes, *, table: str, column: str, row: str, purpose: str) -> bytes:
        """``plaintext`` encrypted for this one place: moved to another row or column, it does not open."""
        return self.keyring.seal(plaintext, key=_place(table, column, row, purpose))

    def open(self, sealed: bytes, *, table: str, column: str, row: str, purpose: str) -> bytes:
        """What was sealed for this place; raises DatabaseUnsuitable where it was not, or its key is gone."""
        opened = self.keyring.open(sealed, key=_place(table, column, row, purpose))
        if isinstance(opened, Miss):
            raise DatabaseUnsuitable(
                f"The {column} of {table} {row} cannot be opened: {_WORDS[opened]} The keys come from "
                f"{self.keyring.description}."
            )
        return opened.plaintext

    def is_current(self, sealed: bytes, *, table: str, column: str, row: str, purpose: str) -> bool:
        """Whether the first key has sealed it, rather than an older one."""
        opened = self.keyring.open(sealed, key=_place(table, column, row, purpose))
        return not isinstance(opened, Miss) and opened.current

    def __repr__(self) -> str:
        return f"Sealed({self.keyring!r})"


_WORDS: Final = {
    Miss.DAMAGED: "it was changed, or sealed for another place.",
    Miss.UNKNOWN_KEY: "the key that sealed it is missing; put it back.",
    Miss.NEWER_VERSION: "a newer version of roomkey sealed it.",
}


def _place(table: str, column: str, row: str, purpose: str) -> str:
    return "\x1f".join(("authorization_server", table, column, row, purpose))
