"""``roomkey store rotate-key`` and ``clear``: a new encryption key for the store, and deletion of its records."""

import sys
from typing import TYPE_CHECKING

from roomkey.cli.errors import print_error
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.store_status import store_key
from roomkey.cli.theme import done
from roomkey.config import load
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.rotation import reencrypt
from roomkey.stores.rotation import rotate_key as rotate

if TYPE_CHECKING:
    from roomkey.config import Configuration


def rotate_key() -> int:
    """Create a key, put it first in the key file and encrypt every record with it."""
    with load() as configuration:
        store = configuration.store
        rotated = reencrypt(store) if store.keyring.file is None else rotate(store)
        done(f"The key {rotated.key_id} encrypts {_records(rotated.encrypted)} of the {store.name}.")
        if rotated.unreadable:
            print_error(
                f"{_records(rotated.unreadable)} cannot be decrypted with any key of {store.keyring.description}."
            )
        if rotated.behind:
            print_error(
                f"{_records(rotated.behind)} changed meanwhile and still need an older key.", "run it once more."
            )
            return ExitCode.STORE
    return ExitCode.OK


def clear(name: str | None, *, everything: bool, yes: bool) -> int:
    """Delete the records of the credential ``name``, or of all."""
    if (name is None) != everything:
        print_error("Name one credential, or add --all.", "roomkey store clear --help")
        return ExitCode.USAGE
    with load() as configuration:
        if everything and not yes and not _confirmed(configuration):
            print_error("Nothing was deleted.", "roomkey store clear --all --yes")
            return ExitCode.USAGE
        gone = _delete_all(configuration) if name is None else _delete(configuration, name)
        done(f"{_records(gone)} deleted.")
    return ExitCode.OK


def _confirmed(configuration: "Configuration") -> bool:
    if not sys.stdin.isatty():
        return False
    from typer import confirm

    return confirm(f"Delete every token in the {configuration.store.name}, for all its users? They authenticate again.")


def _delete(configuration: "Configuration", name: str) -> int:
    key = store_key(configuration, name)
    return int(key is not None and EncryptedStore(configuration.store).delete(key))


def _delete_all(configuration: "Configuration") -> int:
    store = EncryptedStore(configuration.store)
    keys = store.keys()
    return sum(store.delete(key) for key in keys)


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
