"""A store behind encryption at rest: what goes in is encrypted, what comes out is decrypted or counted as a miss."""

import contextlib
import hashlib
import hmac
import logging
import secrets
import threading
from collections import Counter
from dataclasses import dataclass
from typing import Final

from roomkey.concurrency.fork import Forkable, forkables
from roomkey.errors import KeyringError, StoreUnavailable
from roomkey.secret import Confidential
from roomkey.stores.encryption import VERSION, Miss
from roomkey.stores.store import Store

_log = logging.getLogger("roomkey")

NAMESPACE: Final = f"v{VERSION}:"
"""Begins every name in a store. It changes with the format, so that two versions of roomkey that share a store while
one is being replaced by the other never read, overwrite or delete each other's records."""

_FINGERPRINT_KEY: Final = "fingerprint-key"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Loaded(Confidential):
    """The record under a name: ``payload`` (None where there is nothing to read), ``generation``, ``miss``.

    ``generation`` is what :meth:`EncryptedStore.save` wants to replace it with, 0 where there is no record; a record
    that cannot be read keeps its own, so that it can be overwritten. ``miss`` says why it cannot.
    """

    payload: bytes | None
    generation: int
    miss: Miss | None = None

    def __repr__(self) -> str:
        what = f"{len(self.payload)} bytes" if self.payload is not None else (self.miss or "nothing")
        return f"Loaded({what}, generation {self.generation})"


@dataclass(frozen=True, slots=True)
class Misses:
    """Numbers of records that could not be read since the EncryptedStore was made, by reason."""

    damaged: int = 0
    unknown_key: int = 0
    newer_version: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.damaged + self.unknown_key + self.newer_version


class EncryptedStore(Forkable):
    """Encrypts payloads with the store's keyring, bound to their names, and decrypts them again.

    Every method may block on I/O, is safe in any thread and after a fork, and raises StoreUnavailable only. What a
    store holds never makes one raise: a damaged, foreign or swapped record is a miss.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._keyring = store.keyring
        self._lock = threading.Lock()  # guards the counter; held for a moment only, and never during I/O
        self._misses: Counter[Miss] = Counter()
        self._fingerprint_key: Loaded | None = None
        self._failing = False
        forkables[id(self)] = self

    def after_fork_in_child(self) -> None:
        """Make the lock anew: it may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store behind it. No I/O."""
        return self._store

    @property
    def misses(self) -> Misses:
        """The numbers of records that could not be read so far. No I/O."""
        with self._lock:
            return Misses(**{reason.value: count for reason, count in self._misses.items()})

    def load(self, key: str) -> Loaded:
        """Read the record ``key``; one that an older key had encrypted is encrypted again with the first one."""
        name = NAMESPACE + key
        stored = self._store.get(name)
        if stored is None:
            return Loaded(None, 0)
        try:
            opened = self._keyring.open(stored.value, key=name)
        except KeyringError as error:
            problem = self._without_keys(error)
        else:
            if isinstance(opened, Miss):
                with self._lock:
                    self._misses[opened] += 1
                return Loaded(None, stored.generation, opened)
            generation = stored.generation
            if not opened.current:
                with contextlib.suppress(StoreUnavailable):  # reading succeeded; the next reader tries again
                    generation = self.save(key, opened.plaintext, generation) or generation
            return Loaded(opened.plaintext, generation)
        raise StoreUnavailable(problem)

    def save(self, key: str, payload: bytes, generation: int) -> int | None:
        """Write ``payload`` if the record still has ``generation`` (0: if there is none); the new one, or None."""
        name = NAMESPACE + key
        encrypted: bytes | str
        try:
            encrypted = self._keyring.seal(payload, key=name)
        except KeyringError as error:
            encrypted = self._without_keys(error)
        del payload  # a traceback that shows local variables must not show this one
        if isinstance(encrypted, str):
            raise StoreUnavailable(encrypted)
        saved = self._store.put(name, encrypted, generation=generation)
        if self._failing:  # only now: a store that can be read need not be one that can be written
            self._failing = False
            _log.warning("The store %s works again.", self._store.name)
        return saved

    def delete(self, key: str, generation: int | None = None) -> bool:
        """Delete the record ``key``, or only if it still has ``generation``; True where one was deleted."""
        return self._store.delete(NAMESPACE + key, generation=generation)

    def lease(self, key: str, *, owner: str, seconds: float) -> bool:
        """Take or extend the lease on ``key``; see :meth:`roomkey.stores.store.Store.lease`."""
        return self._store.lease(NAMESPACE + key, owner=owner, seconds=seconds)

    def release(self, key: str, *, owner: str) -> None:
        """End the lease on ``key`` if ``owner`` holds it."""
        self._store.release(NAMESPACE + key, owner=owner)

    def keys(self) -> list[str]:
        """The names of this version's records, without the fingerprint key, sorted."""
        names = self._store.keys()
        own = (name.removeprefix(NAMESPACE) for name in names if name.startswith(NAMESPACE))
        return [name for name in own if name != _FINGERPRINT_KEY]

    def close(self) -> None:
        """Close the store; it opens again when it is used again."""
        self._store.close()

    def warn(self, error: StoreUnavailable) -> None:
        """Log ``error``, the first time in a row. No I/O."""
        if not self._failing:
            self._failing = True
            # Its words alone: the error itself would keep its frames, and what they hold, for as long as the record.
            _log.warning("%s Tokens are kept in memory until it works again.", str(error))

    def fingerprint(self, secret: bytes) -> str:
        """64 hex digits that stand for ``secret`` in a store key, the same for everybody who shares the store.

        Keyed from a random value that is kept encrypted in the store, so that a rotation of the keyring changes
        nothing. While the store is down, or where that value cannot be decrypted, keyed from the keyring's first key.
        """
        if self._fingerprint_key is None:
            with contextlib.suppress(StoreUnavailable):  # then it is not remembered, so that the store is asked again
                self._fingerprint_key = self._shared_key()
        shared = self._fingerprint_key
        try:
            key = (shared and shared.payload) or self._keyring.derive(_FINGERPRINT_KEY)
            return hmac.digest(key, secret, hashlib.sha256).hex()
        except KeyringError as error:
            problem = self._without_keys(error)
        del secret  # a traceback that shows local variables must not show this one
        raise StoreUnavailable(problem)

    def _shared_key(self) -> Loaded | None:
        """The random value in the store, made if it is missing; None where it is there and cannot be decrypted."""
        for _ in range(3):  # twice at most: nobody deletes it between two attempts
            loaded = self.load(_FINGERPRINT_KEY)
            if loaded.payload is not None or loaded.miss is not None:
                return None if loaded.payload is None else loaded
            made = Loaded(secrets.token_bytes(32), 0)
            if self.save(_FINGERPRINT_KEY, made.payload or b"", 0) is not None:
                return made
        return None

    def _without_keys(self, error: KeyringError) -> str:
        return f"What is kept in {self._store.name} cannot be encrypted or decrypted. {error}"

    def __repr__(self) -> str:
        return f"EncryptedStore({self._store.name})"
