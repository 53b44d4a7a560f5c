"""``roomkey store``: what the store keeps, a new sealing key for it, and forgetting."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.config import Configuration

app = typer.Typer(cls=Group, help="The store: list its records, change the key that seals them, forget tokens.")


@app.command("list", cls=Command, short_help="List the records, and the key that seals each.")
def list_records(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for a script.")] = False,
) -> int:
    """List the records of the store: whose they are, their generation, and the key that seals them. No tokens."""
    from roomkey.cli.store_list import print_records, print_records_json
    from roomkey.config import load

    with load() as configuration:
        (print_records_json if as_json else print_records)(configuration)
    return ExitCode.OK


@app.command("rotate-key", cls=Command, short_help="Make a new key and seal every record with it.")
def rotate_key() -> int:
    """Make a new key, put it first in the store's key file and seal every record with it.

    Keys in the environment are changed where they come from: put a new one first, then run this.
    """
    from roomkey.cli.errors import complain
    from roomkey.cli.theme import done
    from roomkey.config import load
    from roomkey.stores.rotation import reseal
    from roomkey.stores.rotation import rotate_key as rotate

    with load() as configuration:
        store = configuration.store
        rotated = reseal(store) if store.keyring.file is None else rotate(store)
        done(f"The key {rotated.key_id} seals {_records(rotated.sealed)} of the {store.name}.")
        if rotated.unreadable:
            complain(f"{_records(rotated.unreadable)} cannot be opened with any key of {store.keyring.description}.")
        if rotated.behind:
            complain(f"{_records(rotated.behind)} changed meanwhile and still need an older key.", "run it once more.")
            return ExitCode.STORE
    return ExitCode.OK


@app.command("clear", cls=Command, short_help="Forget what is stored for one credential, or for all.")
def clear(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="A credential of roomkey.toml.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every record, of whatever credential.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Forget what is stored for NAME, or for everybody with --all: the next use signs in again.

    A refresh token is forgotten too; where only a person can sign in, a person will have to.
    """
    from roomkey.cli.errors import complain
    from roomkey.cli.theme import done
    from roomkey.config import load

    if (name is None) != everything:
        complain("Name one credential, or say --all.", "roomkey store clear --help")
        return ExitCode.USAGE
    with load() as configuration:
        if everything and not yes and not _agreed(configuration):
            complain("Nothing was forgotten.", "roomkey store clear --all --yes")
            return ExitCode.USAGE
        gone = _forget_all(configuration) if name is None else _forget(configuration, name)
        done(f"{_records(gone)} forgotten.")
    return ExitCode.OK


def _agreed(configuration: "Configuration") -> bool:
    return sys.stdin.isatty() and typer.confirm(
        f"Forget every token in the {configuration.store.name}, for all who use it? They sign in again."
    )


def _forget(configuration: "Configuration", name: str) -> int:
    from roomkey.cli.store_status import store_key
    from roomkey.stores.encrypted_store import EncryptedStore

    key = store_key(configuration, name)
    return int(key is not None and EncryptedStore(configuration.store).delete(key))


def _forget_all(configuration: "Configuration") -> int:
    from roomkey.stores.encrypted_store import EncryptedStore

    store = EncryptedStore(configuration.store)
    keys = store.keys()
    return sum(store.delete(key) for key in keys)


def _records(count: int) -> str:
    return "1 record" if count == 1 else f"{count} records"
