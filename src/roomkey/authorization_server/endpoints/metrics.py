"""``GET /metrics`` in Prometheus' text format: for whoever has the token, or without one for this machine alone."""

import asyncio
import hmac
from collections.abc import Iterator
from typing import Final

from sqlalchemy import select
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.endpoints.health import PATIENCE
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.lists.deny_list import MAX_DENIED, count_revoked_tokens
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.server.metrics import Labels, Measurements
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.http.address import is_loopback

_FORMAT: Final = "text/plain; version=0.0.4; charset=utf-8"
_NO_STORE: Final = {"Cache-Control": "no-store"}
Gauge = tuple[str, str, Labels, float]


class Metrics:
    """The endpoint, as an ASGI application inside of :class:`AccessLog`."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        await (self._refusal(scope) or await self._page(scope["state"]["measurements"]))(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        token = self._service.settings.metrics_token
        if token is None:
            words = "Ask from the machine of the service, or give the service a metrics_token."
            return (
                None
                if comes_from_here(scope)
                else JSONResponse({"error": "access_denied", "error_description": words}, 403, _NO_STORE)
            )
        sent = [value for name, value in scope["headers"] if name == b"authorization"]
        expected = b"Bearer " + token.reveal().encode()
        if len(sent) == 1 and hmac.compare_digest(sent[0], expected):
            return None
        return JSONResponse({"error": "invalid_token"}, 401, {"WWW-Authenticate": "Bearer", **_NO_STORE})

    async def _page(self, measurements: Measurements) -> Response:
        reading, writing = self._service.database.waiting()
        gauges: list[Gauge] = [
            ("roomkey_database_jobs_waiting", "Jobs that wait for the database.", {"lane": lane}, count)
            for lane, count in (("read", reading), ("write", writing))
        ]
        answers = 1
        try:
            async with asyncio.timeout(PATIENCE):
                gauges += await self._service.view(SERVICE, lambda uow: [*_keys(uow), *_deny_list(uow)])
        except (TimeoutError, DatabaseUnavailable):
            answers = 0  # the page is wanted most when the database is in trouble
        gauges.append(("roomkey_database_up", "Whether the database answers.", {}, answers))
        return PlainTextResponse(measurements.text(gauges), headers={"Content-Type": _FORMAT, **_NO_STORE})


def comes_from_here(scope: Scope) -> bool:
    """Whether a request comes from this machine and through no proxy, which would hide where it comes from. Pure."""
    client = scope.get("client")
    if client is None or not is_loopback(client[0]):
        return False
    return not any(name in (b"forwarded", b"via") or name.startswith(b"x-forwarded-") for name, _ in scope["headers"])


def _keys(uow: UnitOfWork) -> Iterator[Gauge]:
    rows = uow.connection.execute(select(signing_keys).where(signing_keys.c.state != "removed"))
    for row in rows:
        labels = {"kid": row.kid, "algorithm": row.algorithm, "state": row.state}
        yield "roomkey_signing_key_age_seconds", "Seconds since a key was made.", labels, uow.now - row.created_at


def _deny_list(uow: UnitOfWork) -> Iterator[Gauge]:
    yield "roomkey_deny_list_tokens", "Tokens that the deny list names.", {}, count_revoked_tokens(uow)
    yield "roomkey_deny_list_most", "Tokens that it can name; with one more there is no list.", {}, MAX_DENIED
