"""Key rotation: which keys encrypt the records of a store, and a new key for all of them. Returns no payload."""

from dataclasses import dataclass

from roomkey.stores.encrypted_store import NAMESPACE, EncryptedStore
from roomkey.stores.encryption import Envelope, Miss, Opened, unpack
from roomkey.stores.store import Store


@dataclass(frozen=True, slots=True)
class RecordStatus:
    """One record: its name, generation and size in bytes, the id of the key that encrypted it, and if it is readable.

    ``current`` says that the keyring's first key encrypted it; ``miss`` why it cannot be read, else None.
    """

    key: str
    generation: int
    size: int
    key_id: str
    current: bool
    miss: Miss | None


@dataclass(frozen=True, slots=True)
class Survey:
    """The records of a store that this version reads, and how many belong to another version of roomkey."""

    records: tuple[RecordStatus, ...]
    other_versions: int


@dataclass(frozen=True, slots=True)
class Rotation:
    """The result of a rotation: the encrypting key's id, and how many records it encrypts now.

    ``unreadable`` records were left as they are; so were ``behind``, which others kept changing. A key may leave the
    keyring when ``behind`` is 0, everywhere that uses the store.
    """

    key_id: str
    encrypted: int
    unreadable: int
    behind: int


def survey(store: Store) -> Survey:
    """Look at every record of ``store``. Does I/O; raises StoreUnavailable or KeyringError; changes nothing."""
    names = store.keys()
    own = [name for name in names if name.startswith(NAMESPACE)]
    looked_at = (_look_at(store, name) for name in own)
    return Survey(tuple(record for record in looked_at if record is not None), len(names) - len(own))


def _look_at(store: Store, name: str) -> RecordStatus | None:
    stored = store.get(name)
    if stored is None:  # deleted since the names were listed
        return None
    envelope = unpack(stored.value)
    opened = store.keyring.open(stored.value, key=name)
    return RecordStatus(
        key=name.removeprefix(NAMESPACE),
        generation=stored.generation,
        size=len(stored.value),
        key_id=envelope.key_id if isinstance(envelope, Envelope) else "",
        current=isinstance(opened, Opened) and opened.current,
        miss=opened if isinstance(opened, Miss) else None,
    )


def reencrypt(store: Store) -> Rotation:
    """Encrypt every readable record of ``store`` with the first key. Does I/O; StoreUnavailable or KeyringError.

    Safe while others use the store: a record that is written meanwhile is left to its writer.
    """
    encrypted = EncryptedStore(store)
    for record in survey(store).records:
        if not record.current and record.miss is None:
            encrypted.load(record.key)  # which encrypts it again
    records = survey(store).records
    return Rotation(
        key_id=store.keyring.ids[0],
        encrypted=sum(record.current for record in records),
        unreadable=sum(record.miss is not None for record in records),
        behind=sum(not record.current and record.miss is None for record in records),
    )


def rotate_key(store: Store) -> Rotation:
    """Make a new key the first one in the store's key file and encrypt every record with it; old keys are kept.

    Other processes follow by themselves. Raises KeyringError where the keys do not come from a file (put a new one
    first where they do come from, then :func:`reencrypt`), or StoreUnavailable. Does I/O.
    """
    store.keyring.rotate()
    return reencrypt(store)
