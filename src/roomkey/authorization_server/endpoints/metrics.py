"""``GET /metrics`` in Prometheus' text format: with the metrics token, or without one from this machine alone."""

import asyncio
import hmac
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.endpoints.health import DATABASE_SECONDS
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.lists.deny_list import MAX_DENIED, count_revoked_tokens
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.server.metrics import Gauge, Measurements
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.http.transport import is_loopback

_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
_NO_STORE: Final = {"Cache-Control": "no-store"}


class Metrics:
    """The endpoint as an ASGI application inside of :class:`AccessLog`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        response = self._deny(request) or await self._expose(request.state.measurements)
        await response(scope, receive, send)

    def _deny(self, request: Request) -> Response | None:
        token = self._service.settings.metrics_token
        if token is None:
            if comes_from_here(request.scope):
                return None
            problem = "Send the request from the service's machine, or configure a metrics_token."
            return JSONResponse({"error": "access_denied", "error_description": problem}, 403, _NO_STORE)
        received = [value for name, value in request.scope["headers"] if name == b"authorization"]
        scheme, _, value = received[0].partition(b" ") if len(received) == 1 else (b"", b"", b"")
        if scheme.lower() == b"bearer" and hmac.compare_digest(value.strip(b" \t"), token.reveal().encode()):
            return None
        return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer", **_NO_STORE})

    async def _expose(self, measurements: Measurements) -> Response:
        reading, writing = self._service.database.waiting()
        gauges: list[Gauge] = [
            ("roomkey_database_jobs_waiting", "Jobs that wait for the database.", {"lane": lane}, count)
            for lane, count in (("read", reading), ("write", writing))
        ]
        up = 1
        try:
            async with asyncio.timeout(DATABASE_SECONDS):
                gauges += await self._service.view(SERVICE, lambda uow: [*_keys(uow), *_deny_list(uow)])
        except (TimeoutError, DatabaseUnavailable):
            up = 0  # metrics are needed most when the database is in trouble
        gauges.append(("roomkey_database_up", "1 when the database answers.", {}, up))
        return Response(measurements.exposition(gauges), headers={"Content-Type": _FORMAT, **_NO_STORE})


def comes_from_here(scope: Scope) -> bool:
    """Return whether a request comes from this machine, and not through a proxy on it. Pure."""
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return False
    return not any(name in (b"forwarded", b"via") or name.startswith(b"x-forwarded-") for name, _ in scope["headers"])


def _keys(uow: UnitOfWork) -> Iterator[Gauge]:
    rows = uow.connection.execute(select(signing_keys).where(signing_keys.c.state != "removed"))
    for row in rows:
        labels = {"kid": row.kid, "algorithm": row.algorithm, "state": row.state}
        yield "roomkey_signing_key_age_seconds", "Seconds since a key was created.", labels, uow.now - row.created_at


def _deny_list(uow: UnitOfWork) -> Iterator[Gauge]:
    yield "roomkey_deny_list_tokens", "Tokens on the deny list.", {}, count_revoked_tokens(uow)
    yield "roomkey_deny_list_most", "Tokens that it can hold; with one more it is not published.", {}, MAX_DENIED
