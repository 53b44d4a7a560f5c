"""The ``[store]`` table of roomkey.toml: where tokens are kept, and where their encryption keys come from."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roomkey.config.table import SecretReference, Table, read_reference, suggestion

if TYPE_CHECKING:
    from roomkey.stores.keyring import Keyring
    from roomkey.stores.store import Store

_KEYS: Final = ("url", "keys")
_FORMS: Final = "memory:, sqlite:///PATH (relative to the file) or sqlite:////PATH (absolute)"
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]{0,31}")
_UNSUPPORTED: Final = frozenset({"redis", "rediss", "postgresql", "postgres", "mysql"})


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """The settings of ``[store]``.

    Attributes:
        kind: ``memory``, ``sqlite``, or ``default``: the SQLite file in the user's state folder.
        path: of the SQLite file; None for the other kinds.
        keys: where the encryption keys are read; None: the store makes its own.
    """

    kind: str = "default"
    path: Path | None = None
    keys: SecretReference | None = None

    def open(self) -> "Store":
        """Return the store, with its keys. May read the keys; raises KeyringError or SecretUnavailable."""
        if self.kind == "memory":
            from roomkey.stores.memory import MemoryStore

            return MemoryStore(self._keyring())
        from roomkey.stores.sqlite import SQLiteStore

        return SQLiteStore.default() if self.path is None else SQLiteStore(self.path, self._keyring())

    def _keyring(self) -> "Keyring | None":
        from roomkey.stores.keyring import Keyring

        if self.keys is None:
            return None
        if self.keys.kind == "env":
            return Keyring.from_env(self.keys.name)
        if self.keys.kind == "file":
            return Keyring.from_file(self.keys.name)
        return Keyring.from_callable(self.keys.secret().reveal)


def read_store(table: Table | None) -> StoreSettings:
    """Return the settings in ``table``, by default those of no table. Raises ConfigurationError; does no I/O."""
    if table is None:
        return StoreSettings()
    table.expect(_KEYS)
    url = table.string("url")
    keys = read_reference(table, "keys")
    if url is None:
        if keys is not None:
            raise table.problem("url", f"is missing, but keys is given; write {_FORMS}.")
        return StoreSettings()
    if url == "memory:":
        return StoreSettings("memory", None, keys)
    return StoreSettings("sqlite", _sqlite_path(table, url), keys)


def _sqlite_path(table: Table, url: str) -> Path:
    scheme, _, rest = url.partition(":")
    if (kind := scheme.partition("+")[0]) in _UNSUPPORTED:
        raise table.problem("url", f"names a {kind} store, which this version does not have; write {_FORMS}.")
    if scheme != "sqlite":
        near = suggestion(scheme, ("memory", "sqlite")) if _SCHEME.fullmatch(scheme) else ""
        raise table.problem("url", f"must be {_FORMS}; {near}" if near else f"must be {_FORMS}.")
    path = rest.removeprefix("///")
    if not rest.startswith("///") or not path or path in (":memory:", "/") or "?" in path or "#" in path:
        raise table.problem("url", f"must be {_FORMS}.")
    return table.path("url", path)
