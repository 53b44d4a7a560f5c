"""Whether a client is who it says it is: one answer, in one time, for whatever is wrong (RFC 6749 section 2.3)."""

import hmac
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.clients.assertion import read_assertion, use_assertion
from roomkey.authorization_server.clients.client import Client, ClientAuthPolicy, KnownSecret
from roomkey.authorization_server.clients.client_cache import Directory, StaleConfig
from roomkey.authorization_server.clients.credentials import Credentials, Method, read_credentials, refused
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.identity.throttle import network
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.form import Form
from roomkey.authorization_server.web.oauth_error import OAuthError, too_many_requests
from roomkey.authorization_server.web.request_response import BufferedRequest
from roomkey.authorization_server.web.token_bucket import Rate, TokenBuckets

Result = TypeVar("Result")
_ATTEMPTS: Final = 4
_BY_ACCOUNT: Final = frozenset({"unauthorized_client", "invalid_scope", "invalid_target"})
_NOBODY: Final = ClientAuthPolicy("", (KnownSecret(bytes(32), 0),))  # what an unknown client is compared with
_FAILURES: Final = Rate(burst=60, per_second=2.0)


class ClientAuthentication:
    """Tells clients by what they present. For one event loop.

    A client that is remembered and proves itself costs no reading; every refusal costs exactly one, whether the client
    is unknown, disabled, or presents the wrong thing.
    """

    def __init__(self, service: Service, directory: Directory, last_used: LastUsed) -> None:
        self._service = service
        self._last_used = last_used
        self._directory = directory
        self._failures = TokenBuckets(_FAILURES)

    async def serve(
        self,
        request: BufferedRequest,
        form: Form,
        limit: ConcurrencyLimit,
        answer: Callable[[Client], Awaitable[Result]],
    ) -> Result:
        """What ``answer`` makes for the client that ``request`` comes from; made anew where the accounts have changed.

        No client is refused for what it was not allowed a while ago.

        Raises OAuthError, and DatabaseUnavailable where the accounts change all the time.
        """
        client = await self.authenticate(request, form)
        request.state.client_id = client.client_id
        with limit.slot(client.client_id):
            for _ in range(_ATTEMPTS):
                try:
                    return await answer(client)
                except StaleConfig:
                    pass
                except OAuthError as error:
                    if error.error not in _BY_ACCOUNT or await self._directory.is_current(client):
                        raise
                client = await self._again(request, form)
        raise DatabaseUnavailable("The accounts change faster than requests can be judged by them.")

    async def authenticate(self, request: BufferedRequest, form: Form) -> Client:
        """The client that ``request`` comes from, as far as this node remembers; raises OAuthError."""
        presented = read_credentials(request, form)
        remembered = self._directory.remembered(presented.client_id)
        if remembered is not None and await self._proves(remembered.proof, presented):
            return remembered
        caller, now = network(request.address), self._service.clock.monotonic()
        if self._failures.level(caller, now) < 1.0:
            raise too_many_requests(1)
        try:
            proof = await self._directory.proof(presented.client_id)
            if not await self._proves(proof or _NOBODY, presented):
                raise refused()
            return await self._read(presented)
        except OAuthError:
            self._failures.take(caller, now)
            raise

    async def _again(self, request: BufferedRequest, form: Form) -> Client:
        """As ``authenticate``, for a request that came through it and whose accounts have changed since."""
        return await self._read(read_credentials(request, form))

    async def _read(self, presented: Credentials) -> Client:
        """The account as it is now, held against the very proof that it has now."""
        client = await self._directory.read(presented.client_id)
        if client is None or not await self._proves(client.proof, presented, used=True):
            raise refused()
        return client

    async def _proves(self, proof: ClientAuthPolicy, presented: Credentials, *, used: bool = False) -> bool:
        """Whether it does; ``used`` says that an assertion has been used up by this very request."""
        if presented.method is Method.PRIVATE_KEY_JWT:
            return await self._asserts(proof, presented, used=used)
        now = self._service.now()
        digest = secret_format.digest_of(presented.proof)
        right = False
        for known in proof.secrets or _NOBODY.secrets:
            live = known.expires_at is None or now < known.expires_at
            right |= hmac.compare_digest(digest, known.digest) and live
        if proof.authentication != presented.method:
            return False
        if right:
            self._last_used.secret(digest, now)
        return right or presented.method is Method.NONE

    async def _asserts(self, proof: ClientAuthPolicy, presented: Credentials, *, used: bool) -> bool:
        settings, client_id = self._service.settings, presented.client_id
        now = self._service.clock.wall()
        keys = proof.keys if proof.authentication == presented.method else None
        found = read_assertion(client_id, keys, presented.proof, settings=settings, now=now)
        if found is None or used:
            return found is not None
        return await self._service.database.write(lambda connection: use_assertion(connection, client_id, *found))
