"""Client authentication: one error, in the same time, for whatever is wrong (RFC 6749 section 2.3)."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.clients.assertion import consume_assertion, read_assertion
from roomkey.authorization_server.clients.client import Client, ClientAuthPolicy, StoredSecret
from roomkey.authorization_server.clients.client_cache import ClientCache, StaleConfig
from roomkey.authorization_server.clients.credentials import Credentials, Method, invalid_client, read_credentials
from roomkey.authorization_server.clients.failed_authentications import FailedAuthenticationLimit
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import BufferedRequest

Result = TypeVar("Result")
_ATTEMPTS: Final = 4
_MAY_BE_STALE: Final = frozenset({"unauthorized_client", "invalid_scope", "invalid_target"})
_UNKNOWN_CLIENT: Final = ClientAuthPolicy("", (StoredSecret(bytes(32), 0),))  # compared with, so that it takes as long


class ClientAuthentication:
    """Authenticates the client of a request. For one event loop.

    A cached client that authenticates costs no query; every rejection costs exactly one, whether the client is unknown,
    disabled, or sends a wrong secret.
    """

    def __init__(self, service: Service, clients: ClientCache, last_used: LastUsed) -> None:
        self._service = service
        self._last_used = last_used
        self._clients = clients
        self._failures = FailedAuthenticationLimit(service.clock)

    async def serve(
        self,
        request: BufferedRequest,
        form: Form,
        limit: ConcurrencyLimit,
        answer: Callable[[Client], Awaitable[Result]],
    ) -> Result:
        """Return what ``answer`` makes for the client of ``request``; called again where the configuration changed.

        No client is rejected for what it was not allowed a while ago. Raises OAuthError, and DatabaseUnavailable where
        the configuration changes all the time.
        """
        client = await self.authenticate(request, form)
        request.set_log_field("client_id", client.client_id)
        with limit.slot(client.client_id):
            for _ in range(_ATTEMPTS):
                try:
                    return await answer(client)
                except StaleConfig:
                    pass
                except OAuthError as error:
                    if error.error not in _MAY_BE_STALE or await self._clients.is_current(client):
                        raise
                # The assertion of this request was consumed by authenticate().
                client = await self._read(read_credentials(request, form))
        raise DatabaseUnavailable("The configuration changes faster than requests can be served; try again later.")

    async def authenticate(self, request: BufferedRequest, form: Form) -> Client:
        """Return the authenticated client of ``request``, perhaps as it was cached; raises OAuthError."""
        sent = read_credentials(request, form)
        cached = self._clients.cached(sent.client_id)
        if cached is not None and await self._is_authentic(cached.auth_policy, sent):
            return cached
        self._failures.check(request.address)
        try:
            policy = await self._clients.read_auth_policy(sent.client_id)
            if not await self._is_authentic(policy or _UNKNOWN_CLIENT, sent):
                raise invalid_client()
            return await self._read(sent)
        except OAuthError:
            self._failures.count(request.address)
            raise

    async def _read(self, sent: Credentials) -> Client:
        """Read the client anew and check the credentials against its policy of this moment."""
        client = await self._clients.read(sent.client_id)
        if client is None or not await self._is_authentic(client.auth_policy, sent, consumed=True):
            raise invalid_client()
        return client

    async def _is_authentic(self, policy: ClientAuthPolicy, sent: Credentials, *, consumed: bool = False) -> bool:
        """Check the credentials; ``consumed`` means that this very request has used up the assertion already."""
        if sent.method is Method.PRIVATE_KEY_JWT:
            return await self._is_authentic_assertion(policy, sent, consumed=consumed)
        now = self._service.now()
        digest = secret_format.digest_of(sent.secret)
        found = False
        for stored in policy.secrets or _UNKNOWN_CLIENT.secrets:
            valid = stored.expires_at is None or now < stored.expires_at
            found |= hmac.compare_digest(digest, stored.digest) and valid
        if policy.authentication != sent.method:
            return False
        if found:
            self._last_used.secret(digest, now)
        return found or sent.method is Method.NONE

    async def _is_authentic_assertion(self, policy: ClientAuthPolicy, sent: Credentials, *, consumed: bool) -> bool:
        settings, client_id = self._service.settings, sent.client_id
        keys = policy.keys if policy.authentication == sent.method else None
        now = self._service.clock.wall()
        found = read_assertion(client_id, keys, sent.secret, settings=settings, now=now)
        if found is None or consumed:
            return found is not None
        return await self._service.database.write(lambda connection: consume_assertion(connection, client_id, *found))
