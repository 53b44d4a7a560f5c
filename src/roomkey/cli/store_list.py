"""``roomkey store list``: owner, generation and encryption key of each record; never its content."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from rich.text import Text

from roomkey.cli.exit_code import ExitCode
from roomkey.cli.store_status import configuration_or_defaults, store_exists
from roomkey.cli.theme import facts, listed, output, shown
from roomkey.client.credential_state import Record
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.rotation import survey
from roomkey.stores.store import Store


@dataclass(frozen=True, slots=True)
class ListedRecord:
    """One record: ``key`` is the beginning of its store key, ``label`` its owner, ``encrypted_by`` a key id."""

    key: str
    label: str
    generation: int
    size: int
    encrypted_by: str
    readable: bool


def list_records(*, as_json: bool) -> int:
    """Print the records of the configured or default store; raises StoreUnavailable or KeyringError."""
    with configuration_or_defaults()[0] as configuration:
        store = configuration.store
        records, others = _records(store) if store_exists(store) else ((), 0)
        keys = store.keyring.ids if store_exists(store) else ()
        if as_json:
            listed_records = [asdict(each) for each in records]
            members = {"store": store.name, "keys": list(keys), "records": listed_records, "other_versions": others}
            sys.stdout.write(json.dumps(members, indent=2) + "\n")
        else:
            _print(store, keys, records, others)
    return ExitCode.OK


def _print(store: Store, keys: Sequence[str], records: Sequence[ListedRecord], others: int) -> None:
    console = output()
    console.print(facts(("store", shown(store.name)), ("keys", shown(", ".join(keys) or "none yet"))))
    console.print()
    table = listed(
        map(_row, records),
        console,
        *("record", "owner", "gen.", "bytes", "encrypted by", ""),
        numbers=("gen.", "bytes"),
        folded="owner",
        spared=("record", "gen.", "bytes"),
    )
    console.print(table if records else Text("The store is empty.", style="quiet"))
    if others:
        console.print(Text(f"{others} more belong to another version of roomkey and are left alone.", style="quiet"))


def _row(record: ListedRecord) -> dict[str, str | Text]:
    return {
        "record": record.key,
        "owner": shown(record.label),
        "gen.": f"{record.generation}",
        "bytes": f"{record.size}",
        "encrypted by": Text(record.encrypted_by, "accent"),
        "": Text("✓ readable", "ok") if record.readable else Text("✗ unreadable", "bad"),
    }


def _records(store: Store) -> tuple[tuple[ListedRecord, ...], int]:
    found = survey(store)
    encrypted = EncryptedStore(store)
    known = set(encrypted.keys())
    return tuple(
        ListedRecord(
            key=each.key[:12] if each.key in known else each.key,
            label=_label(encrypted, each.key) if each.key in known else "the store itself",
            generation=each.generation,
            size=each.size,
            encrypted_by=each.key_id,
            readable=each.miss is None,
        )
        for each in found.records
    ), found.other_versions


def _label(store: EncryptedStore, key: str) -> str:
    record = Record.from_bytes(store.load(key).payload)
    return "" if record is None else record.label
