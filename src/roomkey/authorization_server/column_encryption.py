"""Every column whose values are sealed, in one place: whoever seals, opens or re-wraps one goes by this list."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import Column, Table

from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.schema.audit import seals
from roomkey.authorization_server.schema.identity import sessions, users
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.sealing import Sealed


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """A column of sealed values; each opens in its own row, for its own purpose, and nowhere else.

    Attributes:
        table: where it is.
        name: the column.
        row: the column, text and unique, that names the row.
        purpose: what the values are for.
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

    def seal(self, sealed: Sealed, plaintext: bytes, *, row: str) -> bytes:
        """``plaintext`` encrypted for ``row``. Raises KeyringError; may read the key file."""
        return sealed.seal(plaintext, table=self.table.name, column=self.name, row=row, purpose=self.purpose)

    def open(self, sealed: Sealed, value: bytes, *, row: str) -> bytes:
        """What was sealed for ``row``; raises DatabaseUnsuitable where it was not. May read the key file."""
        return sealed.open(bytes(value), table=self.table.name, column=self.name, row=row, purpose=self.purpose)

    def is_current(self, sealed: Sealed, value: bytes, *, row: str) -> bool:
        """Whether the first key of the keyring has sealed it, and for ``row``."""
        return sealed.is_current(bytes(value), table=self.table.name, column=self.name, row=row, purpose=self.purpose)


START_CHECK: Final = SealedColumn(seals, "sealed", "name", "start")
PRIVATE_KEY: Final = SealedColumn(signing_keys, "private_key", "kid", "signing")
SHARED_SECRET: Final = SealedColumn(apis, "shared_secret", "audience", "signing")
TOTP_SEED: Final = SealedColumn(users, "totp_seed", "id", "totp")
TOTP_PENDING: Final = SealedColumn(users, "totp_pending", "id", "totp")
NOTICE: Final = SealedColumn(sessions, "notice", "id", "notice")

SEALED_COLUMNS: Final = (START_CHECK, PRIVATE_KEY, SHARED_SECRET, TOTP_SEED, TOTP_PENDING, NOTICE)
