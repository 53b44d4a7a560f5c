"""Access log: one line for each request in logfmt or JSON, with an id that the response bears too.

The line has the route's template, never the path, into which a caller may have put a secret. The messages of foreign
exceptions are never logged either, only their type and place.
"""

import functools
import json
import logging
import re
import secrets
import sys
import time
from typing import Any, Final, TextIO

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from roomkey.authorization_server.server.metrics import Measurements
from roomkey.errors import place_of

ACCESS: Final = logging.getLogger("roomkey.server.access")
ERRORS: Final = logging.getLogger("roomkey.server.error")
_MAX_FIELD: Final = 64  # characters
_UNQUOTED: Final = re.compile(r"[A-Za-z0-9_.:/{}@+,;*-]+", re.ASCII)
_LOGGERS: Final = ("roomkey", "uvicorn.error")


class AccessLog:
    """ASGI middleware, the outermost of the service.

    An endpoint finds ``request.state.request_id`` and ``request.state.measurements``, and may set
    ``request.state.client_id`` and, where it issues a token, ``request.state.grant``. An exception that no endpoint
    handles is answered 500 with the request's id.

    Parameters:
        app: the application.
        measurements: counts each request.
        log: whether to write a line for each request.
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
        started, status = time.perf_counter(), 0
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
        except Exception as error:  # noqa: BLE001 - its message may hold a secret
            ERRORS.error(
                "unexpected",
                extra={"fields": {"request_id": request_id, "error": type(error).__name__, "place": place_of(error)}},
            )
            if status == 0:
                answer = {"error": "server_error", "error_description": f"Something failed; ask about {request_id}."}
                await JSONResponse(answer, 500, {"Cache-Control": "no-store"})(scope, receive, send_with_id)
            else:
                status = 500
                raise _Incomplete from None
        finally:
            self._measurements.in_flight -= 1
            self._finish(scope, state, request_id, status, time.perf_counter() - started)

    def _finish(self, scope: Scope, state: dict[str, Any], request_id: str, status: int, seconds: float) -> None:
        route = template(scope)
        self._measurements.request(
            route=route, method=scope["method"], status=status, seconds=seconds, grant=state.get("grant")
        )
        if self._log:
            fields = {
                "request_id": request_id,
                "method": scope["method"][:_MAX_FIELD],
                "route": route,
                "status": status,
                "ms": round(seconds * 1000, 1),
            }
            client_id = state.get("client_id")
            if client_id is not None:
                fields["client_id"] = client_id[:_MAX_FIELD]
            ACCESS.info("request", extra={"fields": fields})


class _Incomplete(Exception):
    """A response that has begun cannot be completed; the server closes the connection."""


def template(scope: Scope) -> str:
    """Return the template of the route that serves ``scope``, such as ``/api/v1/apis/{audience}``, or ``-``."""
    path = getattr(scope.get("route"), "path", None)
    if not isinstance(path, str):
        return "-"
    root: str = scope.get("root_path", "")
    return path if path.startswith(root) else root + path


class LineFormatter(logging.Formatter):
    """Formats a record as one line that no content can break: time, level, event, then the record's ``fields``.

    ``json_lines``: as JSON rather than logfmt.
    """

    def __init__(self, *, json_lines: bool) -> None:
        super().__init__()
        self._json = json_lines

    def format(self, record: logging.LogRecord) -> str:
        """Return the line without its line end."""
        fields = fields_of(record)
        if self._json:
            return json.dumps(fields, separators=(",", ":"))
        return " ".join([f"{name}={_quote(value)}" for name, value in fields.items()])


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record's line, in order; of an exception its type and place."""
    fields: dict[str, Any] = {
        "time": f"{_format_second(int(record.created))}.{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "event": record.getMessage().strip(),
    }
    fields |= getattr(record, "fields", {})
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        fields |= {"error": type(error).__name__, "place": place_of(error)}
    return fields


@functools.lru_cache(maxsize=2)
def _format_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _quote(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    string = str(value)
    return string if _UNQUOTED.fullmatch(string) else json.dumps(string)


class LogHandler(logging.StreamHandler[TextIO]):
    """Writes to stderr; a line that cannot be written is dropped, and fails no request."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in logging
        """Drop the line: there is no place left to report the error."""


def configure_logging(log_format: str, formatter: logging.Formatter | None = None) -> None:
    """Send the service's records to stderr from now on, one line each; ``formatter`` is for a terminal.

    For a process that serves: what no line shows is not collected any more, for any logger of the process.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined,unused-ignore]
    handler = LogHandler(sys.stderr)
    handler.setFormatter(formatter or LineFormatter(json_lines=log_format == "json"))
    for name in _LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO if name.startswith("roomkey") else logging.WARNING)
