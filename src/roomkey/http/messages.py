"""HTTP requests and responses as values that keep their contents to themselves, and what response headers say of time.

Pure (RFC 9110, RFC 9111): no I/O, no clock.
"""

from dataclasses import dataclass
from datetime import UTC
from typing import Final

from roomkey.secret import Confidential

LONGEST_RETRY_AFTER: Final = 3600.0


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Request(Confidential):
    """One HTTP request; its repr shows method and URL only.

    ``headers`` are (name, value) pairs; ``body`` is bytes, empty for a request without one.
    """

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def __repr__(self) -> str:
        return f"Request({self.method} {self.url})"


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Response(Confidential):
    """One HTTP response; its repr shows the status only.

    ``headers`` are (name, value) pairs in the order of arrival; ``body`` is the decoded body, already capped in size.
    """

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    def header(self, name: str) -> str | None:
        """The first value of the header ``name``, or None."""
        name = name.lower()
        for key, value in self.headers:
            if key.lower() == name:
                return value
        return None

    def __repr__(self) -> str:
        return f"Response({self.status})"


def retry_after(response: Response, *, wall: float) -> float | None:
    """Seconds that ``Retry-After`` asks to wait, at most an hour, or None (RFC 9110 section 10.2.3)."""
    value = (response.header("retry-after") or "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:12]), LONGEST_RETRY_AFTER)
    date = http_date(value)
    if date is None:
        return None
    # The server's own clock made the date, so its Date header is what it counts from.
    now = server_date(response)
    return min(max(date - (wall if now is None else now), 0.0), LONGEST_RETRY_AFTER)


def server_date(response: Response) -> float | None:
    """The second since 1970 that the server's ``Date`` header names, or None (RFC 9110 section 6.6.1)."""
    return http_date(response.header("date") or "")


def age(response: Response) -> float:
    """Seconds that the response was in caches on its way here; 0 from its origin (RFC 9111 section 5.1)."""
    return _seconds(response.header("age") or "") or 0.0


def lifetime(response: Response) -> float | None:
    """Seconds that ``Cache-Control`` still lets the response be kept, or None without one (RFC 9111 section 5.2).

    ``no-store`` and ``no-cache`` are a lifetime of 0; the time that it was in caches is subtracted.
    """
    longest = None
    for name, value in response.headers:
        if name.lower() == "cache-control":
            for directive in value.lower().split(","):
                word, _, given = directive.strip().partition("=")
                if word in {"no-store", "no-cache"}:
                    return 0.0
                if word == "max-age":
                    longest = _seconds(given.strip('"'))
    return None if longest is None else max(longest - age(response), 0.0)


def http_date(value: str) -> float | None:
    """The second since 1970 that a date in one of the forms of HTTP names, or None."""
    from email.utils import parsedate_to_datetime  # slow to import, and seldom needed

    try:
        moment = parsedate_to_datetime(value)
        # Without a zone (the form of asctime) it is UTC (RFC 9110 section 5.6.7), wherever this machine stands.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _seconds(value: str) -> float | None:
    value = value.strip()
    return float(value[:12]) if value.isascii() and value.isdigit() else None
