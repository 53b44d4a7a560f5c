"""Requests whose Host names no host are refused before anything reads it (RFC 9112 section 3.2).

Nothing of the service is made of the Host header: links come from the issuer.
"""

import re
from typing import Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

_HOST: Final = re.compile(
    rb"(?:[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?|\[[0-9A-Fa-f:.]{2,45}\])(?::[0-9]{1,5})?"
)


class HostHeader:
    """ASGI middleware: a request with no Host, two of them or one that is none is answered 400."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and not well_formed(scope["headers"]):
            words = {"error": "invalid_request", "error_description": "The Host header names no host."}
            await JSONResponse(words, 400, {"Cache-Control": "no-store"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def well_formed(headers: list[tuple[bytes, bytes]]) -> bool:
    """Whether ``headers`` hold exactly one Host, which is a name or an address with or without a port. Pure."""
    found = [value for name, value in headers if name == b"host"]
    return len(found) == 1 and _HOST.fullmatch(found[0]) is not None
