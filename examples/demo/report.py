"""The report of a run: a Markdown file with Mermaid sequence diagrams, or an HTML page with diagrams in text."""

import html
import io
import os
import secrets
import stat
from pathlib import Path
from typing import Final

from examples.demo.events import Arrow, Event, Note, Repeat, Run, Scene
from examples.demo.screen import Screen
from examples.demo.text_diagram import WIDEST, TextDiagram
from rich.console import Console

from roomkey.cli.theme import themed
from roomkey.errors import ConfigurationError

MARK: Final = "roomkey demo report"
"""Every report has it in its first line; no other file is ever replaced."""

_PAGE: Final = f"""<!doctype html><!-- {MARK} -->
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>roomkey demo</title>
<style>
{{stylesheet}}
body {{{{ color: {{foreground}}; background: {{background}}; margin: 2rem; }}}}
pre {{{{ font: 14px/1.35 ui-monospace, Menlo, Consolas, monospace; }}}}
</style>
<pre><code>{{code}}</code></pre>
</html>
"""


class ReportFile:
    """The file that ``--report`` names; raises ConfigurationError at once where it cannot or must not be written.

    An existing file is replaced only where it is a report of the demo; a symbolic link is never followed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._check()

    def _check(self) -> None:
        path = self._path
        if path.suffix not in (".md", ".html"):
            raise ConfigurationError(f"--report {path}: the name must end in .md or .html.")
        if not path.parent.is_dir():
            raise ConfigurationError(f"--report {path}: there is no folder {path.parent}; make it first.")
        if not self._may_be_replaced():
            raise ConfigurationError(f"--report {path}: the file exists and is no report of the demo; name another.")

    def write(self, run: Run) -> None:
        """Write it whole or not at all. Raises ConfigurationError; blocks on the disk."""
        self._check()
        text = markdown(run) if self._path.suffix == ".md" else page(run)
        beside = self._path.with_name(f".roomkey-demo.{secrets.token_hex(8)}")
        try:
            beside.write_text(text, encoding="utf-8")
            beside.replace(self._path)
        except OSError as error:
            raise ConfigurationError(f"--report {self._path}: it cannot be written: {error.strerror}.") from None
        finally:
            beside.unlink(missing_ok=True)

    def _may_be_replaced(self) -> bool:
        try:
            if not stat.S_ISREG(self._path.lstat().st_mode):
                return False
            with self._path.open("rb") as file:
                return MARK.encode() in file.readline(200)
        except FileNotFoundError:
            return os.access(self._path.parent, os.W_OK)
        except OSError:
            return False


def page(run: Run) -> str:
    """The run as one HTML page, drawn by rich. Pure."""
    console = themed(Console(record=True, width=WIDEST, file=io.StringIO(), markup=False, emoji=False, highlight=False))
    screen = Screen(console)
    screen.head(())
    for scene in run.scenes:
        screen.scene_head(scene)
        if scene.parties:
            diagram = TextDiagram(scene.parties, WIDEST)
            screen.rows([*diagram.head(), *(row for event in scene.in_order() for row in diagram.rows(event))])
        screen.result(scene)
    screen.summary(run)
    return console.export_html(code_format=_PAGE)


def markdown(run: Run) -> str:
    """The run as Markdown with a Mermaid diagram for each scene. Pure."""
    parts = [f"<!-- {MARK} -->\n# roomkey demo: {run.verdict}\n\n{run.totals}.\n"]
    for scene in run.scenes:
        checks = scene.outcome.checks if scene.outcome is not None else ()
        claims = [f"- {'✓' if one.held else f'✗ ({one.wanted})'} {html.escape(one.claim)}" for one in checks]
        diagram = f"```mermaid\n{mermaid(scene)}\n```\n" if scene.parties else ""
        problem = f"- ✗ {html.escape(scene.problem)}" if scene.problem else ""
        head = f"## {scene.number}. {scene.title}\n\n{html.escape(scene.sentence)}\n"
        parts.append("\n".join(part for part in (head, diagram, *claims, problem) if part) + "\n")
    return "\n".join(parts)


def mermaid(scene: Scene) -> str:
    """The scene as a Mermaid sequence diagram. Pure."""
    lines = ["sequenceDiagram", *(f"participant {party.name} as {scene.name(party)}" for party in scene.parties)]
    ends = ",".join(dict.fromkeys((scene.parties[0].name, scene.parties[-1].name)))
    return "\n    ".join((*lines, *(_mermaid_line(event, ends) for event in scene.in_order())))


def _mermaid_line(event: Event, ends: str) -> str:
    if isinstance(event, Arrow):
        arrow = ("-->>" if event.good else "--x") if event.is_response else "->>"
        number, token = (
            (f"{event.number}. " if event.number else ""),
            (f" (token {event.token})" if event.token else ""),
        )
        return f"{event.source.name}{arrow}{event.target.name}: {number}{_text(event.words)}{token}"
    if isinstance(event, Note):
        return f"Note over {event.party.name}: {_numbered(event)}"
    over = f"{event.source.name},{event.target.name}" if isinstance(event, Repeat) else ends
    return f"Note over {over}: {_text(event.words)}"


def _numbered(event: Arrow | Note) -> str:
    return (f"{event.number}. " if event.number else "") + _text(event.words)


def _text(words: str) -> str:
    """``words`` without what means something to Mermaid or HTML: entities in Mermaid's form."""
    return "".join(f"#{ord(letter)};" if letter in "#;<>&`" else letter for letter in words)
