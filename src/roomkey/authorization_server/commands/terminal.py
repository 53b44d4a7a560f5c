"""Commands as they are typed in a terminal: the parameters of the command line, and the line that equals a form."""

import shlex
from dataclasses import dataclass, replace
from typing import Any, get_args, get_origin

import msgspec

from roomkey.authorization_server.commands.command import Command
from roomkey.authorization_server.commands.fields import Typed, annotations_of, bare, description_of, hints_of

_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A field of a command on the command line.

    Attributes:
        field: its name.
        kind: its type, without annotations and None.
        typed: how it is typed, with the name of its option; an argument has none.
        help: its description.
        required: whether it has no default.
    """

    field: str
    kind: Any
    typed: Typed
    help: str
    required: bool


def parameters_of(kind: type[Command[Any]]) -> tuple[Parameter, ...]:
    """The parameters of a command in the order of its fields, without those that the command line does not have."""
    required = {one.name for one in msgspec.structs.fields(kind) if one.required}
    found = []
    for field, hint in hints_of(kind).items():
        typed = Typed()
        for one in annotations_of(hint):
            if isinstance(one, Typed):
                typed = Typed(
                    one.name or typed.name,
                    one.metavar or typed.metavar,
                    (one.argument or typed.argument) and not one.name,
                    one.read or typed.read,
                    one.help or typed.help,
                )
        if typed.read != "never":
            name = "" if typed.argument else typed.name or "--" + field.replace("_", "-")
            parameter = replace(typed, name=name)
            found.append(Parameter(field, bare(hint), parameter, typed.help or description_of(hint), field in required))
    return tuple(found)


def element_of(kind: Any) -> Any:
    """The type of the items where ``kind`` is that of a list, else None."""
    return bare(get_args(kind)[0]) if get_origin(kind) is tuple else None


def in_terminal(kind: type[Command[Any]], /, **values: Any) -> str:
    """The line for a terminal that performs a command with these ``values`` of its fields; they are not checked."""
    declared = kind.declaration
    words = ["roomkey", "admin", declared.noun, declared.verb]
    for parameter in parameters_of(kind):
        value = values.get(parameter.field)
        if value is None or value in ("", ()):
            continue
        element = element_of(parameter.kind)
        if hasattr(element, "options_of"):
            words += element.options_of(value)
        elif parameter.typed.argument:
            words.append(str(value))
        elif parameter.kind is bool:
            on, _, off = parameter.typed.name.partition("/")
            words += [on] if value != (parameter.typed.read == "not") else [off] if off else []
        elif parameter.typed.read == "each":
            words += [word for one in value for word in (parameter.typed.name, str(one))]
        elif element is not None:
            words += [parameter.typed.name, (" " if '"' in parameter.typed.metavar else ",").join(map(str, value))]
        else:
            seconds = parameter.typed.read == "seconds" and isinstance(value, int)
            words += [parameter.typed.name, as_time(value) if seconds else str(value)]
    return " ".join(map(_quoted, words))


def as_time(seconds: int) -> str:
    """Seconds as they are typed: ``12h``."""
    for size, unit in _UNITS:
        if seconds and seconds % size == 0:
            return f"{seconds // size}{unit}"
    return f"{seconds}s"


def _quoted(word: str) -> str:
    return (
        f'"{word}"'
        if word and all(part.replace(":", "").isalnum() for part in word.split(" ")) and (" " in word or ":" in word)
        else shlex.quote(word)
    )
