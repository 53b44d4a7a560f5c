"""An application of the demo: an HTTP client whose calls carry one credential's token, and the result of each call."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from examples.demo.events import Check, holds

if TYPE_CHECKING:
    import httpx2

    from roomkey.client.credential import Credential

PATH: Final = "/orders"
CALL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """One API call as the application saw it: the status (0 for an error) and the seconds that it took."""

    status: int
    seconds: float


class Application:
    """An HTTP client whose calls carry one credential's token.

    Attributes:
        credential: the source of its token.
        calls: the API calls that it made.
    """

    def __init__(self, client: "httpx2.Client", credential: "Credential") -> None:
        self._client = client
        self.credential = credential
        self.calls: list[Call] = []

    def call(self, api: str = "") -> Call:
        """Call the API once, or another one at the URL ``api``; an error counts as status 0. Safe in any thread."""
        from httpx2 import HTTPError

        from roomkey.errors import RoomkeyError

        begun = time.monotonic()
        try:
            status = self._client.get(api + PATH).status_code
        except (HTTPError, RoomkeyError):
            status = 0
        made = Call(status, time.monotonic() - begun)
        self.calls.append(made)
        return made

    @property
    def answered(self) -> int:
        """The number of its calls that got a 200."""
        return sum(call.status == 200 for call in self.calls)

    @property
    def slowest(self) -> float:
        """Seconds of its longest call."""
        return max((call.seconds for call in self.calls), default=0.0)

    def call_at_once(self, threads: int) -> None:
        """Call the API from so many threads at the same moment."""
        barrier = threading.Barrier(threads)

        def run() -> None:
            barrier.wait()
            self.call()

        running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(CALL_SECONDS)

    def call_until(self, enough: Callable[[], bool], *, seconds: float, pause: float = 0.01) -> None:
        """Call the API every ``pause`` seconds until ``enough()``, for ``seconds`` at most."""
        end = time.monotonic() + seconds
        while not enough() and time.monotonic() < end:
            self.call()
            time.sleep(pause)

    def none_failed(self) -> Check:
        """Check that each of its calls got a 200."""
        made = len(self.calls)
        failed = made - self.answered
        return holds(f"{failed} of {made} calls failed", failed == 0)
