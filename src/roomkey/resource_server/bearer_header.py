"""The token of a request, read from its ``Authorization`` header and from nowhere else (RFC 6750; pure)."""

import re
from collections.abc import Sequence
from typing import Final, Literal, final

from roomkey.errors import AccessError, InvalidRequest, TokenMissing
from roomkey.jose.reasons import invalid_token
from roomkey.secret import Confidential

Scheme = Literal["Bearer", "DPoP"]

_SCHEME: Final = re.compile(r"[^\s,]*")
_JOINED: Final = re.compile(r",\s*(bearer|dpop)(\s|$)", re.IGNORECASE)
# One space or more (RFC 9110 section 11.4); white space at the end is no part of the value (section 5.5).
_TOKEN: Final = re.compile(r" +([A-Za-z0-9._~+/-]+=*)[ \t]*")
_LONGEST: Final = 16_384
_SCHEMES: Final[dict[str, Scheme]] = {"bearer": "Bearer", "dpop": "DPoP"}


@final
class ReceivedToken(Confidential):
    """A token and the scheme that it was sent by; its repr shows the scheme."""

    __slots__ = ("scheme", "value")

    def __init__(self, scheme: Scheme, value: str) -> None:
        self.scheme = scheme
        self.value = value

    def __repr__(self) -> str:
        return f"ReceivedToken({self.scheme})"


def read_bearer_header(authorization: Sequence[str], *, elsewhere: bool = False, dpop: bool = False) -> ReceivedToken:
    """Return the access token of a request.

    Parameters:
        authorization: every ``Authorization`` header of the request, each as it was received.
        elsewhere: True where the request also has an ``access_token`` in its query or form, which is never read.
        dpop: True where the scheme DPoP is accepted too (RFC 9449 section 7.1).

    Raises TokenMissing (401, no error code) without credentials of such a scheme, and InvalidRequest (400) for two
    headers, two values in one, a token in two places, or a header that is not one scheme and one token. The error has
    the scheme that the request was sent with.
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
    found = _SCHEME.match(value, 0, len("Bearer "))
    scheme = None if found is None else _SCHEMES.get(found[0].lower())
    if scheme is None or (scheme == "DPoP" and not dpop):
        raise TokenMissing(
            "The Authorization header's scheme is not accepted here; send Bearer.", reason="other_scheme"
        )
    if elsewhere:
        raise _of(scheme, _invalid("token_in_two_places", "The request has a token in more than one place."))
    if too_large:
        raise _of(scheme, invalid_token("too_large"))
    token = _TOKEN.fullmatch(value, len(scheme))
    if token is None:
        message = f"The Authorization header must be {scheme}, a space and one token."
        raise _of(scheme, _invalid("malformed_header", message))
    return ReceivedToken(scheme, token[1])


def _invalid(reason: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, reason=reason)


def _of(scheme: Scheme, error: AccessError) -> AccessError:
    error.scheme = scheme
    return error
