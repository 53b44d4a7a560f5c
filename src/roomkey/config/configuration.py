"""The configuration: a manager and credentials, made from roomkey.toml when they are first used."""

import os
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, final

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.config.credentials import CredentialSettings, read_credential
from roomkey.config.file import TABLES, find, read_file
from roomkey.config.store_settings import StoreSettings, read_store
from roomkey.config.table import Table, suggestion
from roomkey.errors import ConfigurationError

if TYPE_CHECKING:
    from roomkey.client.credential import Credential
    from roomkey.client.manager import TokenManager
    from roomkey.oauth.service_account_token import ServiceAccountToken
    from roomkey.oauth.source import Source
    from roomkey.stores.store import Store

_LONGEST_NAME_SHOWN: Final = 24


@final
class Configuration(Forkable):
    """The content of ``roomkey.toml``; store, manager and credentials are made when they are first used.

    A context manager, sync and async: at its end the manager is closed. Safe in any thread and after a fork.

    Attributes:
        path: the file that was read.
        names: of the configured credentials, in the file's order.
    """

    def __init__(self, path: Path, store: StoreSettings, credentials: tuple[CredentialSettings, ...]) -> None:
        self.path = path
        self.names = tuple(each.name for each in credentials)
        self._settings = {each.name: each for each in credentials}
        self._store_settings = store
        self._lock = threading.RLock()  # guards the two below it
        self._store: Store | None = None
        self._manager: TokenManager | None = None
        forkables[id(self)] = self

    def credential(self, name: str, context: str | None = None) -> "Credential":
        """Return the credential ``name``, for the ``context`` of the file or another one.

        Raises ConfigurationError for a name that is not configured, KeyringError where the store's keys cannot be
        read. Sends no request; may read the store's keys.
        """
        settings = self._of(name)
        chosen = settings.context if context is None else context
        return self.manager.credential(self.source(name), chosen, name=name)

    def source(self, name: str) -> "Source | ServiceAccountToken":
        """Return the source of the tokens of the credential ``name``; sends no request."""
        settings = self._of(name)
        client = None if settings.authenticated_by is None else self.credential(settings.authenticated_by)
        return settings.source(client)

    def base_url(self, name: str) -> str | None:
        """Return the URL of the API that the credential ``name`` is for, and the only origin that gets its token."""
        return self._of(name).base_url

    def kind(self, name: str) -> str:
        """Return the kind of the credential's source, such as ``client_credentials``."""
        return self._of(name).made.kind

    def context(self, name: str) -> str:
        """Return the tenant or technical client that the credential is for, or ""."""
        return self._of(name).context

    @property
    def store(self) -> "Store":
        """The store, opened when it is first used; raises KeyringError where its keys cannot be read."""
        with self._lock:
            if self._store is None:
                self._store = self._store_settings.open()
            return self._store

    @property
    def manager(self) -> "TokenManager":
        """The one manager of all these credentials."""
        from roomkey.client.manager import TokenManager

        with self._lock:
            if self._manager is None:
                self._manager = TokenManager(self.store)
            return self._manager

    def close(self) -> None:
        """Close the manager and the store; the configuration can be used again and opens them anew."""
        manager, store = self._take()
        if manager is not None:
            manager.close()
        elif store is not None:
            store.close()

    def _take(self) -> "tuple[TokenManager | None, Store | None]":
        with self._lock:
            manager, store = self._manager, self._store
            self._manager = self._store = None
        return manager, store

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        manager, store = self._take()
        if manager is not None:
            await manager.__aexit__(*exc)
        elif store is not None:
            store.close()

    def after_fork_in_child(self) -> None:
        """Replace the lock, which another thread may have held."""
        self._lock = threading.RLock()

    def _of(self, name: str) -> CredentialSettings:
        settings = self._settings.get(name)
        if settings is not None:
            return settings
        # A long name may be a token in the wrong argument.
        which = f'"{name}"' if name.isprintable() and len(name) <= _LONGEST_NAME_SHOWN else "of that name"
        known = f"configured: {', '.join(self.names)}." if self.names else "add a table such as [credentials.orders]."
        raise ConfigurationError(
            f"There is no credential {which} in {self.path}; {suggestion(name, self.names) or known}"
        )

    def __repr__(self) -> str:
        return f"Configuration({self.path}, credentials: {', '.join(self.names) or 'none'})"


def load(path: str | os.PathLike[str] | None = None) -> Configuration:
    """Read the configuration: ``path``, or ``$ROOMKEY_CONFIG``, ``./roomkey.toml`` or the user's own file.

    The file is checked as a whole: an unknown key, a wrong type, a missing setting or a secret in plain text raises
    ConfigurationError, which names file, table and key. Secrets are read when a token needs them, not now. Reads one
    file; safe in any thread.
    """
    return _configuration(read_file(find(path)))


def _configuration(top: Table) -> Configuration:
    top.expect(TABLES)
    store = read_store(top.table("store"))
    group = top.table("credentials")
    credentials = () if group is None else tuple(read_credential(group, name) for name in group.keys)
    _check_chains(top.file, {each.name: each.authenticated_by for each in credentials})
    return Configuration(top.file, store, credentials)


def _check_chains(file: Path, chains: dict[str, str | None]) -> None:
    for name in chains:
        seen = [name]
        while (following := chains[seen[-1]]) is not None:
            prefix = f"{file}: [credentials.{seen[-1]}] authenticated_by"
            if following not in chains:
                near = suggestion(following, chains)
                raise ConfigurationError(f"{prefix} names a credential that does not exist; {near or 'add it.'}")
            if following in seen:
                raise ConfigurationError(
                    f"{prefix} is a circle: {' → '.join([*seen, following])}; let one sign in by itself."
                )
            seen.append(following)
