"""A loopback server that fails on demand: delays, outages, refused connections, hangs, redirects, wrong responses."""

import json
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, LoopbackServer

_LONGEST_HANG: Final = 120.0


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: Literal["respond", "hang", "drop", "drip"]
    response: LoopbackResponse | None = None
    processed: bool = False
    seconds: float = 0.0


class FaultyServer(LoopbackServer):
    """The base of :class:`~roomkey.testing.Issuer` and :class:`~roomkey.testing.ProtectedAPI`: a server with faults.

    Faults that take ``times`` are queued, and each affects that many of the next requests; an outage lasts until
    :meth:`recover`. A context manager; safe in any thread.

    Attributes:
        delay: seconds to wait before a response, faulty or not.
        date_offset: seconds by which this server's clock is wrong: its ``Date`` header and the times in its tokens.
        most_at_once: the largest number of requests that were being answered at one time.
        on_request: called with each request as it arrives, from many threads at once; for a live trace.
        on_response: the same with each request and its response (None: the connection is dropped) before that is sent.
    """

    def __init__(
        self,
        respond: Callable[[LoopbackRequest], LoopbackResponse],
        *,
        wall: Callable[[], float],
        affects: Callable[[LoopbackRequest], bool] = lambda _request: True,
        delay: float = 0.0,
        date_offset: float = 0.0,
    ) -> None:
        """``affects`` tells for a request whether faults and ``delay`` concern it."""
        super().__init__(self._traced, wall)
        self.delay = delay
        self.date_offset = date_offset
        self.most_at_once = 0
        self.on_request: Callable[[LoopbackRequest], None] | None = None
        self.on_response: Callable[[LoopbackRequest, LoopbackResponse | None], None] | None = None
        self._normal = respond
        self._affects = affects
        self._faults: deque[_Fault] = deque()
        self._outage: LoopbackResponse | None = None
        self._recovered = threading.Event()
        self._lock = threading.Lock()
        self._at_once = 0

    def wall(self) -> float:
        """Seconds since 1970 by this server's clock, ``date_offset`` included."""
        return super().wall() + self.date_offset

    def outage(self, status: int = 503, retry_after: float | str | None = None) -> None:
        """Respond ``status`` to everything until :meth:`recover`; ``retry_after`` is in seconds, or an HTTP date."""
        headers = [("content-type", "text/plain")]
        if retry_after is not None:
            value = f"{retry_after:g}" if isinstance(retry_after, float) else str(retry_after)
            headers.append(("retry-after", value))
        self._outage = LoopbackResponse(status, b"out of order", headers)

    def unreachable(self) -> None:
        """Refuse connections until :meth:`recover`, and close those that are open."""
        super().stop()

    def recover(self) -> None:
        """End every fault: outages, hangs, refused connections and what is left in the queue. ``delay`` stays."""
        with self._lock:
            self._faults.clear()
            self._outage = None
            self._recovered.set()
            self._recovered = threading.Event()
        self.start()

    def answer_with(
        self,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: object = b"",
        *,
        times: int = 1,
        processed: bool = False,
    ) -> None:
        """Send this response to the next ``times`` requests; a body that is neither bytes nor str is sent as JSON.

        With ``processed`` the request has its effect before (a refresh token is used up).
        """
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
        self._queue(_Fault("respond", LoopbackResponse(status, body, pairs), processed=processed), times)

    def redirect_to(self, url: str, *, status: int = 307, times: int = 1) -> None:
        """Redirect the next ``times`` requests."""
        self.answer_with(status, {"location": url}, b"", times=times)

    def hang(self, *, times: int = 1, processed: bool = False) -> None:
        """Read the next ``times`` requests and never respond, until :meth:`recover` (or two minutes have passed).

        With ``processed`` the request has its effect (a refresh token is used up), and only the response is lost.
        """
        self._queue(_Fault("hang", processed=processed), times)

    def drop(self, *, times: int = 1, processed: bool = False) -> None:
        """Read the next ``times`` requests and close the connection; ``processed`` as for :meth:`hang`."""
        self._queue(_Fault("drop", processed=processed), times)

    def drip(self, seconds: float, *, times: int = 1) -> None:
        """Send the next ``times`` responses with ``seconds`` between any two bytes of the body."""
        self._queue(_Fault("drip", seconds=seconds), times)

    def _queue(self, fault: _Fault, times: int) -> None:
        with self._lock:
            self._faults.extend([fault] * times)

    def _traced(self, request: LoopbackRequest) -> LoopbackResponse | None:
        if self.on_request is not None:
            self.on_request(request)
        response = self._delayed(request) if self._affects(request) else self._normal(request)
        if self.on_response is not None:
            self.on_response(request, response)
        return response

    def _delayed(self, request: LoopbackRequest) -> LoopbackResponse | None:
        with self._lock:
            self._at_once += 1
            self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            self._record(request)
            if self.delay > 0 and self.pause(self.delay):
                return None
            response = self._faulty(request)
            self._record_response(request, response)
            return response
        finally:
            with self._lock:
                self._at_once -= 1

    def _record(self, request: LoopbackRequest) -> None:
        """Record a request before it meets a fault; for subclasses."""

    def _record_response(self, request: LoopbackRequest, response: LoopbackResponse | None) -> None:
        """Record a response just before it is sent, None where the connection is dropped; for subclasses."""

    def _faulty(self, request: LoopbackRequest) -> LoopbackResponse | None:
        with self._lock:
            fault = self._faults.popleft() if self._faults else None
            outage, recovered = self._outage, self._recovered
        if fault is None:
            return outage if outage is not None else self._normal(request)
        if fault.kind == "drip":
            return replace(self._normal(request), drip=fault.seconds)
        if fault.processed:
            self._normal(request)
        if fault.kind == "hang":
            for _ in range(int(_LONGEST_HANG / 0.02)):
                if recovered.is_set() or self.pause(0.02):
                    break
        return fault.response
