"""``--help`` in the look of the house: heads, and what is to be typed, stand out; colours only where a person looks."""

import re
from typing import Any, Final

from typer.core import TyperCommand, TyperGroup

_HEAD: Final = re.compile(r" *[A-Z][a-z ]+:")
_ROW: Final = re.compile(r"( {2,})(\S+(?: \S+)*)( {2,}.*)?")
_TYPE: Final = re.compile(r"(?<=[A-Z]) <str>")
_TABLES: Final = ("Arguments:", "Options:", "Commands:", "Exit codes:")


def laid_out(text: str) -> str:
    """The help text as it is printed: without the marks of typer that say nothing, and styled on a terminal."""
    from rich.text import Text

    from roomkey.cli.theme import output

    console = output()
    lines, table = Text(), False
    for line in _TYPE.sub("", text).splitlines():
        head = _HEAD.match(line)
        row = _ROW.fullmatch(line) if table else None
        if head is not None and line.startswith("Usage:"):
            lines.append("Usage:", "title").append(re.sub(r"[{}]", "", line.removeprefix("Usage:")))
        elif head is not None and line.strip() in _TABLES:
            table = True
            lines.append(line.strip(), "title")
        elif row is not None:
            lines.append(row[1]).append(row[2], "action").append(row[3] or "")
        else:
            lines.append(line)
        lines.append("\n")
    lines.rstrip()
    with console.capture() as printed:
        console.print(lines, soft_wrap=True)
    return printed.get().rstrip("\n")


class Command(TyperCommand):
    """A command whose help has the look of the house."""

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        return laid_out(super().get_help(ctx))


class Group(TyperGroup):
    """A group of commands whose help has the look of the house."""

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        return laid_out(super().get_help(ctx))
