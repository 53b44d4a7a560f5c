"""The stored state of the configured credentials, read without a request to a token endpoint."""

import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from roomkey.client.credential_state import Record, TokenIdentity
from roomkey.client.lifetime import Lifetime, RefreshWindow, TokenState
from roomkey.config import Configuration, load
from roomkey.config.file import FILE_NAME, find_any
from roomkey.config.store_settings import StoreSettings
from roomkey.errors import ConfigurationError, LoginRequired, StoreUnavailable
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import reveal
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.sqlite import SQLiteStore

if TYPE_CHECKING:
    from roomkey.stores.store import Store


@dataclass(frozen=True, slots=True)
class StoredToken:
    """The state of one credential without its token.

    Attributes:
        name: of the credential.
        kind: of its source.
        context: the tenant or technical client, or "".
        state: of the token.
        expires_in: seconds until it expires, or None without a token or an expiry.
        generation: of its record in the store, 0 where there is none.
        refreshable: True where a refresh token is stored with it.
        error: the code of the last failure, or "".
        problem: the sentence for it, or "".
        next_attempt_in: seconds until the next attempt at the token endpoint after a temporary failure, or None.
    """

    name: str
    kind: str
    context: str
    state: TokenState
    expires_in: float | None = None
    generation: int = 0
    refreshable: bool = False
    error: str = ""
    problem: str = ""
    next_attempt_in: float | None = None


def configuration_or_defaults() -> tuple[Configuration, Path | None]:
    """The configuration and its file; without a file, one with the default store and no credentials, and None."""
    file = find_any()
    if file is not None:
        return load(file), file
    return Configuration(Path(FILE_NAME).absolute(), StoreSettings(), ()), None


def store_exists(store: "Store") -> bool:
    """False for a SQLite file that nobody has written yet: to read it would create it, and its key file."""
    return not isinstance(store, SQLiteStore) or store.path.exists()


def stored_tokens(configuration: Configuration) -> tuple[StoredToken, ...]:
    """One value for each configured credential. Reads secrets and the store; raises StoreUnavailable."""
    return tuple(_stored(configuration, name) for name in configuration.names)


def fresh_token(configuration: Configuration, name: str) -> str | None:
    """The stored token of the credential ``name`` where it is fresh; None where the token manager has to decide."""
    try:
        key = store_key(configuration, name) if store_exists(configuration.store) else None
        record = None if key is None else Record.from_bytes(EncryptedStore(configuration.store).load(key).payload)
    except StoreUnavailable:
        return None
    if record is None or _state(record, time.time()) is not TokenState.FRESH:
        return None
    return record.access_token


def store_key(configuration: Configuration, name: str) -> str | None:
    """The key of ``name``'s record in the store; None for a configured token, which is not stored."""
    source = configuration.source(name)
    if isinstance(source, ServiceAccountToken):
        return None
    secrets = EncryptedStore(configuration.store).fingerprint(reveal(source.secrets()).joined)
    return TokenIdentity(source, configuration.context(name), name, source.parameters()).store_key(secrets)


def _stored(configuration: Configuration, name: str) -> StoredToken:
    kind, context = configuration.kind(name), configuration.context(name)
    try:
        source = configuration.source(name)
        revealed = reveal(source.secrets())
        if isinstance(source, ServiceAccountToken):
            left = source.read(revealed, wall=time.time()).lifetime
            return StoredToken(name, kind, context, TokenState.FRESH, expires_in=left if math.isfinite(left) else None)
        key = store_key(configuration, name) if store_exists(configuration.store) else None
    except (ConfigurationError, LoginRequired) as error:
        state = TokenState.EXPIRED if isinstance(error, LoginRequired) else TokenState.ABSENT
        return StoredToken(name, kind, context, state, error=error.code, problem=str(error))
    if key is None:
        return StoredToken(name, kind, context, TokenState.ABSENT)
    loaded, wall = EncryptedStore(configuration.store).load(key), time.time()
    record = Record.from_bytes(loaded.payload)
    if record is None:
        return StoredToken(name, kind, context, TokenState.ABSENT)
    left = record.duration - record.age(wall)
    failure = record.failure
    return StoredToken(
        name,
        kind,
        context,
        _state(record, wall),
        expires_in=left if record.access_token and left > 0 else None,
        generation=loaded.generation,
        refreshable=bool(record.refresh_token),
        error="" if failure is None else failure.reason,
        problem="" if failure is None else failure.message,
        next_attempt_in=None if failure is None else failure.left(wall),
    )


def _state(record: Record, wall: float) -> TokenState:
    if not record.access_token:
        return TokenState.ABSENT
    return Lifetime.of(received=0.0, duration=record.duration, window=RefreshWindow(), jitter=0.0).state(
        record.age(wall)
    )
