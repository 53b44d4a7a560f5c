"""Typer's commands and groups with this project's ``--help``, and groups that are imported when they are used."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar, Final

import typer
from typer.core import TyperCommand, TyperGroup

_HEAD: Final = re.compile(r" *[A-Z][a-z ]+:")
_ROW: Final = re.compile(r"( {2,})(\S+(?: \S+)*)( {2,}.*)?")
_TYPE: Final = re.compile(r"(?<=[A-Z]) <(?:str|path)>")
_TABLES: Final = ("Arguments:", "Options:", "Commands:", "Exit codes:")


def layout_help(text: str) -> str:
    """The help ``text`` without typer's type marks, and with styles on a terminal."""
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


class HelpCommand(TyperCommand):
    """A command whose help has the project's layout."""

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        return layout_help(super().get_help(ctx))


class HelpGroup(TyperGroup):
    """A group of commands whose help has the project's layout.

    Attributes:
        lazy: for each command that is imported when it is used, its module and its short help. The module has
            an ``app``, or a ``noun`` with an ``app``.
    """

    lazy: ClassVar[Mapping[str, tuple[str, str]]] = {}

    def get_help(self, ctx: Any) -> str:
        """The help text."""
        return layout_help(super().get_help(ctx))

    def list_commands(self, ctx: Any) -> list[str]:
        """The names of all commands; imports nothing."""
        return [*super().list_commands(ctx), *self.lazy]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command ``cmd_name``, imported if need be, or None."""
        if cmd_name not in self.lazy:
            return super().get_command(ctx, cmd_name)
        module, words = self.lazy[cmd_name]
        holder = typer.Typer(rich_markup_mode=None, add_completion=False)
        found = import_module(module)
        holder.add_typer(getattr(found, "noun", found).app, name=cmd_name, short_help=words)
        group: Any = typer.main.get_command(holder)
        return group.commands[cmd_name]
