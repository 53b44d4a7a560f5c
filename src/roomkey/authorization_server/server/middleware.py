"""Middleware around every route of the service, in order: access log, Host header check."""

import re
from typing import Final

from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from roomkey.authorization_server.server.access_log import AccessLog
from roomkey.authorization_server.server.metrics import Measurements
from roomkey.authorization_server.settings import Settings

_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


def middleware(settings: Settings) -> list[Middleware]:
    """Return the outermost middleware of an application, for ``Starlette(middleware=…)``, with its own counters."""
    return [
        Middleware(AccessLog, measurements=Measurements(), log=settings.access_log),
        Middleware(HostHeader),
    ]


class HostHeader:
    """ASGI middleware: a request with no Host, two of them or an invalid one is answered 400 (RFC 9112 section 3.2).

    Any valid name is accepted, unlike with Starlette's TrustedHostMiddleware: proxies and probes name the service as
    they reach it, and links come from the issuer, never from the Host header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not has_valid_host(scope["headers"]):
            error = {"error": "invalid_request", "error_description": "The request must have one valid Host header."}
            await JSONResponse(error, 400, {"Cache-Control": "no-store"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def has_valid_host(headers: list[tuple[bytes, bytes]]) -> bool:
    """Return whether ``headers`` hold exactly one Host, a name or an IP address with or without a port. Pure."""
    found = [value for name, value in headers if name == b"host"]
    return len(found) == 1 and _HOST.fullmatch(found[0]) is not None
