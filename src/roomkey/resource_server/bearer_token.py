"""The token that a request carries, read from its ``Authorization`` header and from nowhere else (RFC 6750; pure)."""

import re
from collections.abc import Sequence
from typing import Final

from roomkey.errors import InvalidRequest, TokenMissing
from roomkey.jose.refusal import refused

_SCHEME: Final = re.compile(r"[^\s,]*")
_JOINED: Final = re.compile(r",\s*bearer(\s|$)", re.IGNORECASE)
_B64TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*")
_LONGEST: Final = 16_384


def read_bearer_token(authorization: Sequence[str], *, elsewhere: bool = False) -> str:
    """The bearer token of a request.

    Parameters:
        authorization: every ``Authorization`` header of the request, each as it came.
        elsewhere: True where the request also has an ``access_token`` in its query or form, which is never read.

    Raises TokenMissing (401, no error code) without credentials of the Bearer scheme, and InvalidRequest (400) for
    two headers, two values in one, a token in two places, or a header that is not one scheme and one token.
    """
    if len(authorization) > 1:
        raise _invalid("two_authorization_headers", "The request has more than one Authorization header.")
    if not authorization:
        if elsewhere:
            raise _invalid("token_outside_header", "Send the token in the Authorization header, not in query or form.")
        raise TokenMissing("Send an access token in the Authorization header.", reason="no_credentials")
    value = authorization[0]
    too_large = len(value) > _LONGEST + len("Bearer ")
    if not too_large and _JOINED.search(value):
        raise _invalid("two_values_in_one_header", "The Authorization header has more than one value.")
    scheme = _SCHEME.match(value, 0, len("Bearer "))
    if scheme is None or scheme[0].lower() != "bearer":
        raise TokenMissing("The Authorization header is not of the scheme Bearer.", reason="other_scheme")
    if elsewhere:
        raise _invalid("token_in_two_places", "The request has a token in more than one place.")
    if too_large:
        raise refused("too_large")
    token = value[len("Bearer ") :]
    if value[len("Bearer") : len("Bearer ")] != " " or not _B64TOKEN.fullmatch(token):
        raise _invalid("malformed_header", "The Authorization header is not Bearer, one space and one token.")
    return token


def _invalid(reason: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, reason=reason)
