"""The issuer's metadata is slow or gone, and the token's time is not spent on it."""

import time
from collections.abc import Callable, Iterator

import pytest

from roomkey.http.transport import Transport, TransportError
from roomkey.oauth.discovery import Discovery
from roomkey.testing import FakeClock
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, LoopbackServer, json_response


class Metadata:
    """Serves metadata under OpenID's path alone, after the pauses that stand in ``delays`` by path."""

    def __init__(self) -> None:
        self.delays: dict[str, float] = {}
        self.asked: list[str] = []
        self.on_request: Callable[[], None] = lambda: None
        self.server = LoopbackServer(self.answer, time.time)

    def answer(self, request: LoopbackRequest) -> LoopbackResponse | None:
        kind = request.path.rpartition("/")[2]
        self.asked.append(kind)
        self.on_request()
        if self.server.pause(self.delays.get(kind, 0.0)):
            return None
        if kind != "openid-configuration":
            return LoopbackResponse(404)
        return json_response({"issuer": self.server.origin, "token_endpoint": f"{self.server.origin}/token"})


@pytest.fixture
def metadata() -> Iterator[Metadata]:
    made = Metadata()
    with made.server:
        yield made


def test_both_places_together_take_no_longer_than_was_allowed(metadata: Metadata) -> None:
    clock = FakeClock()
    metadata.on_request = lambda: clock.advance(0.7)
    with pytest.raises(TransportError, match="no time was left"):
        Discovery(Transport(), clock).token_endpoint(metadata.server.origin, seconds=0.6)
    assert metadata.asked == ["oauth-authorization-server"]


def test_old_metadata_are_used_on_while_new_ones_hang_and_leave_half_the_time(metadata: Metadata) -> None:  # client 23
    clock = FakeClock()
    discovery = Discovery(Transport(), clock)
    found = discovery.token_endpoint(metadata.server.origin, seconds=5.0)
    metadata.delays = {"oauth-authorization-server": 20.0}
    clock.advance(3601.0)
    started = time.monotonic()
    for _ in range(5):
        assert discovery.token_endpoint(metadata.server.origin, seconds=0.6) == found
    assert time.monotonic() - started < 10.0  # and not the 20 seconds that the endpoint takes
    assert len(metadata.asked) == 3
    metadata.delays = {}
    clock.advance(61.0)
    assert discovery.token_endpoint(metadata.server.origin, seconds=5.0) == found
    assert len(metadata.asked) == 5
