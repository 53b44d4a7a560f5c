"""What names, scopes and texts may consist of (RFC 6749 appendix A; pure)."""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from roomkey.authorization_server.errors import Invalid

_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_OF_PEOPLE: Final = "usr_"
_AUDIENCE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:/?&=%+@-]{0,199}", re.ASCII)
_SCOPE: Final = re.compile(r"[!#-\[\]-~]{1,100}", re.ASCII)
_ROLE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,63}", re.ASCII)
_MOST: Final = 100
LONGEST_TEXT: Final = 500
_LONGEST_RAW: Final = 8 * LONGEST_TEXT


def is_name(value: str) -> bool:
    """Whether ``value`` may be a client_id or a tenant."""
    return _NAME.fullmatch(value) is not None


def is_client_id(value: str) -> bool:
    """Whether ``value`` may be a client_id: a name that no user's id can be, for both are a ``sub`` (RFC 9068, 5)."""
    return is_name(value) and not value.startswith(_OF_PEOPLE)


def checked_client_id(value: str) -> str:
    """``value`` where it may be a client_id; raises Invalid."""
    if value.startswith(_OF_PEOPLE):
        raise Invalid(f"Names that begin with {_OF_PEOPLE} are those of people; choose another one.", field="client_id")
    return checked_name(value, "client_id")


def checked_name(value: str, field: str) -> str:
    """``value`` where it may be a client_id or a tenant; raises Invalid."""
    if not is_name(value):
        raise Invalid(
            f"The {field} must be 1 to 64 of a-z, 0-9, dot, hyphen and underscore, and begin with a letter or digit.",
            field=field,
        )
    return value


def checked_audience(value: str) -> str:
    """``value`` where it may be an audience: a name or an address; raises Invalid."""
    if not _AUDIENCE.fullmatch(value):
        raise Invalid(
            "The audience must be a name such as orders-api, or an address, of at most 200 ASCII characters.",
            field="audience",
        )
    return value


def checked_scopes(values: Iterable[str], field: str = "scopes") -> tuple[str, ...]:
    """``values``, each once and in their order, where each may be a scope; raises Invalid."""
    return _checked(values, field, _SCOPE, "A scope must be up to 100 ASCII characters without spaces and quotes.")


def checked_roles(values: Iterable[str], field: str = "roles") -> tuple[str, ...]:
    """``values``, each once and in their order, where each may be a role; raises Invalid."""
    return _checked(values, field, _ROLE, "A role must be up to 64 of A-Z, a-z, 0-9, dot, colon, hyphen, underscore.")


def _checked(values: Iterable[str], field: str, form: re.Pattern[str], rule: str) -> tuple[str, ...]:
    chosen = tuple(dict.fromkeys(values))
    if len(chosen) > _MOST:
        raise Invalid(f"At most {_MOST} {field} can be named at once.", field=field)
    if not all(map(form.fullmatch, chosen)):
        raise Invalid(rule, field=field)
    return chosen


def checked_text(value: str, field: str) -> str:
    """``value`` in one line, where it is short, holds no control characters and runs one way; raises Invalid."""
    short = len(value) <= _LONGEST_RAW  # else nothing is spent on it
    text = unicodedata.normalize("NFC", value).strip() if short else ""
    if not short or len(text) > LONGEST_TEXT or any(map(_is_hidden, text)):
        raise Invalid(f"The {field} must be one line of at most {LONGEST_TEXT} characters.", field=field)
    return text


def _is_hidden(letter: str) -> bool:
    """Whether ``letter`` breaks a line, or is one of those that turn the text around it, and so show another one."""
    turns = unicodedata.bidirectional(letter) in {"LRE", "RLE", "LRO", "RLO", "PDF", "LRI", "RLI", "FSI", "PDI"}
    return turns or unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"}


def checked_seconds(value: int, field: str, *, least: int, most: int) -> int:
    """``value`` where it lies in these bounds; raises Invalid."""
    if not least <= value <= most:
        raise Invalid(f"The {field} must be from {least} to {most} seconds.", field=field)
    return value


def words(text: str) -> tuple[str, ...]:
    """The words of a space-separated column."""
    return tuple(text.split())
