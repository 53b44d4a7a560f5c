"""``/oauth2/jwks``, the published keys (RFC 7517); ``/oauth2/held-keys``, by which APIs report the keys they hold."""

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
    """Return the routes of the signing keys."""
    return [
        Route("/oauth2/jwks", jwks_endpoint(service)),
        Route("/oauth2/held-keys", held_keys_endpoint(service, clients, limit)),
    ]


def jwks_endpoint(service: Service) -> Endpoint:
    """Return the endpoint of the JWK set; a request costs one small query while the keys have not changed."""
    latest: tuple[SigningKeys, CacheableDocument] | None = None

    async def answer(request: BufferedRequest) -> RawResponse:
        nonlocal latest
        keys = await service.view(SERVICE, service.keys.load)
        if latest is None or latest[0] is not keys:
            latest = keys, jwks(keys, max_age=service.settings.jwks_max_age)
        return cacheable_response(request, latest[1])

    return Endpoint(answer, methods=METHODS)


def jwks(keys: SigningKeys, *, max_age: int) -> CacheableDocument:
    """Return the JWK set of ``keys``: of each only the members that are known to be public (pure)."""
    members = [{name: value for name, value in jwk.items() if name in PUBLIC_MEMBERS} for jwk in keys.published]
    body = json.dumps({"keys": members}, separators=(",", ":")).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    return CacheableDocument(body, "application/jwk-set+json", etag, max_age)


def held_keys_endpoint(service: Service, clients: ClientAuthentication, limit: ConcurrencyLimit) -> Endpoint:
    """Return the endpoint to which an API's own account reports the keys that it holds: ``kids``, space-separated."""

    async def answer(request: BufferedRequest) -> RawResponse:
        form = request.parse_form()
        kids = (form.optional("kids") or "").split()

        async def reported(caller: Client) -> RawResponse:
            if not caller.is_api:
                message = "Only an API's own account can report the keys that it holds."
                raise OAuthError("unauthorized_client", message, status=403)
            actor = Actor(ActorKind.SERVICE_ACCOUNT, caller.client_id, tenant=caller.tenant, address=request.address)

            def act(uow: UnitOfWork) -> tuple[str, ...]:
                require_config_version(uow.connection, caller.config_version, issues=False)
                return report_held_keys(uow, kids=kids)

            return json_response({"kids": await service.perform(actor, act)})

        return await clients.serve(request, form, limit, reported)

    return Endpoint(answer, methods=frozenset({"POST"}))
