"""A store in the memory of this process, for tokens that are not to be written anywhere."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.stores.keyring import Keyring
from roomkey.stores.store import LONGEST_LEASE, Stored, bad_lease


@dataclass(frozen=True, slots=True)
class _Lease:
    owner: str
    until: float


class MemoryStore(Forkable):
    """Keeps encrypted records in memory, for one process; they are gone when it ends.

    ``keyring`` encrypts them, by default one made for this object alone, so that a dump of the store shows no token.
    ``limit`` is the most records kept: beyond it the one that was used longest ago is dropped. Does no I/O, blocks
    for microseconds, is safe in any thread. A forked child has a copy of its own, without leases.
    """

    def __init__(self, keyring: Keyring | None = None, *, clock: Clock | None = None, limit: int = 100_000) -> None:
        if limit < 1:
            raise ValueError("a MemoryStore keeps at least one record")
        self.keyring: Final = Keyring.generate() if keyring is None else keyring
        self._clock: Clock = SystemClock() if clock is None else clock
        self._limit = limit
        self._lock = threading.Lock()  # guards the three below
        self._records: OrderedDict[str, Stored] = OrderedDict()
        self._leases: dict[str, _Lease] = {}
        self._last_generation = 0
        forkables[id(self)] = self

    @property
    def name(self) -> str:
        """Words for messages."""
        return "memory"

    def get(self, key: str) -> Stored | None:
        """The record, or None."""
        with self._lock:
            if key not in self._records:
                return None
            self._records.move_to_end(key)
            return self._records[key]

    def put(self, key: str, value: bytes, *, generation: int) -> int | None:
        """Write if the record still has ``generation`` (0: if there is none); the new generation, or None."""
        with self._lock:
            held = self._records.get(key)
            if (held.generation if held is not None else 0) != generation:
                return None
            self._last_generation += 1
            self._records[key] = Stored(value, self._last_generation)
            self._records.move_to_end(key)
            if len(self._records) > self._limit:
                self._records.popitem(last=False)
            return self._last_generation

    def delete(self, key: str, *, generation: int | None = None) -> bool:
        """Delete the record, or only if it still has ``generation``; True where one was deleted."""
        with self._lock:
            held = self._records.get(key)
            if held is None or generation not in (None, held.generation):
                return False
            del self._records[key]
            return True

    def lease(self, key: str, *, owner: str, seconds: float) -> bool:
        """Take or extend the lease on ``key``; False while another owner's runs. Runs on the monotonic clock."""
        if not 0 < seconds <= LONGEST_LEASE:
            raise bad_lease(seconds)
        with self._lock:
            now = self._clock.monotonic()
            for over in [name for name, lease in self._leases.items() if lease.until <= now]:
                del self._leases[over]
            running = self._leases.get(key)
            if running is not None and running.owner != owner:
                return False
            self._leases[key] = _Lease(owner, now + seconds)
            return True

    def release(self, key: str, *, owner: str) -> None:
        """End the lease if ``owner`` holds it."""
        with self._lock:
            running = self._leases.get(key)
            if running is not None and running.owner == owner:
                del self._leases[key]

    def keys(self) -> list[str]:
        """The keys of all records, sorted."""
        with self._lock:
            return sorted(self._records)

    def close(self) -> None:
        """Nothing to give back: the records stay for as long as the object."""

    def after_fork_in_child(self) -> None:
        """The lock may have been held, and the leases belong to threads that do not exist here."""
        self._lock = threading.Lock()
        self._leases = {}

    def __repr__(self) -> str:
        return f"MemoryStore({len(self._records)} records)"
