"""The demo on a terminal: a line for each exchange, a mark for each claim, a table at the end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from examples.demo.events import Outcome, Party, Run, Scene
from examples.demo.exchange import Exchange
from rich.console import Console
from rich.text import Text

from roomkey.cli.theme import ledger, paragraph

if TYPE_CHECKING:
    from rich.status import Status

_NARROWEST: Final = 60
_WIDEST: Final = 87


class Screen:
    """Prints the demo on ``console``; ``start`` is the monotonic second that times are counted from."""

    def __init__(self, console: Console, *, start: float = 0.0) -> None:
        self._console = console
        self._start = start
        self._width = max(_NARROWEST, min(console.width, _WIDEST))
        self._request = max(25, min(33, self._width - 52))

    @property
    def width(self) -> int:
        """Cells that a diagram may take; lines of text take less on a wide terminal."""
        return self._console.width if self._console.is_terminal else self._width

    def head(self, parts: Sequence[tuple[str, str, str]]) -> None:
        """Print the title and the three parts: name, URL, task."""
        self._line(("roomkey demo", "title"), "   real servers and a real client on this machine")
        self._line()
        for name, url, words in parts:
            self._line("  ", (f"{name:<8}", "action"), f"{url:<28}", (words, "quiet"))

    def scene_head(self, scene: Scene) -> None:
        """Print number, title and sentence of a scene."""
        self._line()
        rule = "─" * max(0, self._width - len(scene.title) - 5)
        self._line((f"{scene.number}", "accent"), "  ", (scene.title, "title"), " ", (rule, "quiet"))
        self._line((scene.sentence, "quiet"), indent=3)
        self._line()

    def exchange(self, seen: Exchange, scene: Scene) -> None:
        """Print one line: the time of the response, sender and receiver, request, response, duration."""
        sent = seen.request
        request = Text(sent.line)
        if sent.token:
            request.append("  ").append(f"token {sent.token}", style="accent")
        self._exchange(
            f"{max(0.0, seen.finished - self._start):.2f} s",
            Text.assemble(f"{_short(sent.caller, scene):<6} ", ("→", "action"), f" {_short(sent.server, scene)}"),
            request,
            self._response(seen),
            f"{seen.took * 1000:.0f} ms",
        )

    def more(self, seen: Exchange, count: int) -> None:
        """Print that ``count`` more exchanges like ``seen`` followed."""
        words = f"… {count} more like this"
        self._exchange("", Text(), Text(words, style="quiet"), Text(f"{seen.status} each", style="quiet"), "")

    def rows(self, rows: Sequence[Text]) -> None:
        """Print rows of a diagram, as they are."""
        for row in rows:
            self._console.print(row, soft_wrap=True)

    def remark(self, words: str, *, log: bool = False) -> None:
        """Print something that is no exchange (an outage, a revocation), or a line of the API's ``log``."""
        if log:
            self._line((f"{'log':>7}", "quiet"), "  ", words)
        else:
            self._line((f"· {words}", "action"), indent=9)

    def waiting(self, words: str) -> "Status":
        """A moving line for as long as its context lasts; nothing in a pipe."""
        return self._console.status(Text(words, style="quiet"), spinner="dots", spinner_style="action")

    def result(self, scene: Scene) -> None:
        """Print the claims of a scene, each with its mark, or why it was aborted."""
        if scene.outcome is None:
            self._line(("✗", "bad"), " ", scene.problem, indent=3)
            return
        self._line()
        for check in scene.outcome.checks:
            mark = ("✓", "ok") if check.held else ("✗", "bad")
            tail = "" if check.held else f"  ({check.wanted})"
            self._line(mark, " ", check.claim, (tail, "bad"), indent=3)

    def summary(self, run: Run) -> None:
        """Print the table of all scenes and the verdict."""
        table = ledger("", "scene", "calls", "answered", "token req.", "slowest", "")
        for column in table.columns:
            column.no_wrap = True
        table.columns[0].style = "accent"
        for column in table.columns[2:6]:
            column.justify = "right"
        table.columns[1].overflow = "ellipsis"
        for scene in run.scenes:
            table.add_row(f"{scene.number}", scene.title, *_figures(scene.outcome), _mark(scene))
        self._line()
        self._line(("Summary", "title"))
        self._line()
        self._console.print(table)
        mark, style = ("✓", "ok") if run.passed else ("✗", "bad")
        self._line()
        self._line((f"{mark} {run.verdict}", style), (f"   {run.totals}", "quiet"))

    def _exchange(self, at: str, route: Text, request: Text, response: Text, took: str) -> None:
        route.pad_right(max(0, 13 - route.cell_len))
        request.pad_right(max(0, self._request - request.cell_len))
        response.pad_right(max(0, 19 - response.cell_len))
        self._line((f"{at:>7}", "quiet"), "  ", route, "  ", request, "  ", response, (f"{took:>8}", "quiet"))

    def _response(self, seen: Exchange) -> Text:
        style = "ok" if 200 <= seen.status < 300 else "bad"
        response = Text(f"{seen.status or 'no response'}", style=style)
        if seen.token:
            response.append(" ").append(f"token {seen.token}", style="accent")
        elif seen.error:
            response.append(f" {seen.error}")
        return response

    def _line(self, *parts: str | Text | tuple[str, str], indent: int = 0) -> None:
        text = Text.assemble(*parts)
        text.rstrip()
        paragraph(self._console, text, indent=indent)


def _short(party: Party, scene: Scene) -> str:
    return "auth" if party is Party.AUTH else scene.name(party)


def _figures(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return ("", "", "", "")
    counted = (outcome.calls, outcome.answered, outcome.token_requests)
    return (*(f"{number}" for number in counted), f"{outcome.slowest * 1000:.0f} ms")


def _mark(scene: Scene) -> Text:
    if scene.outcome is None:
        return Text("✗ aborted", style="bad")
    return Text("✓ passed", style="ok") if scene.passed else Text("✗ failed", style="bad")
