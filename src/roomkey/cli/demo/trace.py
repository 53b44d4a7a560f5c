"""The live trace: what servers receive and answer comes from their threads, and is shown in that order on one other."""

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Final, Protocol, Self

from roomkey.cli.demo.events import Heading, LogLine, Note, Party
from roomkey.cli.demo.exchange import Asked, Exchange, asked, exchange
from roomkey.testing.faults import FaultyServer
from roomkey.testing.loopback import Answer, ReceivedRequest

_LONGEST_SETTLING: Final = 2.0


class View(Protocol):
    """How a scene is shown; called on one thread."""

    def arrived(self, request: Asked) -> None:
        """A request has come."""

    def answered(self, seen: Exchange) -> None:
        """A request was answered."""

    def said(self, remark: Note | Heading | LogLine) -> None:
        """Something else has happened."""

    def settle(self) -> None:
        """Show what was held back."""


class Trace:
    """Shows what happens on a thread of its own, so that no server waits for a terminal.

    A context manager; thread-safe.
    """

    def __init__(self) -> None:
        self._arriving: queue.SimpleQueue[Asked | Exchange | Note | Heading | LogLine | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._printer = threading.Thread(target=self._print, name="demo-trace", daemon=True)
        self._lock = threading.Lock()  # guards _seen
        self._seen: list[Exchange] = []
        self._view: View | None = None
        self._hidden = False

    def watch(self, party: Party, server: FaultyServer) -> None:
        """Show from now on what ``server`` receives and answers, as ``party``."""

        def herald(request: ReceivedRequest) -> None:
            if not self._hidden:
                self._arriving.put(asked(party, request))

        def observe(request: ReceivedRequest, answer: Answer | None) -> None:
            if self._hidden:
                return
            seen = exchange(party, request, answer)
            with self._lock:
                self._seen.append(seen)
            self._arriving.put(seen)

        server.herald, server.observer = herald, observe

    def show(self, view: View | None) -> None:
        """Show what comes in ``view`` from now on, once all that came before is on the screen."""
        self.take()
        self._view = view

    def say(self, remark: Note | Heading | LogLine) -> None:
        """Show ``remark`` after all that came before it."""
        self._arriving.put(remark)

    @contextlib.contextmanager
    def hidden(self) -> Iterator[None]:
        """Show nothing of what servers receive meanwhile."""
        self._hidden = True
        try:
            yield
        finally:
            self._hidden = False

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
        while (item := self._arriving.get()) is not None:
            view = self._view
            if isinstance(item, threading.Event):
                if view is not None:
                    view.settle()
                item.set()
            elif view is not None:
                _hand(view, item)


def _hand(view: View, item: Asked | Exchange | Note | Heading | LogLine) -> None:
    if isinstance(item, Asked):
        view.arrived(item)
    elif isinstance(item, Exchange):
        view.answered(item)
    else:
        view.said(item)
