"""The auth service as one ASGI application: OAuth endpoints, operations, admin API, pages."""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server import admin_api
from roomkey.authorization_server.backoffice.page import answer_error
from roomkey.authorization_server.backoffice.routes import ROUTES as PAGES
from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.client_cache import ClientCache
from roomkey.authorization_server.endpoints.authorize import ROUTES as AUTHORIZATION
from roomkey.authorization_server.endpoints.health import Health
from roomkey.authorization_server.endpoints.introspect import introspection_endpoint
from roomkey.authorization_server.endpoints.metadata import metadata_endpoint
from roomkey.authorization_server.endpoints.metrics import Metrics
from roomkey.authorization_server.endpoints.revoke import revocation_endpoint
from roomkey.authorization_server.endpoints.token import token_endpoint
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.keys import endpoints as key_endpoints
from roomkey.authorization_server.lists import endpoints as list_endpoints
from roomkey.authorization_server.server.middleware import middleware
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.concurrency_limit import ConcurrencyLimit
from roomkey.authorization_server.web.endpoint import ExactPaths


def create_app(service: Service, *, hashing: PasswordHashing | None = None) -> Starlette:
    """Return the application of an open ``service``, which the caller closes after the last request.

    ``hashing`` checks passwords; tests pass a cheaper one. ``app.state`` has ``service``, ``hashing`` and
    ``last_used``, whose buffer a background job writes.
    """
    hashing = hashing or PasswordHashing()
    last_used = LastUsed(service)
    app = Starlette(
        routes=[
            *AUTHORIZATION,
            *operations_routes(service),
            *admin_api.routes(service),
            *PAGES,
        ],
        middleware=[
            *middleware(service.settings),
            Middleware(ExactPaths, routes=oauth_routes(service, hashing, last_used)),
        ],
        exception_handlers={ServiceError: answer_error},
    )
    app.router.redirect_slashes = False
    app.state.service = service
    app.state.hashing = hashing
    app.state.last_used = last_used
    return app


def oauth_routes(service: Service, hashing: PasswordHashing, last_used: LastUsed) -> list[Route]:
    """Return the routes for OAuth clients and APIs."""
    directory, limit = ClientCache(service), ConcurrencyLimit()
    clients = ClientAuthentication(service, directory, last_used)
    metadata = metadata_endpoint(service.settings)
    return [
        Route("/oauth2/token", token_endpoint(service, clients, limit, hashing)),
        Route("/oauth2/introspect", introspection_endpoint(service, clients, limit, last_used)),
        Route("/oauth2/revoke", revocation_endpoint(service, clients, limit)),
        *key_endpoints.routes(service, clients, limit),
        *list_endpoints.routes(service),
        Route("/.well-known/oauth-authorization-server", metadata),
        Route("/.well-known/openid-configuration", metadata),
    ]


def operations_routes(service: Service) -> list[BaseRoute]:
    """Return the routes for operators."""
    return [
        Route("/health", Health(service), methods=["GET"]),
        Route("/metrics", Metrics(service), methods=["GET"]),
    ]
