"""Values as JSON has them (pure)."""

import dataclasses
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """``value`` made of objects, arrays, texts and numbers: dataclasses and mappings become objects."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return value
