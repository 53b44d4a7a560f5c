"""One token request, and the successful response to it (RFC 6749 section 5.1)."""

from dataclasses import dataclass

from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import NewAccessToken
from roomkey.authorization_server.web.form import Form


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request whose client is authenticated.

    Attributes:
        service: the database, keys and clock.
        hashing: checks passwords.
        client: the client that sent it.
        form: its parameters.
        address: the address that it came from.
    """

    service: Service
    hashing: PasswordHashing
    client: Client
    form: Form
    address: str


def token_response(token: NewAccessToken, *, refresh_token: str | None = None) -> bytes:
    """Return the response's body; ``expires_in`` counts from the token's issue.

    Written without a JSON encoder: no token and no scope (RFC 6749 section 3.3) has a character that JSON escapes.
    """
    refresh = "" if refresh_token is None else f',"refresh_token":"{refresh_token}"'
    return (
        f'{{"access_token":"{token.value}","token_type":"Bearer","expires_in":{token.expires_at - token.issued_at},'
        f'"scope":"{" ".join(token.grant.scope)}"{refresh}}}'
    ).encode("ascii")
