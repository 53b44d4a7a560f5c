"""The theme of the terminal: styles, tables and labelled lines; a shape and a word beside every colour."""

import os
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from rich.box import Box
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text
from rich.theme import Theme

# One set of middle tones with a contrast of about 3:1 on a white and on a black terminal; on a terminal with sixteen
# colours, those of its own theme.
_TONES: Final = {
    "action": "#1f918c",
    "accent": "#b58a2f",
    "quiet": "#7d8683",
    "ok": "#2f9a58",
    "warn": "#b58a2f",
    "bad": "#d4564c",
}
_SIXTEEN: Final = {"action": "cyan", "accent": "yellow", "quiet": "dim", "ok": "green", "warn": "yellow", "bad": "red"}
LEDGER: Final = Box("    \n    \n ── \n    \n    \n    \n    \n    \n")
"""Columns without frames: a line under the head, spaces for the rest."""

_UNBROKEN: Final = 10_000
_NARROW: Final = 72
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]")


def output() -> Console:
    """A console on stdout; colours and a width only on a terminal."""
    return themed(Console(highlight=False, emoji=False, markup=False, width=_width(sys.stdout.isatty())))


def errors() -> Console:
    """A console on stderr; colours and a width only on a terminal."""
    return themed(Console(highlight=False, emoji=False, markup=False, stderr=True, width=_width(sys.stderr.isatty())))


def themed(console: Console) -> Console:
    """``console`` with the theme's styles, in as many colours as it has."""
    tones = _SIXTEEN if console.color_system == "standard" else _TONES
    json = {"key": tones["action"], "str": "none", "number": tones["accent"], "brace": tones["quiet"]}
    json |= dict.fromkeys(("bool_true", "bool_false", "null"), tones["accent"])
    console.push_theme(
        Theme({"title": "bold", "alarm": f"bold {tones['bad']}", **tones, **{f"json.{a}": b for a, b in json.items()}})
    )
    return console


def _width(is_terminal: bool) -> int | None:  # noqa: FBT001 - one private question
    # A pipe has no width: lines keep their length there, unless COLUMNS sets one.
    return None if is_terminal or os.environ.get("COLUMNS") else _UNBROKEN


def paragraph(console: Console, text: Text, *, indent: int = 0) -> None:
    """Print ``text`` with an indent; in a pipe as one line, however long."""
    if not text:
        console.print()
    elif console.is_terminal:
        console.print(Padding(text, (0, 0, 0, indent), expand=False))
    else:
        console.print(Text(" " * indent).append_text(text), soft_wrap=True)


def done(sentence: str) -> None:
    """Print ``sentence`` with a check mark on stdout."""
    labelled(output(), ("✓", "ok"), sentence)


def labelled(console: Console, label: tuple[str, str], text: str) -> None:
    """Print ``text`` with a label (its words and style) before it; on a terminal under an indent of the label's width.

    Control characters are made visible, line ends are kept.
    """
    words = Text(shown(text, lines=True))
    if not console.is_terminal:
        console.print(Text.assemble(label, " ", words), soft_wrap=True)
        return
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row(Text(*label), words)
    console.print(table)


def ledger(*heads: str, title: str | None = None) -> Table:
    """An empty table of the theme."""
    table = Table(
        box=LEDGER,
        title=title,
        title_justify="left",
        title_style="title",
        header_style="quiet",
        border_style="quiet",
        show_edge=False,
        padding=(0, 1, 0, 0),
        pad_edge=False,
    )
    for head in heads:
        table.add_column(head)
    return table


def listed(
    rows: Iterable[Mapping[str, str | Text]],
    console: Console,
    *heads: str,
    numbers: Sequence[str] = (),
    folded: str,
    spared: Sequence[str],
) -> Table:
    """A table with a column for each of ``heads``, which are the keys of each row.

    ``numbers`` are aligned to the right, ``folded`` is the one column whose lines may be wrapped, and ``spared`` are
    left out on a narrow console.
    """
    chosen = [head for head in heads if console.width >= _NARROW or head not in spared]
    table = ledger(*chosen)
    for head, column in zip(chosen, table.columns, strict=True):
        column.no_wrap = head != folded
        column.overflow = "fold" if head == folded else "ellipsis"
        column.justify = "right" if head in numbers else "left"
    for row in rows:
        table.add_row(*(row[head] for head in chosen))
    return table


def facts(*pairs: tuple[str, str | Text]) -> Table:
    """Names and values in two columns."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="action", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in pairs:
        table.add_row(name, Text(value) if isinstance(value, str) else value)
    return table


def shown(value: str, *, lines: bool = False) -> str:
    """``value`` with control and direction characters made visible, so that it cannot steer a terminal. Pure.

    Line ends and tabs are kept where ``lines`` says so.
    """
    return _CONTROL.sub(lambda found: found[0] if lines and found[0] in "\n\t" else f"\\u{ord(found[0]):04x}", value)
