"""What the headers of an answer say of time (RFC 9110, RFC 9111; pure)."""

from email.utils import parsedate_to_datetime
from typing import Final

from roomkey.http.messages import Response

LONGEST_RETRY_AFTER: Final = 3600.0


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
    """Seconds that the answer has lain in a cache on its way here; 0 where it comes from its origin (RFC 9111, 5.1)."""
    return _seconds(response.header("age") or "") or 0.0


def lifetime(response: Response) -> float | None:
    """Seconds that the answer may still be kept by ``Cache-Control``, or None where that says nothing (RFC 9111, 5.2).

    ``no-store`` and ``no-cache`` are a lifetime of 0; the time that it has lain in a cache is taken off.
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
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None


def _seconds(value: str) -> float | None:
    value = value.strip()
    return float(value[:12]) if value.isascii() and value.isdigit() else None
