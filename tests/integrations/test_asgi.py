"""The middleware as a server sees it, on asyncio and trio."""

from typing import Any

import anyio
import pytest

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.asgi import BearerTokenMiddleware
from roomkey.testing import Issuer


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "served", "claims": scope.get("roomkey")})


def served(middleware: BearerTokenMiddleware, loop: str = "asyncio", **scope: Any) -> list[dict[str, Any]]:
    """What is sent back to the server."""
    sent: list[dict[str, Any]] = []
    whole = {"type": "http", "method": "GET", "path": "/orders", "headers": [], "query_string": b""} | scope

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("the middleware reads no body")

    anyio.run(middleware, whole, receive, send, backend=loop)
    assert "roomkey" not in whole
    return sent


@pytest.fixture
def validator(issuer: Issuer) -> roomkey.TokenValidator:
    return roomkey.TokenValidator(issuer=issuer.url, audience="orders-api")


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_it_works_on_either_event_loop(loop: str, issuer: Issuer, validator: roomkey.TokenValidator) -> None:
    header = (b"Authorization", f"Bearer {issuer.issue()}".encode())
    (message,) = served(BearerTokenMiddleware(app, validator), loop, headers=[header])
    assert message["claims"].subject == "reports"
    start, body = served(BearerTokenMiddleware(app, validator), loop, headers=[header, header])
    assert start["status"] == 400
    assert b"invalid_request" in body["body"]


def test_a_websocket_is_closed_where_the_server_cannot_answer_it(validator: roomkey.TokenValidator) -> None:
    middleware = BearerTokenMiddleware(app, validator)
    assert served(middleware, type="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_only_whole_paths_are_public(validator: roomkey.TokenValidator) -> None:
    middleware = BearerTokenMiddleware(app, validator, public=["/health"])
    assert served(middleware, path="/health") == [{"type": "served", "claims": None}]
    for path in ("/health/", "/healthy", "/HEALTH", "//health", "/health/../orders", ""):
        assert served(middleware, path=path)[0]["status"] == 401, path
    with pytest.raises(TypeError, match="public="):
        BearerTokenMiddleware(app, validator, public="/health")


def test_whatever_is_neither_public_nor_the_lifespan_needs_a_token(validator: roomkey.TokenValidator) -> None:
    middleware = BearerTokenMiddleware(app, validator)
    assert served(middleware, type="lifespan") == [{"type": "served", "claims": None}]
    assert served(middleware, type="webtransport")[0]["status"] == 401
    assert served(middleware, path="/.well-known/oauth-protected-resource")[0]["status"] == 401


def test_requirements_that_no_one_could_meet_are_reported_when_the_application_is_made(
    validator: roomkey.TokenValidator,
) -> None:
    with pytest.raises(ConfigurationError, match="introspection="):
        BearerTokenMiddleware(app, validator, requirements=roomkey.Requirements(fresh=True))
