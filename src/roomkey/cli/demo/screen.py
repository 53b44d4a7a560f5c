"""What the demo shows: a line for each exchange, a mark for each claim, a table at the end."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from rich.console import Console
from rich.text import Text

from roomkey.cli.demo.events import Party, Played, Scene
from roomkey.cli.demo.exchange import Exchange
from roomkey.cli.demo.outcome import Check, Outcome
from roomkey.cli.theme import ledger, paragraph

if TYPE_CHECKING:
    from rich.status import Status

_NARROWEST: Final = 60
_WIDEST: Final = 87


class Screen:
    """Prints the demo on ``console``; ``start`` is the monotonic second that times are counted from."""

    def __init__(self, console: Console, *, start: float) -> None:
        self._console = console
        self._start = start
        self._width = max(_NARROWEST, min(console.width, _WIDEST))
        self._request = max(25, min(33, self._width - 52))

    @property
    def width(self) -> int:
        """Cells that a diagram may take; lines of text take less on a wide terminal."""
        return self._console.width if self._console.is_terminal else self._width

    def head(self, parts: Sequence[tuple[str, str, str]]) -> None:
        """The title and the three parts: name, address, what it does."""
        self._line(("roomkey demo", "title"), "   real servers and a real client on this machine")
        self._line()
        for name, address, words in parts:
            self._line("  ", (f"{name:<8}", "action"), f"{address:<28}", (words, "quiet"))

    def step(self, number: int, title: str, sentence: str) -> None:
        """The head of a scene."""
        self._line()
        rule = "─" * max(0, self._width - len(title) - 5)
        self._line((f"{number}", "key"), "  ", (title, "title"), " ", (rule, "quiet"))
        self._line((sentence, "quiet"), indent=3)
        self._line()

    def exchange(self, seen: Exchange, scene: Scene) -> None:
        """One line: when it was answered, from whom to whom, what, the answer, how long it took."""
        asked = seen.asked
        request = Text(asked.request)
        if asked.sent_key:
            request.append("  ").append(f"key {asked.sent_key}", style="key")
        self._exchange(
            f"{max(0.0, seen.ended - self._start):.2f} s",
            Text.assemble(f"{_short(asked.caller, scene):<6} ", ("→", "action"), f" {_short(asked.server, scene)}"),
            request,
            self._answer(seen),
            f"{seen.took * 1000:.0f} ms",
        )

    def more(self, seen: Exchange, count: int) -> None:
        """That ``count`` more exchanges like ``seen`` followed."""
        words = f"… {count} more like this"
        self._exchange("", Text(), Text(words, style="quiet"), Text(f"{seen.status} each", style="quiet"), "")

    def rows(self, rows: Sequence[Text]) -> None:
        """More rows of a diagram, as they are."""
        for row in rows:
            self._console.print(row, soft_wrap=True)

    def note(self, words: str) -> None:
        """What somebody did meanwhile that is no exchange: the issuer breaks down, a key is revoked."""
        self._line((f"· {words}", "action"), indent=9)

    def log(self, line: str) -> None:
        """A line that stands in the API's log."""
        self._line((f"{'log':>7}", "quiet"), "  ", line)

    def waiting(self, words: str) -> "Status":
        """A moving line for as long as its context lasts; nothing in a pipe."""
        return self._console.status(Text(words, style="quiet"), spinner="dots", spinner_style="action")

    def checks(self, checks: Sequence[Check]) -> None:
        """The claims of a scene, each with its mark."""
        self._line()
        for check in checks:
            mark = ("✓", "ok") if check.held else ("✗", "bad")
            tail = "" if check.held else f"  ({check.wanted})"
            self._line(mark, " ", check.claim, (tail, "bad"), indent=3)

    def broken(self, problem: str) -> None:
        """That a scene ended in an error."""
        self._line(("✗", "bad"), " ", problem, indent=3)

    def summary(self, played: Played) -> None:
        """The table of all scenes and the verdict."""
        table = ledger("", "scene", "calls", "answered", "asked desk", "slowest", "")
        for column in table.columns:
            column.no_wrap = True
        table.columns[0].style = "key"
        for column in table.columns[2:6]:
            column.justify = "right"
        table.columns[1].overflow = "ellipsis"
        for scene in played.scenes:
            table.add_row(f"{scene.number}", scene.title, *_figures(scene.outcome))
        self._line()
        self._line(("Summary", "title"))
        self._line()
        self._console.print(table)
        mark, style = ("✓", "ok") if played.held == len(played.scenes) else ("✗", "bad")
        self._line()
        self._line(
            (f"{mark} {played.held} of {len(played.scenes)} scenes held", style),
            (f"   {played.calls} calls, {played.token_requests} token requests, {played.seconds:.1f} s", "quiet"),
        )

    def _exchange(self, at: str, route: Text, request: Text, answer: Text, took: str) -> None:
        route.pad_right(max(0, 13 - route.cell_len))
        request.pad_right(max(0, self._request - request.cell_len))
        answer.pad_right(max(0, 17 - answer.cell_len))
        self._line((f"{at:>7}", "quiet"), "  ", route, "  ", request, "  ", answer, (f"{took:>8}", "quiet"))

    def _answer(self, seen: Exchange) -> Text:
        style = "ok" if 200 <= seen.status < 300 else "bad"
        answer = Text(f"{seen.status or 'no answer'}", style=style)
        if seen.got_key:
            answer.append(" ").append(f"key {seen.got_key}", style="key")
        elif seen.error:
            answer.append(f" {seen.error}")
        return answer

    def _line(self, *parts: str | Text | tuple[str, str], indent: int = 0) -> None:
        text = Text.assemble(*parts)
        text.rstrip()
        paragraph(self._console, text, indent=indent)


def _short(party: Party, scene: Scene) -> str:
    return "auth" if party is Party.AUTH else scene.name(party)


def _figures(outcome: Outcome | None) -> tuple[str | Text, ...]:
    if outcome is None:
        return ("", "", "", "", Text("✗ broken", style="bad"))
    mark = Text("✓ held", style="ok") if outcome.held else Text("✗ not so", style="bad")
    counted = (outcome.calls, outcome.answered, outcome.token_requests)
    return (*(f"{number}" for number in counted), f"{outcome.slowest * 1000:.0f} ms", mark)
