"""A sequence diagram in text: lifelines from left to right, and a few rows for each thing that happens (pure)."""

import textwrap
from typing import Final

from examples.demo.events import Arrow, Event, Heading, LogLine, Note, Party, Repeat
from rich.text import Text

NARROWEST: Final = 72
WIDEST: Final = 112
_NUMBER: Final = 3  # cells of a step's number
_FIRST: Final = 8  # the cell of the first lifeline
_LEAST_NOTE: Final = 18


class TextDiagram:
    """Lays out rows for ``parties`` on ``width`` cells; holds nothing but where the lifelines are."""

    def __init__(self, parties: tuple[Party, ...], width: int) -> None:
        width = max(NARROWEST, min(width, WIDEST))
        last = width - 1 - max(2, len(parties[-1].value) // 2)
        first = max(_FIRST, _NUMBER + 2 + len(parties[0].value) // 2)
        self._gap = (last - first) // max(1, len(parties) - 1)
        self._places = {party: first + index * self._gap for index, party in enumerate(parties)}
        self._parties = parties
        self._width = width

    def head(self) -> list[Text]:
        """The names of the parties, and where their lifelines begin."""
        names = _Row(self._width)
        for party, place in self._places.items():
            names.write(place - len(party.value) // 2, party.value, "title")
        return [names.text(), self._empty().text()]

    def rows(self, event: Event) -> list[Text]:
        """What stands there for ``event``."""
        if isinstance(event, Arrow):
            return self._response(event) if event.is_response else self._request(event)
        if isinstance(event, Note):
            return self._note(event)
        if isinstance(event, Heading):
            return self._heading(event)
        return [self._aside(event)]

    def _empty(self, number: int = 0) -> "_Row":
        row = _Row(self._width)
        for place in self._places.values():
            row.write(place, "│", "quiet")
        if number:
            row.write(0, f"{number:>{_NUMBER}}", "key")
        return row

    def _request(self, arrow: Arrow) -> list[Text]:
        left, _ = self._ends(arrow)
        label = self._empty(arrow.number)
        label.write(left + 2, arrow.words)
        return [label.text(), self._line(arrow, self._empty(), "─", "action").text()]

    def _response(self, arrow: Arrow) -> list[Text]:
        row = self._line(arrow, self._empty(arrow.number), "╌", "quiet", words=arrow.words)
        return [row.text()]

    def _line(self, arrow: Arrow, row: "_Row", stroke: str, style: str, words: str = "") -> "_Row":
        left, right = self._ends(arrow)
        to_the_right = self._places[arrow.source] == left
        row.write(left, "├" if to_the_right else "│", "quiet")
        row.write(right, "│" if to_the_right else "┤", "quiet")
        row.write(left + 1, stroke * (right - left - 1), style)
        row.write(right - 1 if to_the_right else left + 1, "▶" if to_the_right else "◀", style)
        pieces = [(words, "ok" if arrow.good else "bad")] if words else []
        if arrow.token:
            pieces.append((f"token {arrow.token}", "key"))
        if pieces:
            length = sum(len(piece) for piece, _ in pieces) + 2 * (len(pieces) - 1)
            place = left + max(3, (right - left - length) // 2 + 1)
            row.write(place - 1, " " * (length + 2))
            for piece, look in pieces:
                row.write(place, piece, look)
                place += len(piece) + 2
        return row

    def _ends(self, arrow: Arrow) -> tuple[int, int]:
        source, target = self._places[arrow.source], self._places[arrow.target]
        return min(source, target), max(source, target)

    def _note(self, note: Note) -> list[Text]:
        place = self._places[note.party]
        to_the_right = note.party is not self._parties[-1]
        room = (self._width - place - 2) if to_the_right else place - _FIRST
        lines = textwrap.wrap(note.words, max(_LEAST_NOTE, min(room, 2 * self._gap - 3)))
        rows = []
        for index, line in enumerate(lines):
            row = self._empty(0 if index else note.number)
            if index == 0:
                row.write(place, "●", "action")
            if to_the_right:
                row.write(place + 1, f" {line} ")
            else:
                row.write(place - len(line) - 2, f" {line} ")
            rows.append(row.text())
        return rows

    def _heading(self, heading: Heading) -> list[Text]:
        row = self._empty()
        first = min(self._places.values())
        row.write(first + 1, f" {heading.words} ", "quiet")
        return [self._empty().text(), row.text()]

    def _aside(self, event: Repeat | LogLine) -> Text:
        row = self._empty()
        words = f"… {event.count} more like this" if isinstance(event, Repeat) else f"log: {event.words}"
        row.write(min(self._places.values()) + 1, f" {words} ", "quiet")
        return row.text()


class _Row:
    """Cells that are written over one another."""

    def __init__(self, width: int) -> None:
        self._cells = [(" ", "")] * width

    def write(self, place: int, words: str, style: str = "") -> None:
        for index, letter in enumerate(words, place):
            if 0 <= index < len(self._cells):
                self._cells[index] = (letter, style)

    def text(self) -> Text:
        made = Text()
        for letter, style in self._cells:
            made.append(letter, style)
        made.rstrip()
        return made
