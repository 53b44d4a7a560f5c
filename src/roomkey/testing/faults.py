"""A loopback server that fails on demand: late, down, unreachable, silent, cut off, slow, redirecting, nonsense."""

import json
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

from roomkey.testing.loopback import Answer, LoopbackServer, ReceivedRequest

_LONGEST_HANG: Final = 120.0
_Kind = Literal["answer", "hang", "drop", "drip"]


@dataclass(frozen=True, slots=True)
class _Fault:
    kind: _Kind
    answer: Answer | None = None
    processed: bool = False
    seconds: float = 0.0


class FaultyServer:
    """The base of :class:`~roomkey.testing.Issuer` and :class:`~roomkey.testing.ProtectedAPI`: a server with faults.

    Faults that take ``times`` stand in one queue and each spoils that many of the next requests, in the order in which
    they were asked for; an outage lasts until :meth:`recover`. A context manager; safe in any thread.

    Attributes:
        delay: seconds to wait before an answer, faulty or not.
        date_offset: seconds by which this server's clock is wrong: its ``Date`` header and the times in its tokens.
        herald: called with each request as it arrives, from many threads at once; for a live trace.
        observer: the same with each request and its answer (None: the connection is dropped) before that is sent.
    """

    def __init__(
        self,
        respond: Callable[[ReceivedRequest], Answer],
        *,
        wall: Callable[[], float],
        spoils: Callable[[ReceivedRequest], bool],
        delay: float = 0.0,
        date_offset: float = 0.0,
    ) -> None:
        self.delay = delay
        self.date_offset = date_offset
        self.herald: Callable[[ReceivedRequest], None] | None = None
        self.observer: Callable[[ReceivedRequest, Answer | None], None] | None = None
        self._normal = respond
        self._true_wall = wall
        self._spoils = spoils
        self._faults: deque[_Fault] = deque()
        self._outage: Answer | None = None
        self._released = threading.Event()
        self._gate = threading.Lock()
        self._busy = 0
        self._server = LoopbackServer(self._observed, self.wall)
        self.most_at_once = 0

    def start(self) -> Self:
        """Begin to listen on 127.0.0.1; the port stays the same if the server is stopped and started again."""
        self._server.start()
        return self

    def stop(self) -> None:
        """End every connection and stop listening; returns within about two seconds. Safe to call twice."""
        self._released.set()
        self._server.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    @property
    def origin(self) -> str:
        """``http://127.0.0.1:port``."""
        return self._server.origin

    @property
    def failures(self) -> list[str]:
        """Requests that this server could not answer because of a mistake of its own; empty in a sound test."""
        return self._server.failures

    def wall(self) -> float:
        """Seconds since 1970 by this server's clock, ``date_offset`` included."""
        return self._true_wall() + self.date_offset

    def outage(self, status: int = 503, retry_after: float | str | None = None) -> None:
        """Answer ``status`` to everything until :meth:`recover`; ``retry_after`` is in seconds, or an HTTP date."""
        headers = [("content-type", "text/plain")]
        if retry_after is not None:
            text = f"{retry_after:g}" if isinstance(retry_after, float) else str(retry_after)
            headers.append(("retry-after", text))
        self._outage = Answer(status, b"out of order", headers)

    def unreachable(self) -> None:
        """Refuse connections until :meth:`recover`, and cut those that are open."""
        self._server.stop()

    def recover(self) -> None:
        """End every fault: outages, hangs, refused connections and what is left in the queue. ``delay`` stays."""
        with self._gate:
            self._faults.clear()
            self._outage = None
            self._released.set()
            self._released = threading.Event()
        self._server.start()

    def answer_with(
        self,
        status: int = 200,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] = (),
        body: object = b"",
        *,
        times: int = 1,
        processed: bool = False,
    ) -> None:
        """Give this answer to the next ``times`` requests; a body that is neither bytes nor text is sent as JSON."""
        pairs = list(headers.items() if isinstance(headers, Mapping) else headers)
        if isinstance(body, str):
            body = body.encode()
        elif not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if not any(name.lower() == "content-type" for name, _ in pairs):
            pairs.append(("content-type", "application/json"))
        self._queue(_Fault("answer", Answer(status, body, pairs), processed=processed), times)

    def redirect_to(self, url: str, *, status: int = 307, times: int = 1) -> None:
        """Send the next ``times`` requests elsewhere."""
        self.answer_with(status, {"location": url}, b"", times=times)

    def hang(self, *, times: int = 1, processed: bool = False) -> None:
        """Take the next ``times`` requests and never answer, until :meth:`recover` (or two minutes have passed).

        With ``processed`` the request has its effect (a refresh token is spent), and only the answer is lost.
        """
        self._queue(_Fault("hang", processed=processed), times)

    def drop(self, *, times: int = 1, processed: bool = False) -> None:
        """Receive the next ``times`` requests and close the connection; ``processed`` as for :meth:`hang`."""
        self._queue(_Fault("drop", processed=processed), times)

    def drip(self, seconds: float, *, times: int = 1) -> None:
        """Give the next ``times`` answers rightly, but with ``seconds`` between any two bytes of the body."""
        self._queue(_Fault("drip", seconds=seconds), times)

    def _queue(self, fault: _Fault, times: int) -> None:
        with self._gate:
            self._faults.extend([fault] * times)

    def _observed(self, request: ReceivedRequest) -> Answer | None:
        if self.herald is not None:
            self.herald(request)
        answer = self._respond(request)
        if self.observer is not None:
            self.observer(request, answer)
        return answer

    def _respond(self, request: ReceivedRequest) -> Answer | None:
        if not self._spoils(request):
            return self._normal(request)
        with self._gate:
            self._busy += 1
            self.most_at_once = max(self.most_at_once, self._busy)
        try:
            self._arrived(request)
            if self.delay > 0 and self._server.pause(self.delay):
                return None
            answer = self._spoilt(request)
            self._answered(request, answer)
            return answer
        finally:
            with self._gate:
                self._busy -= 1

    def _arrived(self, request: ReceivedRequest) -> None:
        """What is noted of a request before its fate is decided; a subclass keeps its records here."""

    def _answered(self, request: ReceivedRequest, answer: Answer | None) -> None:
        """What is noted of a request just before its answer leaves; None where the connection is dropped."""

    def _spoilt(self, request: ReceivedRequest) -> Answer | None:
        with self._gate:
            fault = self._faults.popleft() if self._faults else None
            outage, released = self._outage, self._released
        if fault is None:
            return outage if outage is not None else self._normal(request)
        answer = self._normal(request) if fault.processed or fault.kind == "drip" else None
        if fault.kind == "answer":
            return fault.answer
        if fault.kind == "drip" and answer is not None:
            return Answer(answer.status, answer.body, answer.headers, drip=fault.seconds)
        if fault.kind == "hang":
            _wait(released, self._server.pause)
        return None


def _wait(released: threading.Event, pause: Callable[[float], bool]) -> None:
    end = time.monotonic() + _LONGEST_HANG
    while time.monotonic() < end and not released.is_set() and not pause(0.02):
        pass
