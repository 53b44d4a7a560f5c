"""How long something that is replaced goes on beside its successor: the choices of the pages (pure)."""

from typing import Final

from roomkey.authorization_server.backoffice.forms import Form
from roomkey.authorization_server.backoffice.page import Choice
from roomkey.authorization_server.errors import Invalid

_OPTIONS: Final = (
    ("0", "Not at all", "The old one ends now."),
    ("3600", "1 hour", ""),
    ("86400", "1 day", ""),
    ("604800", "7 days", ""),
)


def overlap_choice() -> Choice:
    """The choice of how long both are good."""
    return Choice(
        "overlap", "How long are both good?", "Long enough to bring the new one everywhere.", _OPTIONS, "86400"
    )


def seconds_of(form: Form, name: str = "overlap") -> int:
    """The seconds that were chosen as ``name``; raises Invalid for what is no number."""
    value = form.one(name)
    if not (value.isascii() and value.isdecimal() and len(value) <= 10):
        raise Invalid("Choose one of the times.", field=name)
    return int(value)
