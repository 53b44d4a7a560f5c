"""JSON Schemas of the declared values, the same that reading and answering go by (JSON Schema 2020-12; pure)."""

import dataclasses
import enum
import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

Schema = dict[str, Any]


class Schemas:
    """Schemas by the name of their type, collected while they are asked for."""

    def __init__(self) -> None:
        self.by_name: dict[str, Schema] = {}

    def of(self, kind: Any) -> Schema:
        """The schema of ``kind``; what has a default may be left out."""
        return self._of(kind, {})

    def _of(self, kind: Any, bound: Mapping[Any, Any]) -> Schema:
        kind = bound.get(kind, kind) if isinstance(kind, TypeVar) else kind
        origin, arguments = get_origin(kind), get_args(kind)
        if origin in (Union, types.UnionType):
            return {"anyOf": [self._of(one, bound) for one in arguments]}
        if origin is Literal:
            return {"type": "string", "enum": list(arguments)}
        if origin is tuple:
            return {"type": "array", "items": self._of(arguments[0], bound)}
        if kind is Any or origin is Mapping or (isinstance(origin, type) and issubclass(origin, Mapping)):
            return {"type": "object"}
        if dataclasses.is_dataclass(origin or kind):
            return self._named(origin or kind, arguments)
        if isinstance(kind, type) and issubclass(kind, enum.StrEnum):
            return {"type": "string", "enum": [one.value for one in kind]}
        return dict(_SIMPLE[kind])

    def _named(self, kind: Any, arguments: tuple[Any, ...]) -> Schema:
        parameters = getattr(kind, "__parameters__", ())
        name = "".join(one.__name__ for one in arguments) + kind.__name__
        if name not in self.by_name:
            self.by_name[name] = {}  # one that holds itself finds its name
            hints = get_type_hints(kind)
            bound = dict(zip(parameters, arguments, strict=True))
            fields = dataclasses.fields(kind)
            required = [one.name for one in fields if one.default is dataclasses.MISSING]
            self.by_name[name] |= {
                "type": "object",
                "description": (kind.__doc__ or "").strip().partition("\n")[0],
                "properties": {one.name: self._of(hints[one.name], bound) for one in fields},
                "required": required,
                "additionalProperties": False,
            }
        return {"$ref": f"#/components/schemas/{name}"}


_SIMPLE: Mapping[Any, Schema] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
}
