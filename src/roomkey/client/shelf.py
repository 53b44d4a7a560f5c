"""A manager's view of its store: records by key, leases, and one warning when the store is out of order."""

import contextlib
import logging
from collections.abc import Iterator

from roomkey.client.counters import Counters
from roomkey.client.order import Found, Subject
from roomkey.client.record import RECORD_VERSION, Record
from roomkey.errors import StoreUnavailable
from roomkey.oauth.source import Revealed, canonical
from roomkey.stores.vault import Vault

_log = logging.getLogger("roomkey")


class Shelf:
    """Reads and writes records. Blocks on the store's I/O; safe in any thread; raises StoreUnavailable."""

    __slots__ = ("_counters", "_out_of_order", "_vault")

    def __init__(self, vault: Vault, counters: Counters) -> None:
        self._vault = vault
        self._counters = counters
        self._out_of_order = False

    def key(self, subject: Subject, revealed: Revealed) -> str:
        """The store key of ``subject``: a hash over all that shapes its token, secrets by keyed fingerprint only."""
        secrets = self._vault.fingerprint(revealed.joined())
        return canonical(
            f"{RECORD_VERSION}:{subject.source.kind}", subject.source.parameters(), subject.context, secrets.encode()
        ).hex()

    def load(self, key: str) -> Found:
        """The record under ``key``; what cannot be opened or read counts as missing."""
        loaded = self._vault.load(key)
        record = None if loaded.payload is None else Record.from_bytes(loaded.payload)
        return Found(record, loaded.generation)

    def save(self, key: str, record: Record, generation: int) -> int | None:
        """Replace what had ``generation``; the new generation, or None when somebody else was faster."""
        saved = self._vault.save(key, record.to_bytes(), generation=generation)
        if self._out_of_order:  # only now: a store that can be read need not be one that can be written
            self._out_of_order = False
            _log.warning("The store %s works again.", self._vault.store.name)
        return saved

    def take_lease(self, key: str, owner: str, seconds: float) -> bool:
        """Whether ``owner`` may now ask for this key's token alone, for ``seconds``."""
        return self._vault.lease(key, owner=owner, seconds=seconds)

    @contextlib.contextmanager
    def releasing(self, key: str, owner: str) -> Iterator[None]:
        """Give the lease back at the end, whatever happens; a store that fails at that lets it run out by itself."""
        try:
            yield
        finally:
            with contextlib.suppress(StoreUnavailable):
                self._vault.release(key, owner=owner)

    def out_of_order(self, trouble: StoreUnavailable) -> None:
        """Count ``trouble``, and warn the first time in a row."""
        self._counters.add("store_failures")
        if not self._out_of_order:
            self._out_of_order = True
            # Its words alone: the error itself would keep its frames, and what they hold, for as long as the record.
            _log.warning("%s Tokens are kept in memory until it works again.", str(trouble))
