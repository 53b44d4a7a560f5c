"""``/oauth2/token``: client authentication, grant, token response (RFC 6749 section 3.2)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.grants import authorization_code, client_credentials, password, refresh_token
from roomkey.authorization_server.grants.token_request import TokenRequest
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import JSON, NO_STORE, BufferedRequest, RawResponse

GRANTS: Final[Mapping[str, Callable[[TokenRequest], Awaitable[bytes]]]] = {
    authorization_code.NAME: authorization_code.authorization_code,
    client_credentials.NAME: client_credentials.client_credentials,
    refresh_token.NAME: refresh_token.refresh_token,
    password.NAME: password.password,
}
_HEADERS: Final = (JSON, NO_STORE, (b"pragma", b"no-cache"))  # RFC 6749 section 5.1 wants both


def token_endpoint(
    service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit, hashing: PasswordHashing
) -> Endpoint:
    """Return the endpoint as an ASGI application."""

    async def handle(request: BufferedRequest) -> RawResponse:
        form = request.parse_form()

        async def issue(client: Client) -> RawResponse:
            name = form.required("grant_type")
            grant = _grant(name, client.grants)
            request.set_log_field("grant", name)
            body = await grant(TokenRequest(service, hashing, client, form, request.address))
            return RawResponse(200, body, _HEADERS)

        return await clients.serve(request, form, limit, issue)

    return Endpoint(handle, methods=frozenset({"POST"}))


def _grant(name: str, allowed: frozenset[str]) -> Callable[[TokenRequest], Awaitable[bytes]]:
    grant = GRANTS.get(name)
    if grant is None:
        raise OAuthError("unsupported_grant_type", "This service does not support the grant type.")
    if name not in allowed:
        raise OAuthError("unauthorized_client", "The client may not use this grant type.")
    return grant
