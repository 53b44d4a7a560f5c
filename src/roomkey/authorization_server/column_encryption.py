"""Encryption of columns at rest: every column that holds a secret, encrypted with the service's keyring (AES-256-GCM).

A value decrypts in its own row, for its own purpose, and nowhere else.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table

from roomkey.authorization_server.errors import DatabaseUnsuitable
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.audit import seals
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.stores.encryption import Miss
from roomkey.stores.keyring import Keyring

_REASONS: Final = {
    Miss.DAMAGED: "it was changed, or encrypted for another row or column.",
    Miss.UNKNOWN_KEY: "the key that encrypted it is missing; put it back.",
    Miss.NEWER_VERSION: "a newer version of roomkey encrypted it.",
}


@dataclass(frozen=True, slots=True)
class EncryptedColumn:
    """A column of encrypted values.

    Attributes:
        table: the table that has it.
        name: the column's name.
        row: the name of the unique string column that names the row.
        purpose: the use of the values, authenticated with each of them.
    """

    table: Table
    name: str
    row: str
    purpose: str

    @property
    def column(self) -> "Column[bytes | None]":
        """The column itself."""
        return self.table.c[self.name]

    @property
    def key(self) -> "Column[str]":
        """The column that names the row."""
        return self.table.c[self.row]

    def encrypt(self, keyring: Keyring, plaintext: bytes, *, row: str) -> bytes:
        """Return ``plaintext`` encrypted for ``row``. Raises KeyringError; may read the key file."""
        return keyring.seal(plaintext, key=self._associated_data(row))

    def decrypt(self, keyring: Keyring, value: bytes, *, row: str) -> bytes:
        """Return the plaintext of ``row``'s value; raises DatabaseUnsuitable where it does not decrypt there.

        May read the key file.
        """
        opened = keyring.open(bytes(value), key=self._associated_data(row))
        if isinstance(opened, Miss):
            raise DatabaseUnsuitable(
                f"The {self.name} of {self.table.name} {row} cannot be decrypted: {_REASONS[opened]} The keys come "
                f"from {keyring.description}."
            )
        return opened.plaintext

    def is_current(self, keyring: Keyring, value: bytes, *, row: str) -> bool:
        """Return whether the first key of the keyring, not an older one, has encrypted ``value``, and for ``row``."""
        opened = keyring.open(bytes(value), key=self._associated_data(row))
        return not isinstance(opened, Miss) and opened.current

    def _associated_data(self, row: str) -> str:
        return "\x1f".join(("authorization_server", self.table.name, self.name, row, self.purpose))


START_CHECK: Final = EncryptedColumn(seals, "sealed", "name", "start")
PRIVATE_KEY: Final = EncryptedColumn(signing_keys, "private_key", "kid", "signing")
SHARED_SECRET: Final = EncryptedColumn(apis, "shared_secret", "audience", "signing")
TOTP_SEED: Final = EncryptedColumn(users, "totp_seed", "id", "totp")
TOTP_PENDING: Final = EncryptedColumn(users, "totp_pending", "id", "totp")
NOTICE: Final = EncryptedColumn(sessions, "notice", "id", "notice")

ENCRYPTED_COLUMNS: Final = (START_CHECK, PRIVATE_KEY, SHARED_SECRET, TOTP_SEED, TOTP_PENDING, NOTICE)
