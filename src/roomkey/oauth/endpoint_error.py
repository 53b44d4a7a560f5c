"""An answer of a token endpoint that is no token."""

import re
from typing import Final

from roomkey.errors import RoomkeyError

_PERMANENT: Final = frozenset(
    {
        "access_denied",
        "invalid_client",
        "invalid_request",
        "invalid_scope",
        "invalid_target",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)
_PLAIN_CODE: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class TokenEndpointError(RoomkeyError):
    """The endpoint answered, but with no token; nothing of the body but a plain error code stands in it.

    Attributes:
        error: the OAuth error code (RFC 6749 section 5.2) or a word of roomkey's, such as ``malformed_response``.
        status: the HTTP status, or None.
        permanent: True where the same request will be refused again.
        retry_after: seconds that the server asks to wait, or None.
    """

    code = "token_endpoint"

    def __init__(
        self, error: str, detail: str = "", *, status: int | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(detail or f"The token endpoint answered {error}.")
        self.error = error
        self.status = status
        self.permanent = error in _PERMANENT
        self.retry_after = retry_after


def plain_code(value: object) -> str | None:
    """``value`` where it is an error code of letters, digits and ``_.-`` that may be shown, else None."""
    return value if isinstance(value, str) and _PLAIN_CODE.fullmatch(value) else None
