"""What all credentials of one manager share."""

import time
from typing import final

from roomkey.client.acquisition import Acquisition, Limits
from roomkey.client.counters import Counters
from roomkey.client.landing import Landing
from roomkey.clock import Clock
from roomkey.concurrency.single_flight import Flight
from roomkey.concurrency.workers import Workers


@final
class Engine:
    """The worker threads, the way to the store and the endpoints, and the flights that must not be abandoned."""

    __slots__ = ("_precious", "_unsaved", "acquisition", "clock", "closed", "counters", "limits", "workers")

    def __init__(self, *, acquisition: Acquisition, clock: Clock, limits: Limits, counters: Counters) -> None:
        self.acquisition = acquisition
        self.clock = clock
        self.limits = limits
        self.counters = counters
        self.closed = False
        self.workers = Workers()
        self._precious: set[Flight[Landing]] = set()
        self._unsaved: set[object] = set()

    def guard(self, flight: Flight[Landing]) -> None:
        """Have the interpreter's exit wait for ``flight``: it is spending a refresh token."""
        self._precious.add(flight)

    def landed(self, flight: Flight[Landing]) -> None:
        """Forget ``flight``: it has ended."""
        self._precious.discard(flight)

    def remember(self, credential: object, *, saved: bool) -> None:
        """Keep ``credential`` alive while its newest refresh token stands in memory only."""
        if saved:
            self._unsaved.discard(credential)
        else:
            self._unsaved.add(credential)

    def await_precious(self, seconds: float) -> None:
        """Wait, for at most ``seconds``, for the flights that are spending a refresh token."""
        end = time.monotonic() + seconds
        for flight in tuple(self._precious):
            flight.wait(max(0.0, end - time.monotonic()))

    def reset_after_fork(self) -> None:
        """Forget threads and flights, which did not come along into a child process."""
        self.workers = Workers()
        self._precious = set()
        self.counters.reset_after_fork()
        self.acquisition.reset_after_fork()
