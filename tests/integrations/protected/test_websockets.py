"""A websocket needs a token too, and is rejected as a request is."""

import json
from collections.abc import Callable

import pytest
from tests.integrations.protected.protected_app import ProtectedApp
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

pytestmark = pytest.mark.slow


@pytest.fixture(params=["asgi", "fastapi"])
def app(request: pytest.FixtureRequest, app_named: Callable[[str], ProtectedApp]) -> ProtectedApp:
    return app_named(request.param)


def test_a_websocket_with_a_valid_token_is_opened_with_its_claims(app: ProtectedApp) -> None:
    url = app.url.replace("http", "ws") + "/ws"
    with connect(url, additional_headers={"Authorization": app.bearer()}, proxy=None) as websocket:
        assert json.loads(websocket.recv()) == {
            "subject": "alice",
            "client_id": "reports",
            "scopes": ["orders:read"],
        }


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/ws", [], 401),
        ("/ws", [("Authorization", "Bearer x")], 401),
        ("/ws", [("Authorization", "Bearer x"), ("Authorization", "Bearer x")], 400),
        ("/ws?access_token=x", [], 400),
    ],
)
def test_a_websocket_without_a_valid_token_is_never_opened(
    app: ProtectedApp, path: str, headers: list[tuple[str, str]], status: int
) -> None:
    url = app.url.replace("http", "ws") + path
    with pytest.raises(InvalidStatus) as rejected, connect(url, additional_headers=Headers(headers), proxy=None):
        pass
    answer = rejected.value.response
    assert answer.status_code == status
    assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="orders"')
