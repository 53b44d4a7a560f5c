"""The one door to a store: what goes in is sealed, what comes out is opened or counted as a miss."""

import hashlib
import hmac
import secrets
import threading
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from roomkey.concurrency.fork import Forkable, tell_of_forks
from roomkey.errors import KeyringError, StoreUnavailable
from roomkey.secret import Confidential
from roomkey.stores.encryption import VERSION, Miss
from roomkey.stores.keyring import Opened
from roomkey.stores.store import Store

NAMESPACE: Final = f"v{VERSION}:"
"""Begins every name in a store. It changes with the format, so that two versions of roomkey that share a store while
one is being replaced by the other never read, overwrite or delete each other's records."""

_FINGERPRINT_KEY: Final = "fingerprint-key"


class Loaded(Confidential):
    """What was found under a name: ``payload`` (None where there is nothing to read), ``generation``, ``miss``.

    ``generation`` is what :meth:`Vault.save` wants to replace it with, 0 where there is no record; a record that
    cannot be read keeps its own, so that it can be overwritten. ``miss`` says why it cannot.
    """

    __slots__ = ("generation", "miss", "payload")

    def __init__(self, payload: bytes | None, generation: int, miss: Miss | None = None) -> None:
        self.payload = payload
        self.generation = generation
        self.miss = miss

    def __repr__(self) -> str:
        what = f"{len(self.payload)} bytes" if self.payload is not None else (self.miss or "nothing")
        return f"Loaded({what}, generation {self.generation})"


@dataclass(frozen=True, slots=True)
class Misses:
    """How many records could not be read since the vault was made, by reason."""

    damaged: int = 0
    unknown_key: int = 0
    newer_version: int = 0

    @property
    def total(self) -> int:
        """All of them."""
        return self.damaged + self.unknown_key + self.newer_version


class Vault(Forkable):
    """Seals payloads with the store's keyring, bound to their names, and opens them again.

    Every method may block on I/O, is safe in any thread and after a fork, and raises StoreUnavailable only. What a
    store holds never makes one raise: a damaged, foreign or swapped record is a miss.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()  # guards the counter; held for a moment only, and never during I/O
        self._misses: Counter[Miss] = Counter()
        self._fingerprint_key: _HashKey | None = None
        tell_of_forks(self)

    def after_fork_in_child(self) -> None:
        """The lock may have been held by a thread that does not exist here."""
        self._lock = threading.Lock()

    @property
    def store(self) -> Store:
        """The store behind it. No I/O."""
        return self._store

    @property
    def misses(self) -> Misses:
        """How many records could not be read so far. No I/O."""
        with self._lock:
            return Misses(**{reason.value: count for reason, count in self._misses.items()})

    def load(self, key: str) -> Loaded:
        """Read the record ``key``; one that an older key had sealed is sealed again with the first one."""
        name = NAMESPACE + key
        stored = self._store.get(name)
        if stored is None:
            return Loaded(None, 0)
        opened = self._open(stored.value, name)
        if isinstance(opened, Miss):
            with self._lock:
                self._misses[opened] += 1
            return Loaded(None, stored.generation, opened)
        if opened.current:
            return Loaded(opened.plaintext, stored.generation)
        return Loaded(opened.plaintext, self._reseal(key, opened, stored.generation))

    def _reseal(self, key: str, opened: Opened, generation: int) -> int:
        try:
            written = self.save(key, opened.plaintext, generation)
        except StoreUnavailable:
            written = None  # reading succeeded; the next reader tries again
        return generation if written is None else written

    def save(self, key: str, payload: bytes, generation: int) -> int | None:
        """Write ``payload`` if the record still has ``generation`` (0: if there is none); the new one, or None."""
        name = NAMESPACE + key
        sealed = self._seal(payload, name)
        del payload  # a traceback that shows local variables must not show this one
        if isinstance(sealed, bytes):
            return self._store.put(name, sealed, generation=generation)
        raise StoreUnavailable(sealed)

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
        """The names of this version's records, without the vault's own one, sorted."""
        names = self._store.keys()
        own = (name.removeprefix(NAMESPACE) for name in names if name.startswith(NAMESPACE))
        return [name for name in own if name != _FINGERPRINT_KEY]

    def close(self) -> None:
        """Close the store; it opens again when it is used again."""
        self._store.close()

    def fingerprint(self, secret: bytes) -> str:
        """64 hex digits that stand for ``secret`` in a store key, the same for everybody who shares the store.

        Keyed from a random value that is kept sealed in the store, so that a rotation of the keyring changes nothing.
        While the store is down, or where that value cannot be opened, keyed from the keyring's first key instead.
        """
        hashed = self._hash(secret)
        del secret  # a traceback that shows local variables must not show this one
        if isinstance(hashed, bytes):
            return hashed.hex()
        raise StoreUnavailable(hashed)

    def _hash(self, secret: bytes) -> bytes | str:
        if self._fingerprint_key is None:
            with suppress(StoreUnavailable):  # then it is not remembered either, so that the store is asked again
                self._fingerprint_key = self._shared_key()
        if self._fingerprint_key is not None:
            return hmac.digest(self._fingerprint_key.value, secret, hashlib.sha256)
        try:
            return hmac.digest(self._store.keyring.derive(_FINGERPRINT_KEY), secret, hashlib.sha256)
        except KeyringError as error:
            return self._without_keys(error)

    def _shared_key(self) -> "_HashKey | None":
        """The random value in the store, made if it is missing; None where it is there and cannot be opened."""
        for _ in range(3):  # twice at most: nobody deletes it between two attempts
            loaded = self.load(_FINGERPRINT_KEY)
            if loaded.payload is not None:
                return _HashKey(loaded.payload)
            if loaded.miss is not None:
                return None
            self.save(_FINGERPRINT_KEY, secrets.token_bytes(32), 0)
        return None

    def _seal(self, payload: bytes, name: str) -> bytes | str:
        try:
            return self._store.keyring.seal(payload, key=name)
        except KeyringError as error:
            return self._without_keys(error)

    def _open(self, sealed: bytes, name: str) -> Opened | Miss:
        try:
            return self._store.keyring.open(sealed, key=name)
        except KeyringError as error:
            problem = self._without_keys(error)
        raise StoreUnavailable(problem)

    def _without_keys(self, error: KeyringError) -> str:
        return f"What is kept in {self._store.name} cannot be sealed or opened. {error}"

    def __repr__(self) -> str:
        return f"Vault({self._store.name})"


class _HashKey(Confidential):
    __slots__ = ("value",)

    def __init__(self, value: bytes) -> None:
        self.value = value

    def __repr__(self) -> str:
        return "_HashKey(••••)"
