"""What all credentials of one manager share."""

import time
from typing import Protocol, final

from roomkey.client.acquisition import Acquisition, Limits
from roomkey.client.counters import Counters
from roomkey.client.landing import Landing
from roomkey.clock import Clock
from roomkey.concurrency.flight import Flight
from roomkey.concurrency.workers import Workers


class Savable(Protocol):
    """Something with a token that the store does not have yet."""

    def save(self) -> None:
        """Try to write it down; never raises."""


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
        self._unsaved: set[Savable] = set()

    def guard(self, flight: Flight[Landing]) -> None:
        """Have the interpreter's exit wait for ``flight``: it is spending a refresh token."""
        self._precious.add(flight)

    def landed(self, flight: Flight[Landing]) -> None:
        """Forget ``flight``: it has ended."""
        self._precious.discard(flight)

    def remember(self, credential: Savable, *, saved: bool) -> None:
        """Keep ``credential`` alive while its newest token stands in memory only."""
        if saved:
            self._unsaved.discard(credential)
        else:
            self._unsaved.add(credential)

    def save_the_unsaved(self) -> None:
        """Try once more to write down what stands in memory only; blocks on the store."""
        for credential in tuple(self._unsaved):
            credential.save()

    def await_precious(self) -> None:
        """Wait, for at most one attempt's time, for the flights that are spending a refresh token."""
        end = time.monotonic() + self.limits.fetch
        for flight in tuple(self._precious):
            flight.wait(max(0.0, end - time.monotonic()))

    def reset_after_fork(self) -> None:
        """Forget threads and flights, which did not come along into a child process."""
        self.workers = Workers()
        self._precious = set()
        self.counters.reset_after_fork()
        self.acquisition.reset_after_fork()
