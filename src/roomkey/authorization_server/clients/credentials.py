"""The client credentials of a request, read but not validated (RFC 6749 section 2.3, RFC 7521; pure)."""

import binascii
import enum
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_plus

from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError, invalid_request
from roomkey.authorization_server.web.request_response import BufferedRequest
from roomkey.jose.compact import read_unverified
from roomkey.secret import Confidential

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_MAX_HEADER: Final = 8192


class Method(enum.StrEnum):
    """The methods of client authentication, as RFC 8414 names them."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"
    PRIVATE_KEY_JWT = "private_key_jwt"
    NONE = "none"


@dataclass(frozen=True, slots=True, repr=False, eq=False)
class Credentials(Confidential):
    """The client_id, the method, and the secret or assertion. The repr shows no secret."""

    client_id: str
    method: Method
    secret: str

    def __repr__(self) -> str:
        return f"Credentials({self.method})"


def invalid_client() -> OAuthError:
    """Return the one error for a client that is unknown or not authenticated: it does not say which."""
    return OAuthError("invalid_client", "The client is unknown, or its authentication failed.")


def read_credentials(request: BufferedRequest, form: Form) -> Credentials:
    """Read the credentials that ``request`` has; raises OAuthError where there are none, or more than one kind."""
    headers = request.header_values(b"authorization")
    secret = form.optional("client_secret")
    asserted = form.optional("client_assertion") or form.optional("client_assertion_type")
    if len(headers) + (secret is not None) + (asserted is not None) > 1:
        raise invalid_request("The client must authenticate in one way only.")
    client_id = form.optional("client_id")
    if headers:
        found = _basic(headers[0])
        if found is None:
            raise invalid_client()
        if client_id is not None and client_id != found.client_id:
            raise invalid_request("The client_id in the body is not the one in the header.")
        return found
    if asserted is not None:
        return _assertion(form, client_id)
    if client_id is None:
        raise invalid_client()
    return Credentials(client_id, Method.NONE if secret is None else Method.POST, secret or "")


def _basic(header: bytes) -> Credentials | None:
    scheme, _, encoded = header.partition(b" ")
    if scheme.lower() != b"basic" or len(header) > _MAX_HEADER:
        return None
    try:
        text = binascii.a2b_base64(encoded.strip(), strict_mode=True).decode("utf-8")
        client_id, colon, secret = text.partition(":")
        if not colon:
            return None
        # RFC 6749 section 2.3.1 has both encoded as in a form; generated secrets look the same either way.
        if "%" in text or "+" in text:
            client_id, secret = (unquote_plus(part, errors="strict") for part in (client_id, secret))
    except (binascii.Error, UnicodeDecodeError):
        return None
    return Credentials(client_id, Method.BASIC, secret)


def _assertion(form: Form, client_id: str | None) -> Credentials:
    if form.optional("client_assertion_type") != ASSERTION_TYPE:
        raise invalid_client()
    assertion = form.optional("client_assertion") or ""
    seen = read_unverified(assertion)
    named = None if seen is None else seen.claims.get("sub")
    if not isinstance(named, str) or (client_id is not None and client_id != named):
        raise invalid_client()
    return Credentials(named, Method.PRIVATE_KEY_JWT, assertion)
