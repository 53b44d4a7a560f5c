"""The issuer's metadata is slow or gone, and the token's time is not spent on it."""

import time
from collections.abc import Callable, Iterator

import pytest

from roomkey.http.transport import Transport, TransportError
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.token_response import TokenEndpointError
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


@pytest.mark.parametrize(
    "first",
    [
        LoopbackResponse(200, b"<!doctype html><title>App</title>", (("Content-Type", "text/html"),)),
        json_response({"message": "no such route"}),
        json_response({"issuer": "https://another.example", "token_endpoint": "https://another.example/token"}),
        json_response(["issuer"]),
        LoopbackResponse(204),
        LoopbackResponse(302, headers=(("Location", "/login"),)),
        LoopbackResponse(200, b"x" * 300_000),
        LoopbackResponse(200, b"not packed", (("Content-Encoding", "gzip"),)),
        LoopbackResponse(401),
        LoopbackResponse(406),
        LoopbackResponse(410),
        LoopbackResponse(500),
        LoopbackResponse(503, headers=(("Retry-After", "120"),)),
    ],
)
@pytest.mark.parametrize(
    "place",
    [
        "/o/.well-known/openid-configuration",
        "/o/.well-known/oauth-authorization-server",
        "/.well-known/openid-configuration/o",
        "/.well-known/oauth-authorization-server/o",
    ],
)
def test_every_place_is_tried_until_one_holds_the_right_issuer(first: LoopbackResponse, place: str) -> None:
    def answer(request: LoopbackRequest) -> LoopbackResponse:
        if request.path != place:
            return first
        return json_response({"issuer": f"{server.origin}/o", "token_endpoint": f"{server.origin}/o/token"})

    with LoopbackServer(answer, time.time) as server:
        found = Discovery(Transport(), FakeClock()).token_endpoint(f"{server.origin}/o", seconds=5.0)
        assert found == f"{server.origin}/o/token"


def test_of_several_problems_another_issuers_metadata_is_named_with_both_values() -> None:
    def answer(request: LoopbackRequest) -> LoopbackResponse:
        if "openid" not in request.path:
            return LoopbackResponse(404)
        claimed = f"{server.origin}/\x07" + "x" * 500
        return json_response({"issuer": claimed, "token_endpoint": f"{server.origin}/token"})

    with LoopbackServer(answer, time.time) as server, pytest.raises(TokenEndpointError) as caught:
        Discovery(Transport(), FakeClock()).token_endpoint(server.origin, seconds=5.0)
    assert caught.value.error == "issuer_mismatch"
    assert f"its issuer is {server.origin}/" in str(caught.value)
    assert f"issuer= is {server.origin};" in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400


def test_expired_metadata_are_read_again_and_used_on_where_that_fails(metadata: Metadata) -> None:
    discovery = Discovery(Transport(), FakeClock())
    found = discovery.token_endpoint(metadata.server.origin, seconds=5.0)
    discovery.expire(metadata.server.origin)
    assert discovery.token_endpoint(metadata.server.origin, seconds=5.0) == found
    assert metadata.asked == ["oauth-authorization-server", "openid-configuration"] * 2
    discovery.expire(metadata.server.origin)
    metadata.server.stop()
    assert discovery.token_endpoint(metadata.server.origin, seconds=5.0) == found
