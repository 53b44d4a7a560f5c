"""Columns of the tables as values: words, names and rows (pure)."""

import re
import unicodedata
from typing import Any, Final, TypeVar

Made = TypeVar("Made")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)


def is_name(value: str) -> bool:
    """Whether ``value`` may be a client_id or a tenant."""
    return _NAME.fullmatch(value) is not None


def is_client_id(value: str) -> bool:
    """Whether ``value`` may be a client_id: a name that no user's id can be, for both are a ``sub`` (RFC 9068, 5)."""
    return is_name(value) and not value.startswith("usr_")


def words(text: str) -> tuple[str, ...]:
    """The words of a space-separated column."""
    return tuple(text.split())


def one_line(text: str) -> str:
    """``text`` as it is stored: in Unicode's composed form, without spaces around it."""
    return unicodedata.normalize("NFC", text).strip()


def from_row(kind: type[Made], row: Any, **replaced: Any) -> Made:
    """A dataclass of the columns that are called as its fields, but for those that are ``replaced``."""
    names = kind.__dataclass_fields__  # type: ignore[attr-defined]
    return kind(**{name: replaced[name] if name in replaced else getattr(row, name) for name in names})
