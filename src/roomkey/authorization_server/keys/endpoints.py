"""``/oauth2/jwks`` and ``/oauth2/held-keys``: which keys the service publishes, and which ones APIs hold (RFC 7517)."""

import hashlib
import json

from starlette.routing import Route

from roomkey.authorization_server.actor import SERVICE, Actor, ActorKind
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import check
from roomkey.authorization_server.keys.adoption import report_held_keys
from roomkey.authorization_server.keys.published_keys import KeysInUse
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import METHODS, Published, published_answer
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Answer, Endpoint, Received, json_answer
from roomkey.authorization_server.web.oauth_error import OAuthError

PUBLIC_MEMBERS = frozenset({"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"})


def routes(service: Service, clients: ClientAuthentication, crowd: ConcurrencyLimit) -> list[Route]:
    """The addresses that have to do with keys."""
    return [
        Route("/oauth2/jwks", jwks_endpoint(service)),
        Route("/oauth2/held-keys", held_keys_endpoint(service, clients, crowd)),
    ]


def jwks_endpoint(service: Service) -> Endpoint:
    """Gives anybody the published keys; costs one small reading, and none of the keys while nothing has changed."""
    latest: tuple[KeysInUse, Published] | None = None

    async def answer(received: Received) -> Answer:
        nonlocal latest
        keys = await service.view(SERVICE, service.keys.load)
        if latest is None or latest[0] is not keys:
            latest = keys, jwks(keys, max_age=service.settings.jwks_max_age)
        return published_answer(received, latest[1])

    return Endpoint(answer, methods=METHODS)


def jwks(keys: KeysInUse, *, max_age: int) -> Published:
    """The JWK set of ``keys``: of each only the members that are known to be public (pure)."""
    members = [{name: value for name, value in jwk.items() if name in PUBLIC_MEMBERS} for jwk in keys.published]
    body = json.dumps({"keys": members}, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return Published(body, "application/jwk-set+json", etag, max_age)


def held_keys_endpoint(service: Service, clients: ClientAuthentication, crowd: ConcurrencyLimit) -> Endpoint:
    """Takes from an API, by its own account, the names of the keys that it holds: ``kids``, separated by spaces."""

    async def answer(received: Received) -> Answer:
        form = received.form()
        kids = (form.optional("kids") or "").split()

        async def reported(caller: Client) -> Answer:
            if not caller.is_api:
                words = "Only an API's own account says which keys it holds."
                raise OAuthError("unauthorized_client", words, status=403)
            actor = Actor(ActorKind.SERVICE_ACCOUNT, caller.client_id, tenant=caller.tenant, address=received.address)

            def act(uow: UnitOfWork) -> tuple[str, ...]:
                check(uow.connection, caller.generation, issues=False)
                return report_held_keys(uow, kids=kids)

            return json_answer({"kids": await service.perform(actor, act)})

        return await clients.serve(received, form, crowd, reported)

    return Endpoint(answer, methods=frozenset({"POST"}))
