"""The two ways in which a scene is shown while it happens; both write down what they show, for the report."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from roomkey.cli.demo.events import Arrow, Event, Heading, LogLine, Note, Party, Repeat, Scene
from roomkey.cli.demo.exchange import Asked, Exchange
from roomkey.cli.demo.text_diagram import TextDiagram

if TYPE_CHECKING:
    from roomkey.cli.demo.screen import Screen

Way = tuple[Party, Party, str]
"""From whom, to whom, and the path that is asked for or answered."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What the steps of a flow are called.

    Attributes:
        numbers: of the arrows that are steps.
        before, after: what somebody does before or after an arrow; ``{says}`` stands for what the API's claims say.
    """

    numbers: Mapping[Way, int]
    before: Mapping[Way, tuple[Note, ...]] = field(default_factory=dict)
    after: Mapping[Way, tuple[Note, ...]] = field(default_factory=dict)


class ArrowTable:
    """A line for each exchange, alike ones counted together: for scenes in which much happens at once."""

    def __init__(self, screen: "Screen", scene: Scene) -> None:
        self._screen = screen
        self._scene = scene
        self._last: Exchange | None = None
        self._alike = 0

    def arrived(self, request: Asked) -> None:
        """Nothing is shown before the answer."""

    def answered(self, seen: Exchange) -> None:
        """One line, unless it is like the one before."""
        if self._last is not None and seen.resembles(self._last):
            self._alike += 1
            return
        self.settle()
        self._last = seen
        self._scene.events += (seen.asked.arrow(), seen.arrow())
        self._screen.exchange(seen, self._scene)

    def said(self, remark: Note | Heading | LogLine) -> None:
        """A line of its own."""
        self.settle()
        self._scene.events.append(remark)
        if isinstance(remark, LogLine):
            self._screen.log(remark.words)
        else:
            who = f"{self._scene.name(remark.party)} " if isinstance(remark, Note) else ""
            self._screen.note(f"{who}{remark.words}")

    def settle(self) -> None:
        """Say how many were alike."""
        last, alike = self._last, self._alike
        self._last, self._alike = None, 0
        if last is not None and alike:
            at = last.ended + 1e-6  # just after the one that it repeats
            self._scene.events.append(Repeat(last.asked.caller, last.asked.server, alike, last.status, at))
            self._screen.more(last, alike)


class LiveDiagram:
    """A sequence diagram that grows with each message: for scenes in which every step counts.

    Attributes:
        plan: what its steps are called; to be changed while nothing is on its way.
    """

    def __init__(self, screen: "Screen", scene: Scene, plan: Plan, parties: tuple[Party, ...]) -> None:
        self._screen = screen
        self._scene = scene
        self.plan = plan
        self._diagram = TextDiagram(parties, screen.width)
        screen.rows(self._diagram.head())

    def arrived(self, request: Asked) -> None:
        """The arrow of a request."""
        self._message(request.arrow(), request.path)

    def answered(self, seen: Exchange) -> None:
        """The arrow of an answer."""
        self._message(seen.arrow(), seen.asked.path, seen.says)

    def said(self, remark: Note | Heading | LogLine) -> None:
        """A note on a lifeline, or a heading across all of them."""
        self._show(remark)

    def settle(self) -> None:
        """Nothing is ever held back."""

    def steps(self) -> list[int]:
        """The numbers of the steps so far, in their order."""
        return [event.number for event in self._scene.events if isinstance(event, Arrow | Note) and event.number]

    def _message(self, arrow: Arrow, path: str, says: str = "") -> None:
        way = (arrow.source, arrow.target, path)
        for note in self.plan.before.get(way, ()):
            self._show(replace(note, words=note.words.format(says=says), at=arrow.at))
        self._show(replace(arrow, number=self.plan.numbers.get(way, 0)))
        for note in self.plan.after.get(way, ()):
            self._show(replace(note, at=arrow.at))

    def _show(self, event: Event) -> None:
        if isinstance(event, Note) and not event.words:  # there was nothing to say: the API has refused
            return
        self._scene.events.append(event)
        self._screen.rows(self._diagram.rows(event))
