"""What stands before the auth service in the demo: it passes requests on, and can be slow or out of order on demand."""

import re
import time
from typing import Final

import httpx2

from roomkey.testing.faults import FaultyServer
from roomkey.testing.loopback import Answer, ReceivedRequest

TOKEN: Final = "/oauth2/token"  # noqa: S105 - a path
_HOP_BY_HOP: Final = frozenset({"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding"})
_SECRET: Final = re.compile(r"\beyJ[\w-]+\.[\w-]+\.[\w-]+|\brk[a-z]{2}_[0-9A-Za-z]{20,}")
_PATIENCE: Final = 10.0


class Relay(FaultyServer):
    """A reverse proxy on loopback, whose address is the name of the auth service behind it. Safe in any thread.

    Attributes:
        behind: where requests are passed on to, such as ``http://127.0.0.1:8400``.
        faulty: the paths that faults, outages and ``delay`` concern.
        token_requests: when each request for a token came, as ``time.monotonic()`` in seconds.
        passed: every token and cookie that the service has given out; a leak detector looks for them.
    """

    def __init__(self) -> None:
        super().__init__(self._pass_on, wall=time.time, spoils=lambda request: request.path in self.faulty)
        self.behind = ""
        self.faulty = {TOKEN}
        self.token_requests: list[float] = []
        self.passed: set[str] = set()
        self._client = httpx2.Client(trust_env=False, timeout=_PATIENCE)

    def stop(self) -> None:
        """Stop listening, and give back the connections to the service."""
        super().stop()
        self._client.close()

    def _arrived(self, request: ReceivedRequest) -> None:
        if request.path == TOKEN:
            self.token_requests.append(request.arrived)

    def _pass_on(self, request: ReceivedRequest) -> Answer:
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
            return Answer(502)
        kept = [(name, value) for name, value in came.headers.multi_items() if name.lower() not in _HOP_BY_HOP]
        if request.path in (TOKEN, "/sign-in", "/shown-once"):
            self.passed.update(_SECRET.findall(came.text), _SECRET.findall(came.headers.get("set-cookie", "")))
        return Answer(came.status_code, came.content, kept)
