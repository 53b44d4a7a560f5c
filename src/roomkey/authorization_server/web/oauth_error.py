"""The errors of RFC 6749 section 5.2 and their kin: a code, a fixed sentence, a status; never a word of the request."""

from typing import Final

from roomkey.errors import RoomkeyError

CODES: Final = frozenset(
    {
        "invalid_request",
        "invalid_client",
        "invalid_grant",
        "unauthorized_client",
        "unsupported_grant_type",
        "invalid_scope",
        "invalid_target",  # RFC 8707
        "temporarily_unavailable",
    }
)
_STATUSES: Final = {"invalid_client": 401, "temporarily_unavailable": 503}


class OAuthError(RoomkeyError):
    """What an OAuth endpoint refuses.

    Attributes:
        error: the code, one of ``CODES``.
        status: the HTTP status.
        retry_after: seconds, or None.
    """

    code = "oauth_error"

    def __init__(
        self, error: str, description: str, *, status: int | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(description)
        self.error = error
        self.status = status or _STATUSES.get(error, 400)
        self.retry_after = retry_after


def invalid_request(description: str) -> OAuthError:
    """The request itself is wrong: RFC 6749's ``invalid_request``."""
    return OAuthError("invalid_request", description)


def too_many(retry_after: int) -> OAuthError:
    """More than one caller's share; it may try again after ``retry_after`` seconds (RFC 6585)."""
    return OAuthError(
        "temporarily_unavailable", "Too many requests; try again later.", status=429, retry_after=retry_after
    )
