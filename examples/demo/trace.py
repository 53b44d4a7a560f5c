"""The live trace: requests and responses arrive from the servers' threads and are shown in order on one other."""

import contextlib
import queue
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol, Self

from examples.demo.events import Arrow, Event, LogLine, Note, Party, Remark, Repeat, Scene
from examples.demo.exchange import Exchange, SentRequest, exchange, sent_request
from examples.demo.text_diagram import TextDiagram

if TYPE_CHECKING:
    from examples.demo.screen import Screen

    from roomkey.testing import FaultyServer, LoopbackRequest, LoopbackResponse

Route = tuple[Party, Party, str]
"""Sender, receiver, and the path that is requested or answered."""

_LONGEST_SETTLING: Final = 2.0


class View(Protocol):
    """One way to show a scene while it happens; called on one thread."""

    def show(self, item: SentRequest | Exchange | Remark) -> None:
        """Show one more thing that has happened."""

    def settle(self) -> None:
        """Show what was held back."""


class ExchangeTable:
    """A line for each exchange, equal ones counted together: for scenes in which much happens at once."""

    def __init__(self, screen: "Screen", scene: Scene) -> None:
        self._screen = screen
        self._scene = scene
        self._last: Exchange | None = None
        self._alike = 0

    def show(self, item: SentRequest | Exchange | Remark) -> None:
        """Show a line for an exchange that is unlike the one before, and for a remark; nothing for a request alone."""
        if isinstance(item, SentRequest):
            return
        if isinstance(item, Exchange) and self._last is not None and item.resembles(self._last):
            self._alike += 1
            return
        self.settle()
        if isinstance(item, Exchange):
            self._last = item
            self._scene.events += (item.request.arrow(), item.arrow())
            self._screen.exchange(item, self._scene)
        else:
            self._scene.events.append(item)
            who = f"{self._scene.name(item.party)} " if isinstance(item, Note) else ""
            self._screen.remark(f"{who}{item.words}", log=isinstance(item, LogLine))

    def settle(self) -> None:
        """Show how many equal exchanges followed."""
        last, alike = self._last, self._alike
        self._last, self._alike = None, 0
        if last is not None and alike:
            at = last.finished + 1e-6  # just after the one that it repeats
            self._scene.events.append(Repeat(last.request.caller, last.request.server, alike, last.status, at))
            self._screen.more(last, alike)


@dataclass(frozen=True, slots=True)
class Plan:
    """The steps of a flow.

    Attributes:
        numbers: of the arrows that are steps.
        before, after: notes before or after an arrow; ``{result}`` stands for the user and client that the API saw.
    """

    numbers: Mapping[Route, int] = field(default_factory=dict)
    before: Mapping[Route, Note] = field(default_factory=dict)
    after: Mapping[Route, Note] = field(default_factory=dict)


class LiveDiagram:
    """A sequence diagram that grows with each message: for scenes in which every step counts.

    Attributes:
        plan: the numbers and notes of its steps; to be changed while no request is running.
    """

    def __init__(self, screen: "Screen", scene: Scene, plan: Plan, parties: tuple[Party, ...]) -> None:
        self._screen = screen
        self._scene = scene
        self.plan = plan
        self._diagram = TextDiagram(parties, screen.width)
        screen.rows(self._diagram.head())

    def show(self, item: SentRequest | Exchange | Remark) -> None:
        """Draw an arrow, a note on a lifeline, or a heading across all of them."""
        if isinstance(item, SentRequest):
            self._message(item.arrow(), item.path)
        elif isinstance(item, Exchange):
            self._message(item.arrow(), item.request.path, item.result)
        else:
            self._draw(item)

    def settle(self) -> None:
        """Do nothing: a diagram holds nothing back."""

    def steps(self) -> list[int]:
        """The numbers of the steps so far, in their order."""
        return [event.number for event in self._scene.events if isinstance(event, Arrow | Note) and event.number]

    def _message(self, arrow: Arrow, path: str, result: str = "") -> None:
        route = (arrow.source, arrow.target, path)
        before, after = self.plan.before.get(route), self.plan.after.get(route)
        if before is not None:
            self._draw(replace(before, words=before.words.format(result=result), at=arrow.at))
        self._draw(replace(arrow, number=self.plan.numbers.get(route, 0)))
        if after is not None:
            self._draw(replace(after, at=arrow.at))

    def _draw(self, event: Event) -> None:
        if isinstance(event, Note) and not event.words:  # an API that rejects saw no user
            return
        self._scene.events.append(event)
        self._screen.rows(self._diagram.rows(event))


class Trace:
    """Shows messages on a thread of its own, so that no server waits for a terminal.

    A context manager; thread-safe.
    """

    def __init__(self) -> None:
        self._arriving: queue.SimpleQueue[SentRequest | Exchange | Remark | threading.Event | None] = (
            queue.SimpleQueue()
        )
        self._printer = threading.Thread(target=self._print, name="demo-trace", daemon=True)
        self._lock = threading.Lock()  # guards _seen
        self._seen: list[Exchange] = []
        self._view: View | None = None
        self._hidden = False

    def watch(self, party: Party, server: "FaultyServer") -> None:
        """Show from now on what ``server`` receives and answers, as ``party``."""

        def received(request: "LoopbackRequest") -> None:
            if not self._hidden:
                self._arriving.put(sent_request(party, request))

        def answered(request: "LoopbackRequest", answer: "LoopbackResponse | None") -> None:
            if self._hidden:
                return
            seen = exchange(party, request, answer)
            with self._lock:
                self._seen.append(seen)
            self._arriving.put(seen)

        server.on_request, server.on_response = received, answered

    def show_in(self, view: View) -> None:
        """Show what comes in ``view`` from now on, once all that came before is on the screen."""
        self.take()
        self._view = view

    def say(self, remark: Remark) -> None:
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
                view.show(item)
