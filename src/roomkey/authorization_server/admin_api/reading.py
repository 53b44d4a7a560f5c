"""JSON and query strings made into the declared values: nothing missing, nothing unknown, nothing converted (pure).

A member that an operation does not declare is refused: nobody sets what they are not asked for (auth service 43).
"""

import dataclasses
import types
from collections.abc import Mapping
from typing import Any, Final, Literal, TypeVar, Union, get_args, get_origin, get_type_hints
from urllib.parse import parse_qsl

from roomkey.authorization_server.errors import Invalid
from roomkey.jose import strict_json

Value = TypeVar("Value")
_MOST: Final = 100
_LONGEST_NAME: Final = 40
_NUMBERS: Final = 12


def read_body(kind: type[Value], body: bytes, content_type: bytes) -> Value:
    """The value of ``kind`` in a JSON body; raises Invalid. An operation without a body takes none."""
    if not dataclasses.fields(kind):  # type: ignore[arg-type]
        if body:
            raise Invalid("This operation takes no body.")
        return kind()
    if content_type.partition(b";")[0].strip().lower() != b"application/json":
        raise Invalid("The body must be application/json.")
    document = strict_json.read_object(body)
    if document is None:
        raise Invalid("The body is not one JSON object in UTF-8, or it has a member twice.")
    made: Value = _object(kind, document, "")
    return made


def read_query(kind: type[Value], query: bytes) -> Value:
    """The value of ``kind`` in a query string; raises Invalid."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=_MOST)
    except ValueError:
        raise Invalid("The parameters of the address cannot be read.") from None
    given = dict(pairs)
    if len(given) != len(pairs):
        raise Invalid("A parameter stands in the address twice.")
    hints = get_type_hints(kind)
    made: Value = _object(kind, {name: _typed(hints.get(name), text) for name, text in given.items()}, "")
    return made


def _typed(kind: Any, text: str) -> Any:
    """The text of a parameter as the JSON that it stands for; what it cannot stand for stays a text."""
    wanted = set(get_args(kind)) or {kind}
    if int in wanted and text.isascii() and text.isdecimal() and len(text) <= _NUMBERS:
        return int(text)
    if bool in wanted and text in ("true", "false"):
        return text == "true"
    return text


def _object(kind: type, given: Mapping[str, Any], where: str) -> Any:
    hints = get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    for name in given:
        if name not in fields:
            named = name if name.isidentifier() and name.isascii() and len(name) <= _LONGEST_NAME else "of this name"
            raise Invalid(f"There is no member {named} to give here.", field=where or None)
    values = {}
    for name, field in fields.items():
        if name in given:
            values[name] = _value(hints[name], given[name], f"{where}.{name}" if where else name)
        elif field.default is dataclasses.MISSING:
            raise Invalid(f"The member {name} is missing.", field=f"{where}.{name}" if where else name)
    return kind(**values)


def _value(kind: Any, given: Any, where: str) -> Any:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if given is None and type(None) in arguments:
            return None
        return _value(next(one for one in arguments if one is not type(None)), given, where)
    if origin is Literal:
        if not isinstance(given, str) or given not in arguments:
            raise Invalid(f"This is one of {', '.join(arguments)}.", field=where)
        return given
    if origin is tuple:
        if not isinstance(given, list) or len(given) > _MOST:
            raise Invalid(f"This is an array of at most {_MOST}.", field=where)
        return tuple(_value(arguments[0], one, where) for one in given)
    if dataclasses.is_dataclass(kind):
        if not isinstance(given, dict):
            raise Invalid("This is an object.", field=where)
        return _object(kind, given, where)  # type: ignore[arg-type]
    if type(given) is not kind:  # a bool is no int here
        words = {str: "a text", int: "a whole number", bool: "true or false"}
        raise Invalid(f"This is {words[kind]}.", field=where)
    if isinstance(given, str) and "\x00" in given:
        raise Invalid("This holds a character that no text may have.", field=where)
    return given
