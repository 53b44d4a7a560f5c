"""The resources that all credentials of one manager share: store, transport, clock, worker threads, limits, metrics."""

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final, final

from roomkey.client.lifetime import RefreshWindow
from roomkey.client.token_request import TokenEndpoint
from roomkey.clock import Clock
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.errors import StoreUnavailable
from roomkey.stores.encrypted_store import EncryptedStore

_SAID_AGAIN_SECONDS: Final = 86_400.0
_MOST_MESSAGES: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Time limits, in seconds.

    Parameters:
        fetch: one whole attempt at the token endpoint, discovery and repetition included.
        lease: how long other processes keep away from a key while one of them asks; longer than ``fetch``, so that
            only a process that died loses its lease.
        wait: how long a caller waits for a token before ``TokenUnavailable``.
    """

    fetch: float = 10.0
    lease: float = 12.0
    wait: float = 45.0

    def __post_init__(self) -> None:
        if not 0.0 < self.fetch < self.lease <= 60.0:
            raise ValueError("Limits need 0 < fetch < lease <= 60 seconds")
        if not 0.0 < self.wait <= 3600.0:
            raise ValueError("Limits need 0 < wait <= 3600 seconds")


@dataclass(frozen=True, slots=True)
class Count:
    """One metric: how often something has happened since the manager was made."""

    name: str
    times: int


@final
@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Resources:
    """Store, token endpoint, clock, limits and threads of one manager, and its flights that must not be abandoned.

    Safe in any thread. ``owner`` names this manager in leases.
    """

    store: EncryptedStore
    endpoint: TokenEndpoint
    clock: Clock
    window: RefreshWindow
    limits: Limits
    owner: str
    closed: bool = False
    workers: Workers = field(default_factory=Workers)
    _spending: set[Flight[Any]] = field(default_factory=set, init=False)
    _unsaved: set[object] = field(default_factory=set, init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False)  # guards _counts
    _counts: Counter[str] = field(default_factory=Counter, init=False)
    _said: dict[tuple[str, ...], float] = field(default_factory=dict, init=False)
    started: float = field(init=False)
    """Second since 1970 at which the manager was made."""

    def __post_init__(self) -> None:
        self.started = self.clock.wall()

    def store_failed(self, error: StoreUnavailable) -> None:
        """Count ``error``, and warn the first time in a row."""
        self.count("store_failures")
        self.store.warn(error)

    def count(self, name: str) -> None:
        """Count one more of ``name``; names come from roomkey's own code, so they are few."""
        with self._lock:
            self._counts[name] += 1

    def due(self, *message: str) -> bool:
        """True where ``message`` was not asked about within a day: for log lines that would come with every token."""
        now = self.clock.monotonic()
        with self._lock:
            if now - self._said.get(message, float("-inf")) < _SAID_AGAIN_SECONDS:
                return False
            if len(self._said) >= _MOST_MESSAGES:
                self._said.clear()
            self._said[message] = now
            return True

    def counts(self) -> tuple[Count, ...]:
        """All counts, by name."""
        with self._lock:
            return tuple(Count(name, times) for name, times in sorted(self._counts.items()))

    def guard(self, flight: Flight[Any]) -> None:
        """Have the interpreter's exit wait for ``flight``: it is spending a refresh token."""
        self._spending.add(flight)

    def finished(self, flight: Flight[Any], credential: object, *, saved: bool) -> None:
        """Forget ``flight``, and keep ``credential`` alive while its newest refresh token is in memory only."""
        self._spending.discard(flight)
        if saved:
            self._unsaved.discard(credential)
        else:
            self._unsaved.add(credential)

    def await_spending(self, seconds: float) -> None:
        """Wait, for at most ``seconds``, for the flights that are spending a refresh token."""
        end = time.monotonic() + seconds
        for flight in tuple(self._spending):
            flight.wait(max(0.0, end - time.monotonic()))

    def reset_after_fork(self) -> None:
        """Forget threads and flights, which did not come along into a child process."""
        self.workers = Workers()
        self._spending = set()
        self._lock = threading.Lock()
        self.endpoint.reset_after_fork()
