"""The live trace: exchanges come from the servers' threads, alike ones are counted together, lines go to the screen."""

import queue
import threading
from collections.abc import Callable
from typing import Final, Self

from roomkey.cli.demo.exchange import Exchange, exchange
from roomkey.testing.faults import FaultyServer
from roomkey.testing.loopback import Answer, ReceivedRequest

_LONGEST_SETTLING: Final = 2.0


class Trace:
    """Shows exchanges in the order of their answers, on a thread of its own so that no server waits for a terminal.

    ``show`` prints one exchange; ``more`` prints how many alike ones followed it. A context manager; thread-safe.
    """

    def __init__(self, show: Callable[[Exchange], None], more: Callable[[Exchange, int], None]) -> None:
        self._show = show
        self._more = more
        self._arriving: queue.SimpleQueue[Exchange | threading.Event | None] = queue.SimpleQueue()
        self._printer = threading.Thread(target=self._print, name="demo-trace", daemon=True)
        self._lock = threading.Lock()  # guards _seen
        self._seen: list[Exchange] = []

    def watch(self, name: str, server: FaultyServer) -> None:
        """Show from now on what ``server`` answers, under ``name``."""

        def observe(request: ReceivedRequest, answer: Answer | None) -> None:
            seen = exchange(name, request, answer)
            with self._lock:
                self._seen.append(seen)
            self._arriving.put(seen)

        server.observer = observe

    def take(self) -> tuple[Exchange, ...]:
        """Every exchange since the last call of this, once all of them are on the screen."""
        done = threading.Event()
        self._arriving.put(done)
        done.wait(_LONGEST_SETTLING)
        with self._lock:
            seen, self._seen = tuple(self._seen), []
        return seen

    def __enter__(self) -> Self:
        self._printer.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._arriving.put(None)
        self._printer.join(_LONGEST_SETTLING)

    def _print(self) -> None:
        last: Exchange | None = None
        alike = 0
        while (item := self._arriving.get()) is not None:
            if isinstance(item, Exchange) and last is not None and item.resembles(last):
                alike += 1
                continue
            if last is not None and alike:
                self._more(last, alike)
            alike = 0
            if isinstance(item, Exchange):
                last = item
                self._show(item)
            else:
                last = None
                item.set()
