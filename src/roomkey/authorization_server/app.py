"""The auth service as one ASGI application: OAuth's addresses first, then the pages for people."""

from starlette.applications import Starlette
from starlette.routing import BaseRoute, Route

from roomkey.authorization_server.clients.authentication import ClientAuthentication
from roomkey.authorization_server.clients.directory import Directory
from roomkey.authorization_server.endpoints.health import Health
from roomkey.authorization_server.endpoints.introspect import introspection_endpoint
from roomkey.authorization_server.endpoints.metadata import metadata_endpoint
from roomkey.authorization_server.endpoints.metrics import Metrics
from roomkey.authorization_server.endpoints.revoke import revocation_endpoint
from roomkey.authorization_server.endpoints.token import token_endpoint
from roomkey.authorization_server.running.middleware import middleware
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.last_used import LastUsed
from roomkey.authorization_server.web.crowd import Crowd


def create_app(service: Service) -> Starlette:
    """The application over an open ``service``, which whoever opened it closes after the last request."""
    app = Starlette(routes=[*oauth_routes(service), *running_routes(service)], middleware=middleware(service.settings))
    app.router.redirect_slashes = False
    return app


def oauth_routes(service: Service) -> list[BaseRoute]:
    """What OAuth clients and APIs ask."""
    directory, crowd = Directory(service), Crowd()
    clients = ClientAuthentication(service, directory)
    last_used = LastUsed(service)
    metadata = metadata_endpoint(service.settings)
    return [
        Route("/oauth2/token", token_endpoint(service, clients, crowd)),
        Route("/oauth2/introspect", introspection_endpoint(service, clients, crowd, last_used)),
        Route("/oauth2/revoke", revocation_endpoint(service, clients, crowd)),
        Route("/.well-known/oauth-authorization-server", metadata),
        Route("/.well-known/openid-configuration", metadata),
    ]


def running_routes(service: Service) -> list[BaseRoute]:
    """What whoever runs the service asks."""
    return [
        Route("/health", Health(service), methods=["GET"]),
        Route("/metrics", Metrics(service), methods=["GET"]),
    ]
