"""A reverse proxy in front of the demo's auth service, which injects delays and outages and counts token requests."""

import re
import time
from typing import Final

import httpx2

from roomkey.testing import FaultyServer, LoopbackRequest, LoopbackResponse

TOKEN: Final = "/oauth2/token"
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})
_SECRET: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+|\brk[a-z]{2}_[0-9A-Za-z]{20,}")
_PATIENCE: Final = 10.0


class Relay(FaultyServer):
    """A reverse proxy on loopback, whose URL is the issuer of the auth service behind it. Safe in any thread.

    Attributes:
        behind: where requests are forwarded to, such as ``http://127.0.0.1:8400``.
        faulty: the paths with faults, outages and ``delay``.
        token_requests: the time of each token request, as ``time.monotonic()`` in seconds.
        issued: every token and session cookie that the service has issued, for a leak detector.
    """

    def __init__(self) -> None:
        super().__init__(self._forward, wall=time.time, affects=lambda request: request.path in self.faulty)
        self.behind = ""
        self.faulty = {TOKEN}
        self.token_requests: list[float] = []
        self.issued: set[str] = set()
        self._client = httpx2.Client(trust_env=False, timeout=_PATIENCE)

    def stop(self) -> None:
        """Stop listening and close the connections to the service."""
        super().stop()
        self._client.close()

    def _record(self, request: LoopbackRequest) -> None:
        if request.path == TOKEN:
            self.token_requests.append(request.arrived)

    def _forward(self, request: LoopbackRequest) -> LoopbackResponse:
        headers = [(name, value) for name, value in request.headers if name not in _HOP_BY_HOP]
        sent = self._client.build_request(
            request.method,
            self.behind + request.path,
            params=request.query or None,
            headers=headers,
            content=request.body,
        )
        sent.headers["accept-encoding"] = "identity"
        try:
            came = self._client.send(sent)
        except httpx2.TransportError:
            return LoopbackResponse(502)
        kept = [(name, value) for name, value in came.headers.multi_items() if name.lower() not in _HOP_BY_HOP]
        if request.path in (TOKEN, "/sign-in", "/shown-once"):
            self.issued.update(_SECRET.findall(came.text), _SECRET.findall(came.headers.get("set-cookie", "")))
        return LoopbackResponse(came.status_code, came.content, kept)
