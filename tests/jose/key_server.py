"""An issuer that publishes keys on loopback, and counts who asks for them."""

import json
import time
from collections.abc import Callable
from typing import Any

from roomkey.clock import Clock
from roomkey.testing.faults import FaultyServer
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, json_response


class KeyServer(FaultyServer):
    """Serves ``keys`` at ``/jwks``; faults concern that address.

    Attributes:
        keys: the JWKs of the set.
        headers: more headers of its answer.
        etag: sent where it is set, and answered with 304 where it is sent back.
        metadata: what the metadata says beside the issuer and ``jwks_uri``.
        asked: the requests for the set so far.
        others: the paths of all other requests.
    """

    def __init__(self, clock: Clock) -> None:
        super().__init__(self._answer, wall=clock.wall, affects=lambda request: request.path.startswith("/jwks"))
        self.keys: list[Any] = []
        self.headers: list[tuple[str, str]] = []
        self.etag: str | None = None
        self.metadata: dict[str, Any] = {}
        self.asked: list[LoopbackRequest] = []
        self.others: list[str] = []

    @property
    def url(self) -> str:
        return self.origin + "/jwks"

    def _record(self, request: LoopbackRequest) -> None:
        self.asked.append(request)

    def _answer(self, request: LoopbackRequest) -> LoopbackResponse:
        if request.path.startswith("/jwks"):
            headers = [*self.headers, *((("etag", self.etag),) if self.etag else ())]
            if self.etag and request.header("if-none-match") == self.etag:
                return LoopbackResponse(304, headers=headers)
            return LoopbackResponse(200, json.dumps({"keys": self.keys}).encode(), headers)
        self.others.append(request.path)
        if request.path == "/.well-known/openid-configuration":
            return json_response({"issuer": self.origin, "jwks_uri": self.url} | self.metadata)
        return json_response({}, 404)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until something that happens in the background has happened."""
    end = time.monotonic() + 10.0
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.002)
