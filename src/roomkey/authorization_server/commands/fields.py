"""Types of fields: what a value of each may be, in one place for its check, its JSON schema and its help text.

A ``Value`` checks itself when it is made, so that one which exists is valid, whoever made it.
"""

import re
import types
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from roomkey.authorization_server.errors import Invalid

MOST: Final = 100  # items of a list
LONGEST_TEXT: Final = 500
_LONGEST: Final = 70_000  # of a string whose type names no other length
_LONGEST_NAME: Final = 40
_PLACE: Final = re.compile(r" - at `\$(.*)`\Z", re.DOTALL)
_MEMBER: Final = re.compile(r"(missing required|contains unknown) field `(.*)`", re.DOTALL)
Made = TypeVar("Made")


class Value(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A frozen value that is checked against the types of its fields when it is made; raises Invalid."""

    def __post_init__(self) -> None:
        for name, hint in hints_of(type(self)).items():
            value = getattr(self, name)
            _check_characters(value, name)
            try:
                checked = msgspec.convert(value, hint)
            except msgspec.ValidationError as error:
                raise _explain(error, hint, (name,)) from None
            if checked is not value:  # a list is a tuple from here on
                msgspec.structs.force_setattr(self, name, checked)


@dataclass(frozen=True, slots=True)
class Typed:
    """How a field is typed on the command line, where that does not follow from its type.

    Attributes:
        name: of the option, such as ``--api``; by default that of the field.
        metavar: what stands for the value in the help.
        argument: whether it is an argument, not an option.
        read: ``seconds`` (such as 12h), ``file`` (the content of a file), ``each`` (one value, given again for the
            next), ``not`` (a flag that means false), ``never`` (not by the command line).
        help: instead of the field's description.
    """

    name: str = ""
    metavar: str = ""
    argument: bool = False
    read: Literal["", "seconds", "file", "each", "not", "never"] = ""
    help: str = ""


def convert(values: Mapping[str, Any], kind: type[Made]) -> Made:
    """Make a ``kind`` of ``values``, which are as JSON has them: nothing converted, nothing unknown. Raises Invalid."""
    for name, value in values.items():
        _check_characters(value, name)
    try:
        return msgspec.convert(values, kind)
    except msgspec.ValidationError as error:
        raise _explain(error, kind, ()) from None


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """The types of the fields of ``kind`` with their annotations."""
    hints = get_type_hints(kind, include_extras=True)
    return {name: hints[name] for name in kind.__struct_fields__}  # type: ignore[attr-defined]


def bare(hint: Any) -> Any:
    """``hint`` without its annotations and without None: ``str`` for ``Annotated[str, ...] | None``."""
    while True:
        if get_origin(hint) is Annotated:
            hint = get_args(hint)[0]
        elif get_origin(hint) in (Union, types.UnionType):
            hint = next(one for one in get_args(hint) if one is not types.NoneType)
        else:
            return hint


def annotations_of(hint: Any) -> tuple[Any, ...]:
    """All annotations of ``hint``, the outermost last."""
    if get_origin(hint) is Annotated:
        return (*annotations_of(get_args(hint)[0]), *hint.__metadata__)
    if get_origin(hint) in (Union, types.UnionType):
        return tuple(each for one in get_args(hint) for each in annotations_of(one))
    return ()


def description_of(hint: Any) -> str:
    """The description of a field."""
    metas = (one.description for one in reversed(annotations_of(hint)) if isinstance(one, Meta))
    return next((text for text in metas if text), "")


def _check_characters(value: Any, name: str) -> None:
    """Refuse what no database or log may meet, however deep it stands."""
    if isinstance(value, str):
        if "\0" in value or (not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value)):
            raise Invalid(f"The {name} must not hold a NUL character or half a surrogate pair.", field=name)
        if len(value) > _LONGEST:
            raise Invalid(f"The {name} must be at most {_LONGEST} characters.", field=name)
    elif isinstance(value, Mapping):
        for each in value.values():
            _check_characters(each, name)
    elif isinstance(value, list | tuple):
        if len(value) > MOST:
            raise Invalid(f"The {name} must be a list of at most {MOST}.", field=name)
        for each in value:
            _check_characters(each, name)


def _explain(error: msgspec.ValidationError, hint: Any, before: tuple[str, ...]) -> Invalid:
    text = str(error)
    place = _PLACE.search(text)
    inside = tuple(part for part in re.split(r"\.|\[[^\]]*\]", place[1] if place else "") if part)
    path = (*before, *inside)
    field = ".".join(path) or None
    member = _MEMBER.search(text)
    if member is None:
        return Invalid(f"The {path[-1] if path else 'body'} must be {_expected(hint, inside)}.", field=field)
    name = member[2] if member[2].isidentifier() and member[2].isascii() and len(member[2]) <= _LONGEST_NAME else ""
    if member[1] == "missing required":
        return Invalid(f"The member {name} is missing.", field=".".join((*path, name)))
    return Invalid(f"There is no member {name or 'of this name'} to give here.", field=field)


def _expected(hint: Any, path: tuple[str, ...]) -> str:
    """The words for what a value at ``path`` in a value of the type ``hint`` must be."""
    for one in reversed(annotations_of(hint)):
        if not path and isinstance(one, Meta) and one.extra:
            return str(one.extra["must be"])
    kind = bare(hint)
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is Literal:
        return f"one of {', '.join(arguments)}"
    if origin is tuple:
        return (
            _expected(arguments[0], path) if path else f"a list of at most {MOST}: each {_expected(arguments[0], ())}"
        )
    if kind in _SIMPLE:
        return _SIMPLE[kind]
    return _expected(hints_of(kind)[path[0]], path[1:]) if path else "an object"


_SIMPLE: Final = {str: "a string", int: "a whole number", bool: "true or false"}


def matching(pattern: str, must_be: str, description: str = "", *, longest: int) -> Meta:
    """The annotation of a string that ``pattern`` matches as a whole."""
    # Python's "$" also matches before a line end at the end.
    return Meta(
        pattern=rf"^(?:{pattern})$(?!\n)",
        max_length=longest,
        description=description or None,
        extra={"must be": must_be},
    )


_NAME: Final = r"[a-z0-9][a-z0-9._-]{0,63}"
_NAME_RULE: Final = "1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit"
# Control characters, half surrogates, line ends, and those that turn the text around them and so show another one.
_LINE: Final = r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff\u2028\u2029\u202a-\u202e\u2066-\u2069]*"

ClientId = Annotated[
    str,
    matching(
        rf"(?!usr_){_NAME}",
        f"{_NAME_RULE}; names that begin with usr_ are those of users",
        "The account: its client_id.",
        longest=64,
    ),
    Typed(metavar="NAME", argument=True),
]
TenantName = Annotated[str, matching(_NAME, _NAME_RULE, longest=64)]
Audience = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._~:/?&=%+@-]{0,199}",
        "a name such as orders-api, or a URL, of at most 200 ASCII characters",
        "The API, by its name in tokens.",
        longest=200,
    ),
    Typed(metavar="AUDIENCE", argument=True),
]
ScopeName = Annotated[
    str, matching(r"[!#-\[\]-~]{1,100}", "up to 100 ASCII characters without spaces and quotes", longest=100)
]
Scopes = Annotated[
    tuple[ScopeName, ...],
    Meta(
        max_length=MOST,
        description="Scopes, separated by spaces.",
        extra={"must be": f"at most {MOST} scopes, each of up to 100 ASCII characters without spaces and quotes"},
    ),
    Typed(metavar='"A B"'),
]
RoleName = Annotated[
    str,
    matching(
        r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", "up to 64 of A-Z, a-z, 0-9, dot, colon, hyphen and underscore", longest=64
    ),
]
Roles = Annotated[
    tuple[RoleName, ...],
    Meta(
        max_length=MOST,
        extra={"must be": f"at most {MOST} roles, each of up to 64 of A-Z, a-z, 0-9, dot, colon, hyphen, underscore"},
    ),
    Typed(metavar="A,B"),
]
Text = Annotated[
    str,
    matching(_LINE, f"one line of at most {LONGEST_TEXT} characters", "In a few words.", longest=LONGEST_TEXT),
    Typed(metavar="TEXT"),
]
Reason = Annotated[Text, Meta(description="Why, for the audit log.")]
# What is only looked up may be anything: it is found or not.
Lookup = Annotated[str, Meta(max_length=200, extra={"must be": "a string of at most 200 characters"})]
Account = Annotated[Lookup, Meta(description="The account: its client_id."), Typed(metavar="NAME", argument=True)]
Api = Annotated[Lookup, Meta(description="The API, by its name in tokens."), Typed(metavar="AUDIENCE", argument=True)]
Search = Annotated[Lookup, Meta(description="A part of the name."), Typed(metavar="TEXT")]
Tenant = Annotated[Lookup, Meta(description="The tenant that it belongs to."), Typed(metavar="NAME")]
Seconds = Annotated[
    int,
    Meta(ge=0, le=10**10, extra={"must be": "a whole number of seconds, from 0"}),
    Typed(metavar="TIME", read="seconds"),
]
Overlap = Annotated[
    int,
    Meta(
        ge=0,
        le=30 * 86_400,
        description="How long the old one stays valid: 30m, 1h, 7d.",
        extra={"must be": f"from 0 to {30 * 86_400} seconds"},
    ),
    Typed(metavar="TIME", read="seconds"),
]
