"""The middleware as a server sees it, on asyncio and trio."""

import json
from typing import Any

import anyio
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.asgi import BearerTokenMiddleware
from roomkey.testing import Issuer


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "served", "claims": scope.get("roomkey")})


def served(middleware: Any, loop: str = "asyncio", **scope: Any) -> list[dict[str, Any]]:
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


RESOURCE = roomkey.ProtectedResource(resource="https://orders.example/api")
METADATA = "/.well-known/oauth-protected-resource/api"


@pytest.mark.parametrize("root", ["", "/api", "/v1/tenants/acme"])
def test_public_paths_and_metadata_are_below_the_root_path(root: str, validator: roomkey.TokenValidator) -> None:
    middleware = BearerTokenMiddleware(app, validator, public=["/health"], resource=RESOURCE)
    for prefix in {root, ""}:  # servers leave the root path in front of the path or not
        assert served(middleware, path=f"{prefix}/health", root_path=root) == [{"type": "served", "claims": None}]
        assert served(middleware, path=f"{prefix}{METADATA}", root_path=root)[0]["status"] == 200
        for path in ("", "/", "/orders", "/health/", f"{root or '/x'}/health"):
            assert served(middleware, path=prefix + path, root_path=prefix)[0]["status"] == 401, path
    assert served(middleware, path="/apihealth", root_path="/api")[0]["status"] == 401
    assert served(middleware, path="/api/health")[0]["status"] == 401
    assert served(middleware, type="lifespan", root_path=root) == [{"type": "served", "claims": None}]


def test_a_mounted_application_has_its_public_paths_where_its_routes_are(validator: roomkey.TokenValidator) -> None:
    inner = Starlette(routes=[Route("/health", lambda _: PlainTextResponse("up"))])
    outer = Starlette(routes=[Mount("/shop", BearerTokenMiddleware(inner, validator, public=["/health"]))])
    for root in ("", "/api"):
        assert served(outer, path=f"{root}/shop/health", root_path=root)[0]["status"] == 200
        assert served(outer, path=f"{root}/shop/orders", root_path=root)[0]["status"] == 401


def test_the_scopes_of_every_request_are_in_the_first_401_and_in_the_metadata(
    validator: roomkey.TokenValidator,
) -> None:  # validator 43
    required = roomkey.Requirements(scopes=["tools:call"], any_scope=["tools:read", "tools:admin"])
    for named in ((), ["files:read"], ["tools:read", "files:read"]):
        resource = roomkey.ProtectedResource(resource="https://tools.example", scopes_supported=named)
        middleware = BearerTokenMiddleware(app, validator, requirements=required, resource=resource)
        start, _ = served(middleware)
        assert dict(start["headers"])[b"www-authenticate"] == (
            b'Bearer scope="tools:call tools:read", '
            b'resource_metadata="https://tools.example/.well-known/oauth-protected-resource"'
        )
        _, body = served(middleware, path="/.well-known/oauth-protected-resource")
        scopes = json.loads(body["body"])["scopes_supported"]
        assert scopes == list(dict.fromkeys(["tools:call", "tools:read", *named]))


def test_every_header_that_a_cache_reads_is_kept_and_joined(issuer: Issuer, validator: roomkey.TokenValidator) -> None:
    async def cacheable(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"Vary", b"Origin"), (b"ETag", b'"1"'), (b"vary", b"Accept"), (b"cache-control", b"max-age=60")]
        await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
        await send({"type": "http.response.body", "body": b""})

    header = (b"authorization", f"Bearer {issuer.issue()}".encode())
    start, body = served(BearerTokenMiddleware(cacheable, validator), headers=[header])
    assert dict(start["headers"]) == {
        b"ETag": b'"1"',
        b"cache-control": b"private, max-age=60",
        b"vary": b"Origin, Accept, Authorization",
    }
    assert start["trailers"] is False
    assert body == {"type": "http.response.body", "body": b""}


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
