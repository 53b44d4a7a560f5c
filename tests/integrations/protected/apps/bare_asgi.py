"""A protected API without a framework."""

import json
from typing import Any

from serving import (
    ERROR_RESPONSES,
    ORIGIN,
    PROXIES,
    RESOURCE,
    STEP_UP,
    VALIDATOR,
    Teapot,
    own_mistake,
    seen,
    serve_asgi,
)
from starlette.middleware.cors import CORSMiddleware

from roomkey import Requirements
from roomkey.integrations.asgi import BearerTokenMiddleware

ASKED = {
    ("GET", "/orders"): Requirements(scopes="orders:read"),
    ("POST", "/orders"): Requirements(scopes=["orders:write"]),
    ("GET", "/admin"): Requirements(roles=["admin"]),
    ("GET", "/payments"): Requirements(**STEP_UP),
    ("GET", "/tenants/acme/orders"): Requirements(tenant=True),
    ("GET", "/guarded"): Requirements(scopes=["orders:read"]),
    ("GET", "/open"): None,
}
started: list[bool] = []


async def orders(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await receive()
        started.append(True)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    assert started
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": json.dumps(seen(scope["roomkey"]))})
        await send({"type": "websocket.close"})
        return
    answer: Any = {"open": "roomkey" not in scope}
    if scope["path"] == "/broken":
        own_mistake()
    if scope["path"] == "/teapot":
        raise Teapot
    if "roomkey" in scope:
        answer = seen(scope["roomkey"])
    if scope["method"] == "POST":
        answer = {"received": (await receive())["body"].decode()}
    status = 404 if scope["path"] == "/nowhere" else 200
    shared = [(b"Cache-Control", b"public, max-age=60")] if scope["path"] == "/shared" else []
    await reply(send, status, answer, shared)


async def reply(send: Any, status: int, answer: Any, more: Any = ()) -> None:
    headers = [(b"content-type", b"application/json"), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})


protected = BearerTokenMiddleware(
    orders,
    VALIDATOR,
    requirements=lambda scope: ASKED.get((scope.get("method", "GET"), scope["path"]), Requirements()),
    public=["/health"],
    tenant=lambda scope: scope["path"].split("/")[2],
    error_responses=ERROR_RESPONSES,
    resource=RESOURCE,
    certificates_from=PROXIES,
)


async def app(scope: Any, receive: Any, send: Any) -> None:
    try:
        await protected(scope, receive, send)
    except Teapot:
        await reply(send, 418, {"own": True})


serve_asgi(CORSMiddleware(app, allow_origins=[ORIGIN], allow_headers=["Authorization"]))
