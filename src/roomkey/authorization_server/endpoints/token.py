"""``/oauth2/token``: who asks, which grant, and the answer (RFC 6749 section 3.2)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.directory import Outdated
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.grants import authorization_code, client_credentials, password, refresh_token
from roomkey.authorization_server.grants.exchange import Exchange
from roomkey.authorization_server.people.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.web.crowd import Crowd
from roomkey.authorization_server.web.endpoint import Answer, Endpoint, Received, json_bytes
from roomkey.authorization_server.web.oauth_error import OAuthError

GRANTS: Final[Mapping[str, Callable[[Exchange], Awaitable[bytes]]]] = {
    authorization_code.NAME: authorization_code.authorization_code,
    client_credentials.NAME: client_credentials.client_credentials,
    refresh_token.NAME: refresh_token.refresh_token,
    password.NAME: password.password,
}
_ATTEMPTS: Final = 4


def token_endpoint(service: Service, clients: ClientAuthentication, crowd: Crowd, hashing: PasswordHashing) -> Endpoint:
    """The endpoint, as an ASGI application."""

    async def answer(received: Received) -> Answer:
        form = received.form()
        client = await clients.authenticate(received, form)
        received.state["client_id"] = client.client_id
        with crowd.place(client.client_id):
            for _ in range(_ATTEMPTS):
                grant = _chosen(form.required("grant_type"), client.grants)
                received.state["grant"] = form.required("grant_type")
                exchange = Exchange(service, hashing, client, form, received.address)
                try:
                    return json_bytes(await grant(exchange))
                except Outdated:
                    client = await clients.again(received, form)
        raise DatabaseUnavailable("The accounts change faster than requests can be judged by them.")

    return Endpoint(answer, methods=frozenset({"POST"}))


def _chosen(name: str, allowed: frozenset[str]) -> Callable[[Exchange], Awaitable[bytes]]:
    grant = GRANTS.get(name)
    if grant is None:
        raise OAuthError("unsupported_grant_type", "This grant type is not served here.")
    if name not in allowed:
        raise OAuthError("unauthorized_client", "The client may not use this grant type.")
    return grant
