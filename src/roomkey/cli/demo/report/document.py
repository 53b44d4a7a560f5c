"""The report as one HTML document: summary, diagrams, claims, and every message once more as a table (pure)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from jinja2 import Environment, StrictUndefined

from roomkey.authorization_server.backoffice import static_files
from roomkey.cli.demo.events import Arrow, Event, LogLine, Note, Played, Repeat, Scene
from roomkey.cli.demo.report.svg import svg

MARK: Final = '<meta name="generator" content="roomkey demo">'
"""What every report begins with, within the first few hundred bytes."""

_FOLDER: Final = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that happened, in words; ``at`` in seconds since the scene began."""

    at: str
    step: str
    who: str
    whom: str
    what: str
    key: str


def document(played: Played, *, version: str, when: str) -> str:
    """The page; ``when`` is a date in words."""
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(_text("report.html"))
    return template.render(
        mark=MARK,
        style="\n".join((*map(static_files.text, ("tokens.css", "parts.css")), _text("report.css"))),
        emblem=static_files.text("mark.svg"),
        scenes=[(scene, svg(scene), rows(scene)) for scene in played.scenes],
        played=played,
        version=version,
        when=when,
    )


def _text(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def rows(scene: Scene) -> list[Row]:
    """What happened, in its order."""
    return [_row(event, scene) for event in scene.in_order()]


def _row(event: Event, scene: Scene) -> Row:
    at = f"{max(0.0, event.at - scene.begun):.2f} s"
    if isinstance(event, Arrow):
        step = f"{event.number or ''}"
        return Row(at, step, scene.name(event.source), scene.name(event.target), event.words, event.key)
    if isinstance(event, Note):
        return Row(at, f"{event.number or ''}", scene.name(event.party), "", event.words, "")
    if isinstance(event, Repeat):
        words = f"{event.count} more like this, {event.status} each"
        return Row(at, "", scene.name(event.source), scene.name(event.target), words, "")
    return Row(at, "", "API's log" if isinstance(event, LogLine) else "", "", event.words, "")
