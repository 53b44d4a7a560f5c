"""``/oauth2/token``: who asks, which grant, and the answer (RFC 6749 section 3.2)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.grants import authorization_code, client_credentials, password, refresh_token
from roomkey.authorization_server.grants.token_request import TokenRequest
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import JSON, NO_STORE, Answer, Endpoint, Received
from roomkey.authorization_server.web.oauth_error import OAuthError

GRANTS: Final[Mapping[str, Callable[[TokenRequest], Awaitable[bytes]]]] = {
    authorization_code.NAME: authorization_code.authorization_code,
    client_credentials.NAME: client_credentials.client_credentials,
    refresh_token.NAME: refresh_token.refresh_token,
    password.NAME: password.password,
}
_HEADERS: Final = (JSON, NO_STORE, (b"pragma", b"no-cache"))
"""RFC 6749 section 5.1 wants both of those that forbid to keep the answer."""


def token_endpoint(
    service: Service, clients: ClientAuthentication, crowd: ConcurrencyLimit, hashing: PasswordHashing
) -> Endpoint:
    """The endpoint, as an ASGI application."""

    async def answer(received: Received) -> Answer:
        form = received.form()

        async def issued(client: Client) -> Answer:
            name = form.required("grant_type")
            grant = _chosen(name, client.grants)
            received.state["grant"] = name
            return Answer(200, await grant(TokenRequest(service, hashing, client, form, received.address)), _HEADERS)

        return await clients.serve(received, form, crowd, issued)

    return Endpoint(answer, methods=frozenset({"POST"}))


def _chosen(name: str, allowed: frozenset[str]) -> Callable[[TokenRequest], Awaitable[bytes]]:
    grant = GRANTS.get(name)
    if grant is None:
        raise OAuthError("unsupported_grant_type", "This grant type is not served here.")
    if name not in allowed:
        raise OAuthError("unauthorized_client", "The client may not use this grant type.")
    return grant
