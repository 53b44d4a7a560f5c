"""Errors of the admin API as problem details (RFC 9457), and as challenges (RFC 6750)."""

import dataclasses
from dataclasses import dataclass
from http import HTTPStatus
from typing import ClassVar, Final

from roomkey.authorization_server.errors import Invalid, NotAllowed, ServiceError
from roomkey.authorization_server.web.request_response import NO_STORE, RawResponse, encode_json

STATUSES: Final = {
    400: "The request cannot be read.",
    401: "There is no token, or it is not valid.",
    403: "The token or the account's roles do not allow it.",
    404: "There is no such thing, or it belongs to another tenant.",
    409: "It is there already, or its state does not allow it.",
    422: "A value is not valid.",
    429: "Too many requests at once.",
    503: "The database cannot be used now.",
}


class Unauthorized(ServiceError):
    """There is no token, or it is not valid for this API.

    Attributes:
        token: whether there was one.
    """

    code = "invalid_token"
    status: ClassVar[int] = 401

    def __init__(self, message: str, *, token: bool) -> None:
        super().__init__(message)
        self.token = token


class InsufficientScope(NotAllowed):
    """The token does not allow this.

    Attributes:
        scope: what is needed.
    """

    code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        super().__init__(f"The token needs the scope {scope}.")
        self.scope = scope


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request was rejected.

    Attributes:
        type: about:blank.
        title: the words of the status.
        status: of the answer.
        detail: one sentence.
        code: a stable word, such as ``not_found``.
        field: the member or parameter at fault, or None.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    field: str | None


def problem_answer(error: ServiceError) -> RawResponse:
    """The response that reports ``error``."""
    field = error.field if isinstance(error, Invalid) else None
    problem = Problem("about:blank", HTTPStatus(error.status).phrase, error.status, str(error), error.code, field)
    headers: list[tuple[bytes, bytes]] = [(b"content-type", b"application/problem+json"), NO_STORE]
    if isinstance(error, Unauthorized):
        headers.append((b"www-authenticate", b"Bearer" + (b' error="invalid_token"' if error.token else b"")))
    elif isinstance(error, InsufficientScope):
        challenge = f'Bearer error="insufficient_scope", scope="{error.scope}"'
        headers.append((b"www-authenticate", challenge.encode("ascii")))
    if error.status in (429, 503):
        headers.append((b"retry-after", b"2"))
    return RawResponse(error.status, encode_json(dataclasses.asdict(problem)), tuple(headers))
