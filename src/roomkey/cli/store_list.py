"""The records of a store on the screen: whose, which generation, which key; never what is in them."""

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text

from roomkey.cli.theme import facts, listed, output, shown
from roomkey.client.credential_state import Record
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.rotation import survey

if TYPE_CHECKING:
    from roomkey.config import Configuration
    from roomkey.stores.store import Store


@dataclass(frozen=True, slots=True)
class Line:
    """One record: ``key`` is the beginning of its name, ``label`` whose it is, ``sealed_by`` the id of its key."""

    key: str
    label: str
    generation: int
    size: int
    sealed_by: str
    readable: bool


def print_records(configuration: "Configuration") -> None:
    """Print a table; reads the store and raises StoreUnavailable or KeyringError."""
    store = configuration.store
    lines, others = _lines(store)
    console = output()
    console.print(facts(("store", shown(store.name)), ("keys", shown(", ".join(store.keyring.ids)))))
    console.print()
    table = listed(
        map(_row, lines),
        console,
        *("record", "whose", "gen.", "bytes", "sealed by", ""),
        numbers=("gen.", "bytes"),
        folded="whose",
        spared=("record", "gen.", "bytes"),
    )
    console.print(table if lines else Text("The store is empty.", style="quiet"))
    if others:
        console.print(Text(f"{others} more belong to another version of roomkey and are left alone.", style="quiet"))


def _row(line: Line) -> dict[str, str | Text]:
    return {
        "record": line.key,
        "whose": shown(line.label),
        "gen.": f"{line.generation}",
        "bytes": f"{line.size}",
        "sealed by": Text(line.sealed_by, "accent"),
        "": Text("✓ opens", "ok") if line.readable else Text("✗ unreadable", "bad"),
    }


def print_records_json(configuration: "Configuration") -> None:
    """Print one JSON object; reads the store and raises StoreUnavailable or KeyringError."""
    store = configuration.store
    lines, others = _lines(store)
    records = [{name: getattr(line, name) for name in Line.__slots__} for line in lines]
    members = {"store": store.name, "keys": list(store.keyring.ids), "records": records, "other_versions": others}
    sys.stdout.write(json.dumps(members, indent=2) + "\n")


def _lines(store: "Store") -> tuple[tuple[Line, ...], int]:
    found = survey(store)
    encrypted = EncryptedStore(store)
    known = set(encrypted.keys())
    return tuple(
        Line(
            key=each.key[:12] if each.key in known else each.key,
            label=_label(encrypted, each.key) if each.key in known else "the store itself",
            generation=each.generation,
            size=each.size,
            sealed_by=each.key_id,
            readable=each.miss is None,
        )
        for each in found.records
    ), found.other_versions


def _label(store: EncryptedStore, key: str) -> str:
    record = Record.from_bytes(store.load(key).payload)
    return "" if record is None else record.label
