"""One request for a token on its way through: who asks, for what, and the answer (RFC 6749 section 5.1)."""

from dataclasses import dataclass

from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import NewAccessToken
from roomkey.authorization_server.web.form import Form


@dataclass(frozen=True, slots=True)
class TokenRequest:
    """A request whose client has proved itself.

    Attributes:
        service: what there is to work with.
        hashing: checks passwords.
        client: who asks.
        form: what for.
        address: where the request came from.
    """

    service: Service
    hashing: PasswordHashing
    client: Client
    form: Form
    address: str


def token_answer(minted: NewAccessToken, *, refresh_token: str | None = None) -> bytes:
    """The body that hands a token over; ``expires_in`` counts from its issue.

    It is written as it is: no token and no scope (RFC 6749 section 3.3) has a letter that JSON would escape.
    """
    refresh = "" if refresh_token is None else f',"refresh_token":"{refresh_token}"'
    return (
        f'{{"access_token":"{minted.value}","token_type":"Bearer","expires_in":{minted.expires_at - minted.issued_at},'
        f'"scope":"{" ".join(minted.grant.scope)}"{refresh}}}'
    ).encode("ascii")
