"""How long something that is replaced goes on beside its successor: the choices of the pages (pure)."""

from typing import Final

from roomkey.authorization_server.backoffice.page import Choice

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
