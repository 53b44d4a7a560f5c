"""The addresses that machines ask all day, found by one look-up instead of a walk past every page."""

from collections.abc import Sequence

from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send


class Front:
    """ASGI middleware that serves ``routes``, whose paths have no parameters; all else goes on to the router.

    What it serves answers every error itself, as ``Endpoint`` does: no exception handler stands around it.
    """

    def __init__(self, app: ASGIApp, routes: Sequence[Route]) -> None:
        self._app = app
        self._routes = {route.path: route for route in routes}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        route = self._routes.get(_path(scope)) if scope["type"] == "http" else None
        if route is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = route
        await route.app(scope, receive, send)


def _path(scope: Scope) -> str:
    """The path below the prefix that the service is mounted under."""
    path: str = scope["path"]
    prefix = scope.get("root_path")
    return path.removeprefix(prefix) if prefix else path
