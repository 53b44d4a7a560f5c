"""What a manager has done, in numbers."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import final


@dataclass(frozen=True, slots=True)
class Count:
    """How often one thing has happened since the manager was made."""

    name: str
    times: int


@final
class Counters:
    """Named counts; safe in any thread, never blocks on I/O."""

    __slots__ = ("_counts", "_lock")

    def __init__(self) -> None:
        self._lock = threading.Lock()  # guards _counts
        self._counts: Counter[str] = Counter()

    def add(self, name: str) -> None:
        """Count one more of ``name``; names come from roomkey's own code, so they are few."""
        with self._lock:
            self._counts[name] += 1

    def read(self) -> tuple[Count, ...]:
        """All counts, by name."""
        with self._lock:
            return tuple(Count(name, times) for name, times in sorted(self._counts.items()))

    def reset_after_fork(self) -> None:
        """Make the lock anew in a child process."""
        self._lock = threading.Lock()
