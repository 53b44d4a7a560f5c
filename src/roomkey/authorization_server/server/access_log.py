"""One line in the log for each request, an id that answer and log share, and no error that leaves the service bare.

The line names the route's template and never the path, which may hold what somebody typed into the wrong place.
"""

import logging
import secrets
import time
from typing import Any, Final

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roomkey.authorization_server.server.metrics import Measurements
from roomkey.errors import place_of

ACCESS: Final = logging.getLogger("roomkey.server.access")
ERRORS: Final = logging.getLogger("roomkey.server.error")
_LONGEST: Final = 64


class AccessLog:
    """ASGI middleware, the outermost of the service.

    An endpoint finds ``request.state.request_id`` and ``request.state.measurements``, and may set
    ``request.state.client_id`` once it knows who asks and ``request.state.grant`` where it issues a token.
    A foreign exception is answered 500 with the request's id, and logged by its kind and place: its words may hold a
    secret.

    Parameters:
        app: what answers.
        measurements: where each request is counted.
        log: whether there is a line for each request.
    """

    def __init__(self, app: ASGIApp, *, measurements: Measurements, log: bool = True) -> None:
        self._app = app
        self._measurements = measurements
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        state = scope.setdefault("state", {})
        state["request_id"] = request_id
        state["measurements"] = self._measurements
        began, status = time.perf_counter(), 0
        header = (b"x-request-id", request_id.encode())

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {**message, "headers": [*message.get("headers", ()), header]}
            await send(message)

        self._measurements.in_flight += 1
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - whatever it is, its words may hold a secret
            ERRORS.error(
                "unexpected",
                extra={"fields": {"request_id": request_id, "error": type(error).__name__, "place": place_of(error)}},
            )
            if status == 0:
                words = {"error": "server_error", "error_description": f"Something failed; ask about {request_id}."}
                await JSONResponse(words, 500, {"Cache-Control": "no-store"})(scope, receive, send_with_id)
            else:
                status = 500
                raise _Torn from None
        finally:
            self._measurements.in_flight -= 1
            self._finish(scope, state, request_id, status, time.perf_counter() - began)

    def _finish(self, scope: Scope, state: dict[str, Any], request_id: str, status: int, seconds: float) -> None:
        route = template(scope)
        self._measurements.request(
            route=route, method=scope["method"], status=status, seconds=seconds, grant=state.get("grant")
        )
        if self._log:
            fields = {
                "request_id": request_id,
                "method": scope["method"][:_LONGEST],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
            }
            client_id = state.get("client_id")
            if client_id is not None:
                fields["client_id"] = client_id[:_LONGEST]
            ACCESS.info("request", extra={"fields": fields})


class _Torn(Exception):
    """An answer that had begun cannot be finished; the server closes the connection."""


def template(scope: Scope) -> str:
    """The template of the route that serves ``scope``, such as ``/api/v1/apis/{audience}``, or ``-``."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return "-"
    root: str = scope.get("root_path", "")
    return path if path.startswith(root) else root + path
