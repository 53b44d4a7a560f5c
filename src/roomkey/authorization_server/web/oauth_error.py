"""OAuth errors (RFC 6749 section 5.2): a code, a fixed description and a status; nothing of the request is repeated."""

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
    """An error that an OAuth endpoint answers.

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
    """Return RFC 6749's ``invalid_request``."""
    return OAuthError("invalid_request", description)


def too_many_requests(retry_after: int) -> OAuthError:
    """Return the error for a caller over its limit, who may retry after ``retry_after`` seconds (429, RFC 6585)."""
    return OAuthError(
        "temporarily_unavailable", "Too many requests; try again later.", status=429, retry_after=retry_after
    )
