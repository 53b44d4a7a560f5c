"""Commands made from a form of the backoffice, and the fields that a form shows for a command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol, TypeVar, get_args, get_origin

import msgspec
from msgspec import Meta

from roomkey.authorization_server.commands.command import Command
from roomkey.authorization_server.commands.fields import annotations_of, bare, convert, description_of, hints_of
from roomkey.authorization_server.commands.terminal import element_of
from roomkey.authorization_server.errors import Invalid

Made = TypeVar("Made", bound=Command[Any])
_LONGEST_NUMBER: Final = 10


class FormFields(Protocol):
    """The fields that a browser sent."""

    def many(self, name: str) -> tuple[str, ...]:
        """All values that were sent as ``name``."""


@dataclass(frozen=True, slots=True)
class FormField:
    """A field as a form shows it.

    Attributes:
        name: of the field and of the input.
        kind: ``text``, ``number``, ``checkbox``, ``choice`` (one of ``choices``) or ``words`` (several, by spaces or
            boxes).
        help: its description.
        choices: where there are only these.
        longest: characters.
        required: whether it has no default.
    """

    name: str
    kind: str
    help: str
    choices: tuple[str, ...]
    longest: int | None
    required: bool


def command_of(
    kind: type[Made],
    form: FormFields,
    *names: str,
    read: Mapping[str, Callable[[tuple[str, ...]], Any]] | None = None,
    **given: Any,
) -> Made:
    """The command that a form asks for; raises Invalid, which names the field.

    Parameters:
        names: the fields that the page has an input for; no other field of the form reaches the command. An input that
            was not sent leaves the command's default, and so does an empty one, unless the command is a change; boxes
            of which none is ticked are an empty list.
        read: readers for fields that are sent in a form of their own, such as ticked boxes of APIs and scopes.
        given: fields that do not come from the form.
    """
    hints = hints_of(kind)
    values = dict(given)
    for name in names:
        sent = form.many(name)
        value = read[name](sent) if read and name in read else _value(bare(hints[name]), name, sent)
        if value is None and sent and bare(hints[name]) is str and kind.declaration.method == "PATCH":
            value = ""
        if value is not None:
            values[name] = value
    try:
        return convert(values, kind)
    except Invalid as error:  # a form has one input for a list of values
        raise Invalid(str(error), field=(error.field or "").rpartition(".")[2] or None) from None


def form_fields(kind: type[Command[Any]], *names: str) -> tuple[FormField, ...]:
    """The inputs for the fields ``names`` of a command, from its declaration."""
    hints = hints_of(kind)
    required = {one.name for one in msgspec.structs.fields(kind) if one.required}
    found = []
    for name in names:
        hint, plain = hints[name], bare(hints[name])
        element = element_of(plain)
        metas = [one for one in annotations_of(hint) if isinstance(one, Meta)]
        longest = next((one.max_length for one in metas if one.max_length), None)
        choices = get_args(plain if element is None else element) if _is_choice(plain, element) else ()
        kinds = {bool: "checkbox", int: "number"}
        shown = "words" if element is not None else "choice" if choices else kinds.get(plain, "text")
        found.append(
            FormField(
                name,
                shown,
                description_of(hint),
                choices,
                longest if plain is str else None,
                name in required,
            )
        )
    return tuple(found)


def _is_choice(plain: Any, element: Any) -> bool:
    return get_origin(plain if element is None else element) is Literal


def _value(kind: Any, name: str, sent: tuple[str, ...]) -> Any:
    """What was sent as the field has it; None where that is its default."""
    element = element_of(kind)
    if element is not None:
        texts = [word for one in sent for word in one.split()]
        return [element.from_text(word) if hasattr(element, "from_text") else word for word in texts]
    if len(sent) > 1:
        raise Invalid(f"The field {name} was sent twice.", field=name)
    text = sent[0].strip() if sent else ""
    if kind is bool:
        return text not in ("", "no")
    if not text:
        return None
    if kind is int:
        if not (text.isascii() and text.isdecimal() and len(text) <= _LONGEST_NUMBER):
            raise Invalid(f"The {name} must be a whole number.", field=name)
        return int(text)
    return text
