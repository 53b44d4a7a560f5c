"""Key rotation for encrypted columns: re-encrypts all values with a new key, in small steps that may be repeated."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sqlalchemy import select, update

from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.column_encryption import ENCRYPTED_COLUMNS, EncryptedColumn
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

if TYPE_CHECKING:
    from roomkey.authorization_server.actor import Actor
    from roomkey.authorization_server.service import Service

_BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class EncryptionKeyRotation:
    """The result of a re-encryption.

    Attributes:
        key_id: the key that encrypts now; the others in the keyring are needed only for backups made before.
        rewrapped: the number of values that an older key had encrypted.
    """

    key_id: str
    rewrapped: int


@dataclass(frozen=True, slots=True)
class ReencryptedBatch:
    """One batch: the number of re-encrypted values, and the row after which the next begins, or None."""

    rewrapped: int
    after: str | None


def rotate_encryption_key(service: "Service", actor: "Actor", *, only_node: bool = False) -> EncryptionKeyRotation:
    """Put a new key first in the key file, then :func:`reencrypt_all` values.

    On PostgreSQL other nodes may have key files of their own: unless the caller says that this is the ``only_node``,
    this raises Conflict, which says what to do instead. Raises KeyringError where the keys come from no file. Blocks.
    """
    with service.look(actor) as uow:
        _demand(uow)
    if service.database.file is None and not only_node:
        raise Conflict(
            "Other nodes may use this database, and would not have the new key. Add one to the end of the key file of "
            "each node, then move it to the front of each, then re-encrypt everything."
        )
    service.keyring.rotate()
    return reencrypt_all(service, actor)


def reencrypt_all(service: "Service", actor: "Actor") -> EncryptionKeyRotation:
    """Re-encrypt with the first key all that an older one has encrypted; if stopped, a second call continues.

    One short transaction for each hundred values: the service runs meanwhile. Raises DatabaseUnsuitable where a value
    does not decrypt; what was done before stays. Blocks.
    """
    rewrapped = 0
    for column in ENCRYPTED_COLUMNS:
        after: str | None = ""
        while after is not None:
            with service.unit_of_work(actor) as uow:
                step = reencrypt_batch(uow, column, after=after)
            rewrapped, after = rewrapped + step.rewrapped, step.after
    with service.unit_of_work(actor) as uow:
        key_id = service.keyring.ids[0]
        record_event(uow, "seal.rotated", Subject("seal", key_id), rewrapped=rewrapped)
    return EncryptionKeyRotation(key_id, rewrapped)


def reencrypt_batch(uow: UnitOfWork, column: EncryptedColumn, *, after: str, limit: int = _BATCH) -> ReencryptedBatch:
    """Re-encrypt what an older key encrypted in the ``limit`` rows that follow the row ``after``."""
    _demand(uow)
    rows = uow.connection.execute(
        select(column.key.label("name"), column.column.label("value"))
        .where(column.key > after, column.column.is_not(None))
        .order_by(column.key)
        .limit(limit)
    ).all()
    rewrapped = 0
    for row in rows:
        if column.is_current(uow.keyring, row.value, row=row.name):
            continue
        plaintext = column.decrypt(uow.keyring, row.value, row=row.name)
        rewrapped += uow.connection.execute(
            update(column.table)
            .where(column.key == row.name, column.column == row.value)  # unless another node wrote meanwhile
            .values({column.name: column.encrypt(uow.keyring, plaintext, row=row.name)})
        ).rowcount
    return ReencryptedBatch(rewrapped, rows[-1].name if len(rows) == limit else None)


def _demand(uow: UnitOfWork) -> None:
    uow.demand(Permission.CHANGE_SETTINGS)
    if uow.actor.tenant is not None:
        raise NotAllowed("The encryption key is that of all tenants; ask an administrator of the whole service.")
