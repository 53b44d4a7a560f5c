"""A new sealing key: all that the old ones sealed is sealed anew, in small steps that may be taken again."""

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
    """What was sealed anew.

    Attributes:
        key_id: the key that seals now; the others in the keyring are needed no longer, but for backups made before.
        rewrapped: how many values an older key had sealed.
    """

    key_id: str
    rewrapped: int


@dataclass(frozen=True, slots=True)
class ReencryptedBatch:
    """One batch: how many values were sealed anew, and after which row the next one begins; None at the end."""

    rewrapped: int
    after: str | None


def rotate_encryption_key(service: "Service", actor: "Actor", *, only_node: bool = False) -> EncryptionKeyRotation:
    """Put a new key first in the key file, then :func:`rewrap` everything.

    On PostgreSQL, where other nodes have key files of their own, whoever asks says that this is the ``only_node``; else
    this raises Conflict, which says what to do instead. Raises KeyringError where the keys come from no file. Blocks.
    """
    with service.look(actor) as uow:
        _demand(uow)
    if service.database.file is None and not only_node:
        raise Conflict(
            "Other nodes may use this database, and would not have the new key. Add one to the end of the key file of "
            "each node, then move it to the front of each, then seal everything anew."
        )
    service.keyring.rotate()
    return reencrypt_all(service, actor)


def reencrypt_all(service: "Service", actor: "Actor") -> EncryptionKeyRotation:
    """Seal with the first key all that an older one has sealed; stopped half-way, it goes on when called again.

    One short transaction for each hundred values: the service serves meanwhile. Raises DatabaseUnsuitable where a value
    does not open; what was done up to there stays. Blocks.
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
    """Seal anew what an older key sealed in the ``limit`` rows that follow the row ``after``."""
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
            .where(column.key == row.name, column.column == row.value)  # not what another node wrote meanwhile
            .values({column.name: column.encrypt(uow.keyring, plaintext, row=row.name)})
        ).rowcount
    return ReencryptedBatch(rewrapped, rows[-1].name if len(rows) == limit else None)


def _demand(uow: UnitOfWork) -> None:
    uow.demand(Permission.CHANGE_SETTINGS)
    if uow.actor.tenant is not None:
        raise NotAllowed("The sealing key is that of all tenants; ask an administrator of the whole service.")
