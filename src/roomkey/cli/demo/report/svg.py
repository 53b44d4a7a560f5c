"""A scene as an SVG sequence diagram, coloured by the page that it stands in (pure)."""

import html
import textwrap
from typing import Final

from roomkey.cli.demo.events import Arrow, Event, Heading, LogLine, Note, Party, Repeat, Scene

_WIDTH: Final = 800
_SIDE: Final = 78  # from the edge to the first and the last lifeline
_HEAD: Final = 54
_SANS: Final = 6.9  # an average letter of the running text, in units of the picture
_MONO: Final = 7.3
_LEAST_ROOM: Final = 190


def svg(scene: Scene) -> str:
    """The diagram of ``scene``."""
    return _Drawing(scene).markup()


class _Drawing:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        parties = scene.parties or (Party.APP,)
        self._gap = (_WIDTH - 2 * _SIDE) / max(1, len(parties) - 1)
        self._places = {party: _SIDE + index * self._gap for index, party in enumerate(parties)}
        self._y: float = _HEAD + 4
        self._parts: list[str] = []

    def markup(self) -> str:
        for event in self._scene.in_order():
            self._draw(event)
        height = self._y + 14
        number = self._scene.number
        return "".join(
            (
                f'<svg class="sequence" viewBox="0 0 {_WIDTH} {height:.0f}" width="{_WIDTH}" height="{height:.0f}" ',
                f'role="img" aria-labelledby="title-{number} desc-{number}">',
                f'<title id="title-{number}">{_escaped(f"Who sent what to whom: {self._scene.title}")}</title>',
                f'<desc id="desc-{number}">{_escaped(_described(self._scene))}</desc>',
                *self._lifelines(height - 8),
                *self._parts,
                "</svg>",
            )
        )

    def _lifelines(self, end: float) -> list[str]:
        parts = []
        for party, x in self._places.items():
            parts.append(f'<path class="life" d="M{x:.1f} 40V{end:.1f}"/>')
            parts.append(f'<rect class="party" x="{x - 60:.1f}" y="8" width="120" height="32" rx="8"/>')
            parts.append(_text(x, 29, self._scene.name(party), "party-name"))
        return parts

    def _draw(self, event: Event) -> None:
        if isinstance(event, Arrow):
            self._answer(event) if event.is_answer else self._request(event)
        elif isinstance(event, Note):
            self._note(event)
        elif isinstance(event, Heading):
            self._heading(event)
        elif isinstance(event, Repeat):
            self._repeat(event)
        else:
            self._log(event)

    def _request(self, arrow: Arrow) -> None:
        source, target = self._places[arrow.source], self._places[arrow.target]
        middle = (source + target) / 2
        self._parts.append(_text(middle, self._y + 15, arrow.words, "words"))
        self._y += 32 if arrow.key else 26
        self._line(source, target, "request")
        if arrow.key:
            self._parts += _pieces(middle, self._y, (), arrow.key)
        self._badge(arrow.number, source)
        self._y += 16

    def _answer(self, arrow: Arrow) -> None:
        source, target = self._places[arrow.source], self._places[arrow.target]
        self._y += 11
        self._line(source, target, "answer" if arrow.good else "answer bad")
        status = (arrow.words, "good" if arrow.good else "bad")
        self._parts += _pieces((source + target) / 2, self._y, status, arrow.key)
        self._badge(arrow.number, source)
        self._y += 17

    def _line(self, source: float, target: float, kind: str) -> None:
        way = 1 if target > source else -1
        tip = target - way * 1.5
        self._parts.append(f'<path class="{kind}" d="M{source:.1f} {self._y:.1f}H{tip - way * 6:.1f}"/>')
        head = (
            f"{tip:.1f},{self._y:.1f} {tip - way * 9:.1f},{self._y - 4.5:.1f} {tip - way * 9:.1f},{self._y + 4.5:.1f}"
        )
        self._parts.append(f'<polygon class="tip {kind}" points="{head}"/>')

    def _badge(self, number: int, x: float) -> None:
        if number:
            self._parts.append(f'<circle class="badge" cx="{x:.1f}" cy="{self._y:.1f}" r="10"/>')
            self._parts.append(_text(x, self._y + 4.2, f"{number}", "badge-number"))

    def _note(self, note: Note) -> None:
        x = self._places[note.party]
        to_the_right = x < _WIDTH - _SIDE - 1
        room = max(_LEAST_ROOM, min(2 * self._gap - 50, (_WIDTH - x if to_the_right else x) - 40))
        lines = textwrap.wrap(note.words, int(room / _SANS))
        width, height = max(map(len, lines)) * _SANS + 22, 8 + 17 * len(lines)
        left = x + 16 if to_the_right else x - 16 - width
        self._y += 6
        self._parts.append(
            f'<rect class="note" x="{left:.1f}" y="{self._y:.1f}" width="{width:.1f}" height="{height}" rx="7"/>'
        )
        for index, line in enumerate(lines):
            self._parts.append(_text(left + width / 2, self._y + 17 + 17 * index, line, "note-words"))
        y, self._y = self._y, self._y + 12.5
        if note.number:
            self._badge(note.number, x)
        else:
            self._parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{self._y:.1f}" r="4"/>')
        self._y = y + height + 6

    def _heading(self, heading: Heading) -> None:
        self._y += 28
        half = len(heading.words) * _SANS / 2 + 12
        middle = _WIDTH / 2
        self._parts.append(
            f'<path class="rule" d="M8 {self._y:.1f}H{middle - half:.1f}M{middle + half:.1f} {self._y:.1f}'
        )
        self._parts.append(f'H{_WIDTH - 8}"/>')
        self._parts.append(_text(middle, self._y + 4, heading.words, "heading"))
        self._y += 12

    def _repeat(self, repeat: Repeat) -> None:
        middle = (self._places[repeat.source] + self._places[repeat.target]) / 2
        words = f"… {repeat.count} more like this, {repeat.status} each"
        self._parts.append(_text(middle, self._y + 14, words, "aside"))
        self._y += 22

    def _log(self, line: LogLine) -> None:
        right = max(self._places.values())
        width = len(line.words) * _MONO * 0.93 + 20
        left = max(4.0, right - 16 - width)
        self._parts.append(
            f'<rect class="log" x="{left:.1f}" y="{self._y + 2:.1f}" width="{width:.1f}" height="22" rx="4"/>'
        )
        self._parts.append(_text(left + width / 2, self._y + 17, line.words, "log-words"))
        self._y += 32


def _pieces(middle: float, y: float, status: tuple[str, str] | tuple[()], key: str) -> list[str]:
    """Status and key on an arrow, around its middle."""
    words, style = status or ("", "")
    word_width = len(words) * _MONO + 12 if words else 0.0
    key_width = len(key) * _MONO + 30 if key else 0.0
    left = middle - (word_width + key_width) / 2
    parts = [
        f'<rect class="gap" x="{left - 4:.1f}" y="{y - 9:.1f}" width="{word_width + key_width + 8:.1f}" height="18"/>'
    ]
    if words:
        parts.append(_text(left + word_width / 2, y + 4.2, words, f"status-word {style}"))
    if key:
        at = left + word_width
        parts.append(f'<rect class="key" x="{at:.1f}" y="{y - 9.5:.1f}" width="{key_width:.1f}" height="19" rx="9"/>')
        parts.append(f'<circle class="key-eye" cx="{at + 11:.1f}" cy="{y:.1f}" r="3.2"/>')
        parts.append(_text(at + key_width / 2 + 7, y + 4.2, key, "key-words"))
    return parts


def _text(x: float, y: float, words: str, style: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{_escaped(words)}</text>'


def _described(scene: Scene) -> str:
    arrows = sum(isinstance(event, Arrow) for event in scene.events)
    parties = ", ".join(scene.name(party) for party in scene.parties)
    return f"{scene.sentence} {arrows} messages between {parties}. The table below says the same in words."


def _escaped(words: str) -> str:
    return html.escape(words, quote=True)
