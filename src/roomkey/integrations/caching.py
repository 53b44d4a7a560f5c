"""Cache-Control and Vary of what a token was needed for: no shared cache serves it to others (RFC 9111; pure)."""

import re
from typing import Final, Protocol

_UNSHARED: Final = re.compile(r"(?:^|,)\s*(?:private|no-store|public)\s*(?:,|$)", re.IGNORECASE)
_VARIES: Final = re.compile(r"(?:^|,)\s*(?:authorization|\*)\s*(?:,|$)", re.IGNORECASE)


class Headers(Protocol):
    """The headers of a framework's response, found by name in any case."""

    def get(self, name: str, /) -> str | None:
        """Return the header's value, or None."""

    def __setitem__(self, name: str, value: str, /) -> None:
        """Set the header, in place of what it was."""


def private_cache_control(given: str | None) -> str:
    """Return ``given`` with ``private`` before it, or as it is where it says ``private``, ``no-store`` or ``public``.

    ``public`` is how a route says that its response is for everyone, whatever the token (RFC 9111 section 3.5).
    """
    if not given:
        return "private"
    return given if _UNSHARED.search(given) else f"private, {given}"


def vary_by_token(given: str | None) -> str:
    """Return ``given``, the names of a ``Vary`` header, with ``Authorization`` among them."""
    if not given:
        return "Authorization"
    return given if _VARIES.search(given) else f"{given}, Authorization"


def keep_from_shared_caches(headers: Headers) -> None:
    """Set both on the ``headers`` of a response."""
    headers["Cache-Control"] = private_cache_control(headers.get("Cache-Control"))
    headers["Vary"] = vary_by_token(headers.get("Vary"))
