"""``/oauth2/jwks`` and ``/oauth2/held-keys``: which keys the service publishes, and which ones APIs hold (RFC 7517)."""

import hashlib
import json

from starlette.routing import Route

from roomkey.authorization_server.actor import SERVICE, Actor, ActorKind
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client import Client
from roomkey.authorization_server.clients.client_cache import require_config_version
from roomkey.authorization_server.keys.adoption import report_held_keys
from roomkey.authorization_server.keys.published_keys import SigningKeys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import METHODS, CacheableDocument, cacheable_response
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.authorization_server.web.request_response import BufferedRequest, RawResponse, json_response

PUBLIC_MEMBERS = frozenset({"kty", "kid", "use", "alg", "crv", "x", "y", "n", "e"})


def routes(service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit) -> list[Route]:
    """The addresses that have to do with keys."""
    return [
        Route("/oauth2/jwks", jwks_endpoint(service)),
        Route("/oauth2/held-keys", held_keys_endpoint(service, clients, limit)),
    ]


def jwks_endpoint(service: Service) -> Endpoint:
    """Gives anybody the published keys; costs one small reading, and none of the keys while nothing has changed."""
    latest: tuple[SigningKeys, CacheableDocument] | None = None

    async def answer(request: BufferedRequest) -> RawResponse:
        nonlocal latest
        keys = await service.view(SERVICE, service.keys.load)
        if latest is None or latest[0] is not keys:
            latest = keys, jwks(keys, max_age=service.settings.jwks_max_age)
        return cacheable_response(request, latest[1])

    return Endpoint(answer, methods=METHODS)


def jwks(keys: SigningKeys, *, max_age: int) -> CacheableDocument:
    """The JWK set of ``keys``: of each only the members that are known to be public (pure)."""
    members = [{name: value for name, value in jwk.items() if name in PUBLIC_MEMBERS} for jwk in keys.published]
    body = json.dumps({"keys": members}, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return CacheableDocument(body, "application/jwk-set+json", etag, max_age)


def held_keys_endpoint(service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit) -> Endpoint:
    """Takes from an API, by its own account, the names of the keys that it holds: ``kids``, separated by spaces."""

    async def answer(request: BufferedRequest) -> RawResponse:
        form = request.parse_form()
        kids = (form.optional("kids") or "").split()

        async def reported(caller: Client) -> RawResponse:
            if not caller.is_api:
                words = "Only an API's own account says which keys it holds."
                raise OAuthError("unauthorized_client", words, status=403)
            actor = Actor(ActorKind.SERVICE_ACCOUNT, caller.client_id, tenant=caller.tenant, address=request.address)

            def act(uow: UnitOfWork) -> tuple[str, ...]:
                require_config_version(uow.connection, caller.config_version, issues=False)
                return report_held_keys(uow, kids=kids)

            return json_response({"kids": await service.perform(actor, act)})

        return await clients.serve(request, form, limit, reported)

    return Endpoint(answer, methods=frozenset({"POST"}))
