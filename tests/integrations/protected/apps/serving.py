"""What the protected apps of these tests share: their validator, and a real server that ends with its stdin."""

import json
import logging
import os
import socket
import sys
import threading
from collections.abc import Callable
from typing import Any

import roomkey

ISSUERS = sys.argv[1:]
VALIDATOR = roomkey.TokenValidator(
    issuer={url: roomkey.TrustedIssuer(audience="orders-api") for url in ISSUERS},
    dpop=roomkey.DPoP(
        "https://orders.example", algorithms=["ES256"], nonce_secret="what all processes of this API share"
    ),
)
ERROR_RESPONSES = roomkey.ErrorResponses(realm="orders")
RESOURCE = roomkey.ProtectedResource(
    resource="https://orders.example", scopes_supported=["orders:read", "orders:write"]
)
PROXIES = ["127.0.0.2", "::2"]
ORIGIN = "https://shop.example"
ROOT_PATH = os.environ.get("ROOT_PATH", "")  # what a proxy takes away
STEP_UP = {"scopes": ["orders:read"], "acr": ["phr"], "max_age": 300.0}


class Teapot(Exception):
    """The app's own, and answered by a handler of its own."""


def own_mistake() -> None:
    """A rejection that the app met elsewhere, and that says nothing of who called it."""
    raise roomkey.InvalidToken("The token is not valid.", reason="expired")


def seen(claims: roomkey.Claims) -> dict[str, Any]:
    return {"subject": claims.subject, "client_id": claims.client_id, "scopes": sorted(claims.scopes)}


def serve_asgi(app: Any, *, lifespan: str = "on") -> None:
    import uvicorn

    listener = socket.create_server(("127.0.0.1", 0), backlog=100)
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical", lifespan=lifespan, root_path=ROOT_PATH))
    _announce(listener.getsockname()[1], lambda: setattr(server, "should_exit", True))
    server.run(sockets=[listener])
    assert server.started, "the app's lifespan failed"


def serve_wsgi(app: Any) -> None:
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)

    def mounted(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "SCRIPT_NAME": ROOT_PATH}, start_response)

    server = make_server("127.0.0.1", 0, mounted, threaded=True)
    _announce(server.server_port, server.shutdown)
    server.serve_forever(poll_interval=0.05)


def _announce(port: int, stop: Callable[[], object]) -> None:
    def end_with_stdin() -> None:
        sys.stdin.read()
        stop()

    threading.Thread(target=end_with_stdin, daemon=True).start()
    print(json.dumps({"url": f"http://127.0.0.1:{port}"}), flush=True)
