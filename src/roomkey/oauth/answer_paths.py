"""The shape of a login's response: where the token and what belongs to it stand (pure)."""

from dataclasses import dataclass
from typing import Final

from roomkey.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPaths:
    """Declares the shape of a login's response: dotted paths into its JSON, such as ``data.token``, ``tokens.0.value``.

    Parameters:
        access_token: path of the token; ignored where one of the next three names another place.
        token_header: name of a response header that is the token; a scheme such as ``Bearer`` before it is dropped.
        token_cookie: name of a cookie that is the token.
        whole_body: True where the body is the token, as a plain or a JSON string.
        expires_in: path of a lifetime in seconds.
        expires_at: path of a date: ISO 8601 (without a zone it is UTC), or seconds or milliseconds since 1970.
        refresh_token: path of a refresh token.
        refresh_expires_in: path of its lifetime in seconds.
        scope: path of the granted scope.
        token_type: path of the token's type.
    """

    access_token: str = "access_token"  # noqa: S105 - a path
    token_header: str | None = None
    token_cookie: str | None = None
    whole_body: bool = False
    expires_in: str | None = "expires_in"
    expires_at: str | None = None
    refresh_token: str | None = "refresh_token"  # noqa: S105 - a path
    refresh_expires_in: str | None = "refresh_expires_in"
    scope: str | None = "scope"
    token_type: str | None = "token_type"  # noqa: S105 - a path

    def __post_init__(self) -> None:
        if sum((self.token_header is not None, self.token_cookie is not None, self.whole_body)) > 1:
            raise ConfigurationError("Declare one place for the token: token_header, token_cookie or whole_body.")
        if not self.access_token:
            raise ConfigurationError("access_token= is the path of the token in the response and cannot be empty.")


STANDARD_PATHS: Final = AnswerPaths()
"""The shape of RFC 6749 section 5.1."""
