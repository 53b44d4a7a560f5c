"""``/oauth2/deny-list`` and ``/oauth2/status-list``: each list is signed once a second at most, for all callers."""

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Final
from urllib.parse import parse_qsl

from sqlalchemy import select
from starlette.routing import Route

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.lists.deny_list import deny_list
from roomkey.authorization_server.lists.status_list import status_list
from roomkey.authorization_server.schema.accounts import apis
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import METHODS, CacheableDocument, cacheable_response
from roomkey.authorization_server.web.endpoint import Endpoint
from roomkey.authorization_server.web.oauth_error import OAuthError, invalid_request
from roomkey.authorization_server.web.request_response import BufferedRequest, RawResponse
from roomkey.clock import Clock

_log: Final = logging.getLogger("roomkey.authorization_server")
_MIN_AGE: Final = 1.0  # seconds
_MAX_AGE: Final = 5.0
_AGE_PER_SIGNING: Final = 10.0  # seconds that a list is kept for each second that it took to make
_MAX_AUDIENCES: Final = 64


def routes(service: Service) -> list[Route]:
    """Return the routes of both lists."""
    return [
        Route("/oauth2/deny-list", deny_list_endpoint(service)),
        Route("/oauth2/status-list", status_list_endpoint(service)),
    ]


def deny_list_endpoint(service: Service) -> Endpoint:
    """Return the public endpoint of the deny list: of all revoked tokens, or with ``?audience=`` of one API's."""
    lists: dict[str | None, ListCache] = {}

    async def handle(request: BufferedRequest) -> RawResponse:
        audience = _audience(request)
        if audience not in lists:
            if not await service.view(SERVICE, partial(_is_api, audience=audience)):
                raise OAuthError("invalid_target", "There is no such API.", status=404)
            if len(lists) > _MAX_AUDIENCES:
                lists.clear()
            lists[audience] = ListCache(partial(deny_list, service.keys, audience=audience), service.clock)
        return cacheable_response(request, await lists[audience].document(service))

    return Endpoint(handle, methods=METHODS)


def status_list_endpoint(service: Service) -> Endpoint:
    """Return the public endpoint of the status list of all app tokens."""
    cache = ListCache(partial(status_list, service.keys), service.clock)

    async def handle(request: BufferedRequest) -> RawResponse:
        return cacheable_response(request, await cache.document(service))

    return Endpoint(handle, methods=METHODS)


class ListCache:
    """Cache of one signed list for a second, in which nobody reads the database or signs anything.

    A list that takes long to make is kept for longer, up to 5 seconds, so that making it takes a tenth of the time at
    most. Its dates are those of its making, on every node: a validator that reaches another node gets no older list.
    """

    def __init__(self, make: Callable[[UnitOfWork], CacheableDocument], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()  # of many threads that find it expired, one makes it anew
        self._cached: tuple[CacheableDocument, float] | None = None  # the list, and when it expires
        self._failed = False

    async def document(self, service: Service) -> CacheableDocument:
        """Return the list, at most 5 seconds old; raises OAuthError (503) where it is too long to be published."""
        cached = self._fresh()
        return cached if cached is not None else await service.view(SERVICE, self._renew)

    def _fresh(self) -> CacheableDocument | None:
        cached = self._cached
        return cached[0] if cached is not None and self._clock.monotonic() < cached[1] else None

    def _renew(self, uow: UnitOfWork) -> CacheableDocument:
        with self._lock:
            document = self._fresh()
            if document is None:
                started = self._clock.monotonic()
                document = self._make_logged(uow)
                took = self._clock.monotonic() - started
                self._cached = document, started + min(max(_MIN_AGE, _AGE_PER_SIGNING * took), _MAX_AGE)
            return document

    def _make_logged(self, uow: UnitOfWork) -> CacheableDocument:
        try:
            document = self._make(uow)
        except OAuthError as error:
            if not self._failed:
                _log.error("A revocation list cannot be published, and validators will reject tokens: %s", error)
            self._failed = True
            raise
        self._failed = False
        return document


def _audience(request: BufferedRequest) -> str | None:
    query = request.scope["query_string"].decode("latin-1")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=True, max_num_fields=1)
    except ValueError:
        pairs = []
    if query and ([name for name, _ in pairs] != ["audience"] or not query.isascii()):
        raise invalid_request("The deny list takes one parameter, ?audience=, once.")
    return pairs[0][1] if pairs else None


def _is_api(uow: UnitOfWork, *, audience: str | None) -> bool:
    found = select(apis.c.audience).where(apis.c.audience == audience)
    return audience is None or uow.connection.scalar(found) is not None
