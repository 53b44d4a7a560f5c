"""The auth service as one ASGI application."""

from starlette.applications import Starlette
from starlette.routing import Route

from roomkey.authorization_server.endpoints.health import Health
from roomkey.authorization_server.endpoints.metrics import Metrics
from roomkey.authorization_server.running.middleware import middleware
from roomkey.authorization_server.service import Service


def create_app(service: Service) -> Starlette:
    """The application over an open ``service``, which whoever opened it closes after the last request."""
    return Starlette(
        routes=[Route("/health", Health(service)), Route("/metrics", Metrics(service))],
        middleware=middleware(service.settings),
    )
