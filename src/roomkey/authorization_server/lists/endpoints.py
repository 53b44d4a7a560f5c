"""``/oauth2/deny-list`` and ``/oauth2/status-list``: made anew once a second at most, however many look."""

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
from roomkey.authorization_server.web.cacheable import METHODS, Published, published_answer
from roomkey.authorization_server.web.endpoint import Answer, Endpoint, Received
from roomkey.authorization_server.web.oauth_error import OAuthError, invalid_request
from roomkey.clock import Clock

_log = logging.getLogger("roomkey.authorization_server")
_EVERY: Final = 1.0
_LONGEST: Final = 5.0
_SHARE: Final = 10.0
_MOST_AUDIENCES: Final = 64


def routes(service: Service) -> list[Route]:
    """The addresses of both lists."""
    return [
        Route("/oauth2/deny-list", deny_list_endpoint(service)),
        Route("/oauth2/status-list", status_list_endpoint(service)),
    ]


def deny_list_endpoint(service: Service) -> Endpoint:
    """Gives anybody the list of all ended tokens, or with ``?audience=`` of those for one API."""
    latest: dict[str | None, Latest] = {}

    async def answer(received: Received) -> Answer:
        audience = _audience(received)
        if audience not in latest:
            if not await service.view(SERVICE, partial(_is_api, audience=audience)):
                raise OAuthError("invalid_target", "There is no such API.", status=404)
            if len(latest) > _MOST_AUDIENCES:
                latest.clear()
            latest[audience] = Latest(partial(deny_list, service.keys, audience=audience), service.clock)
        return published_answer(received, await latest[audience].document(service))

    return Endpoint(answer, methods=METHODS)


def status_list_endpoint(service: Service) -> Endpoint:
    """Gives anybody the statuses of all app tokens."""
    latest = Latest(partial(status_list, service.keys), service.clock)

    async def answer(received: Received) -> Answer:
        return published_answer(received, await latest.document(service))

    return Endpoint(answer, methods=METHODS)


class Latest:
    """The newest form of a list, for a second: within it nobody reads the database or signs anything.

    A list of a size that takes long to make is kept for longer, up to 5 seconds: it takes a tenth of the time at most.
    Each form is dated when it is made, on every node: a validator that is sent to another one gets no older list.
    """

    def __init__(self, make: Callable[[UnitOfWork], Published], clock: Clock) -> None:
        self._make = make
        self._clock = clock
        self._lock = threading.Lock()  # of many that find it old at once, one makes it anew
        self._made: tuple[Published, float] | None = None  # the list, and until when it counts
        self._refused = False

    async def document(self, service: Service) -> Published:
        """The list, at most 5 seconds old; raises OAuthError (503) where it is too long to be published."""
        at_hand = self._at_hand()
        return at_hand if at_hand is not None else await service.view(SERVICE, self._newest)

    def _at_hand(self) -> Published | None:
        made = self._made
        return made[0] if made is not None and self._clock.monotonic() < made[1] else None

    def _newest(self, uow: UnitOfWork) -> Published:
        with self._lock:
            document = self._at_hand()
            if document is None:
                began = self._clock.monotonic()
                document = self._made_now(uow)
                took = self._clock.monotonic() - began
                self._made = document, began + min(max(_EVERY, _SHARE * took), _LONGEST)
            return document

    def _made_now(self, uow: UnitOfWork) -> Published:
        try:
            document = self._make(uow)
        except OAuthError as error:
            if not self._refused:
                _log.error("A list of ended tokens cannot be published, and validators will refuse tokens: %s", error)
            self._refused = True
            raise
        self._refused = False
        return document


def _audience(received: Received) -> str | None:
    try:
        asked = parse_qsl(received.query.decode("ascii"), keep_blank_values=True, strict_parsing=True, max_num_fields=1)
    except ValueError:
        asked = []
    if received.query and [name for name, _ in asked] != ["audience"]:
        raise invalid_request("The deny list takes ?audience=, once, and nothing else.")
    return asked[0][1] if asked else None


def _is_api(uow: UnitOfWork, *, audience: str | None) -> bool:
    found = select(apis.c.audience).where(apis.c.audience == audience)
    return audience is None or uow.connection.scalar(found) is not None
