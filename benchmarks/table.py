"""Aligned plain-text tables with a goal and a verdict in words; no colour, so nothing to switch off."""

from __future__ import annotations

import os
import platform
import textwrap


def machine() -> str:
    """One line that says what the figures were measured on."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, {os.cpu_count()} cores"


def verdict(value: float, goal: float) -> str:
    """In words: "met" where the value is at most the goal."""
    return "met" if value <= goal else "MISSED"


class Table:
    """Rows are collected, then printed with columns as wide as their widest cell; the first column is text."""

    def __init__(self, title: str, *columns: str) -> None:
        self._title = title
        self._rows: list[tuple[str, ...]] = [columns]
        self._notes: list[str] = []

    def row(self, *cells: str) -> None:
        if len(cells) != len(self._rows[0]):
            raise ValueError(f"{len(self._rows[0])} cells expected, {len(cells)} given")
        self._rows.append(cells)

    def note(self, text: str) -> None:
        self._notes.append(text)

    def show(self) -> None:
        """Print the table and its notes."""
        widths = [max(map(len, column)) for column in zip(*self._rows, strict=True)]
        head, *body = (
            "  ".join([row[0].ljust(widths[0]), *(cell.rjust(w) for cell, w in zip(row[1:], widths[1:], strict=True))])
            for row in self._rows
        )
        print(f"\n{self._title}\n({machine()})", head, "-" * len(head), *body, sep="\n")
        for note in self._notes:
            print(textwrap.fill(note, 110, initial_indent="  ", subsequent_indent="  "))
        print(flush=True)
