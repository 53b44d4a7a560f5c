"""What the store holds for the configured credentials, read without asking a token endpoint."""

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from roomkey.client.credential_state import Record, TokenIdentity
from roomkey.client.lifetime import Lifetime, RefreshWindow, TokenState
from roomkey.errors import ConfigurationError, LoginRequired
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import reveal
from roomkey.stores.encrypted_store import EncryptedStore

if TYPE_CHECKING:
    from roomkey.config import Configuration


@dataclass(frozen=True, slots=True)
class StoredToken:
    """What is known of one credential without its token.

    Attributes:
        name: of the credential.
        kind: of its source.
        context: the tenant or technical client, or "".
        state: what may be done with the token.
        expires_in: seconds until its end, or None without a token or an end.
        generation: of its record in the store, 0 where there is none.
        refreshable: True where a refresh token is kept with it.
        error: a stable word for what went wrong last, or "".
        problem: the sentence for it, or "".
        next_attempt_in: seconds until the token endpoint is asked again after a failure that may pass, or None.
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


def stored_tokens(configuration: "Configuration") -> tuple[StoredToken, ...]:
    """One value for each configured credential. Reads secrets and the store; raises StoreUnavailable."""
    return tuple(_stored(configuration, name) for name in configuration.names)


def store_key(configuration: "Configuration", name: str) -> str | None:
    """The key of ``name``'s record in the store; None for a token that was handed in, which is not stored."""
    source = configuration.source(name)
    if isinstance(source, ServiceAccountToken):
        return None
    secrets = EncryptedStore(configuration.store).fingerprint(reveal(source.secrets()).joined())
    return TokenIdentity(source, configuration.context(name), name).store_key(secrets)


def _stored(configuration: "Configuration", name: str) -> StoredToken:
    kind, context = configuration.kind(name), configuration.context(name)
    try:
        source = configuration.source(name)
        if isinstance(source, ServiceAccountToken):
            left = source.read(reveal(source.secrets()), wall=time.time()).lifetime
            return StoredToken(name, kind, context, TokenState.FRESH, expires_in=left if math.isfinite(left) else None)
        key = store_key(configuration, name)
    except (ConfigurationError, LoginRequired) as error:
        state = TokenState.EXPIRED if isinstance(error, LoginRequired) else TokenState.ABSENT
        return StoredToken(name, kind, context, state, error=error.code, problem=str(error))
    assert key is not None  # noqa: S101 - only handed-in tokens have none
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
        next_attempt_in=None if failure is None or failure.permanent else failure.left(wall),
    )


def _state(record: Record, wall: float) -> TokenState:
    if not record.access_token:
        return TokenState.ABSENT
    return Lifetime.of(received=0.0, duration=record.duration, window=RefreshWindow(), jitter=0.0).state(
        record.age(wall)
    )
