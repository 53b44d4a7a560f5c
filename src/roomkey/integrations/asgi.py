"""BearerTokenMiddleware for any ASGI application: Starlette, Litestar, Quart, or none of them."""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, Final, Unpack, final

from roomkey.integrations.caching import private_cache_control, vary_by_token
from roomkey.integrations.protection import ANY_VALID_TOKEN, Protection, ProtectionOptions
from roomkey.integrations.request_credentials import credentials_of
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import PreparedResponse
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerTokenMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION: Final = 1008
_NOT_ALLOWED: Final = PreparedResponse(405, (("Allow", "GET, HEAD"),), b"")


@final
class BearerTokenMiddleware:
    """Pass only requests and websockets with a valid token to an ASGI application (RFC 6750).

    The application finds the verified :class:`~roomkey.Claims` in ``scope["roomkey"]``. Its responses are
    ``Vary: Authorization`` and, unless they say ``public``, private for caches; its exceptions and its lifespan are
    left alone. A rejected websocket gets the same response as a request where
    the server supports that (``websocket.http.response``), and is closed with 1008 where not.

    Parameters:
        app: the application.
        validator: validates the tokens.
        requirements: the requirements on every token, or a function of the scope that returns them; where that returns
            None, no token is needed and none is validated.
        public: paths for which no token is needed and none is validated, whole and as the application's routes have
            them: without the root path that it is mounted at (``uvicorn --root-path``).
        tenant: a function that returns the tenant in a scope's path or host, for requirements that compare it.
        error_responses: the API's ``ErrorResponses``.
        resource: its metadata (RFC 9728), served from here.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) is trusted.

    Raises ConfigurationError for requirements that ``validator`` could never meet. Tokens that are bound to a client's
    certificate (RFC 8705) need a server with the TLS extension of ASGI, or ``certificates_from``. Never blocks the
    event loop; works on asyncio and trio.
    """

    def __init__(
        self,
        app: Application,
        validator: TokenValidator,
        *,
        requirements: Requirements | Callable[[Scope], Requirements | None] = ANY_VALID_TOKEN,
        public: Collection[str] = (),
        **options: Unpack[ProtectionOptions[Scope]],
    ) -> None:
        if isinstance(public, str):
            raise TypeError('public= must be a collection of paths, such as ["/health"]')
        self._app = app
        self._protection: Protection[Scope] = Protection(validator, **options)
        if isinstance(requirements, Requirements):
            self._protection.require_everywhere(requirements)
        self._requirements = requirements
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] == "lifespan" or (path := _route_path(scope)) in self._public:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and path == self._protection.metadata_path:
            readable = scope["method"] in ("GET", "HEAD")
            await _send(scope, send, self._protection.metadata() if readable else _NOT_ALLOWED)
            return
        required = self._requirements if isinstance(self._requirements, Requirements) else self._requirements(scope)
        if required is None:
            await self._app(scope, receive, send)
            return
        outcome = await self._protection.authorize_async(scope, credentials_of(scope), required)
        if isinstance(outcome, Claims):
            await self._app({**scope, "roomkey": outcome}, receive, _sends_private(send))
        else:
            await _send(scope, send, self._protection.response(outcome))


def _route_path(scope: Scope) -> str:
    """Return the path below the root path, which servers leave in front of it or not."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


def _sends_private(send: Send) -> Send:
    def send_private(message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.start":
            message = {**message, "headers": _private(message.get("headers", ()))}
        return send(message)

    return send_private


def _private(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return ``headers`` with one Cache-Control and one Vary, which keep the response from shared caches."""
    kept: list[tuple[bytes, bytes]] = []
    cache_control, vary = [], []
    for header in headers:
        name = header[0].lower()
        if name == b"cache-control":
            cache_control.append(header[1].decode("latin-1"))
        elif name == b"vary":
            vary.append(header[1].decode("latin-1"))
        else:
            kept.append(header)
    stated = private_cache_control(", ".join(cache_control)) if cache_control else "private"
    varies = vary_by_token(", ".join(vary)) if vary else "Authorization"
    return [*kept, (b"cache-control", stated.encode("latin-1")), (b"vary", varies.encode("latin-1"))]


async def _send(scope: Scope, send: Send, response: PreparedResponse) -> None:
    prefix = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        prefix = "websocket."
    headers = [*response.headers, ("Content-Length", str(len(response.body)))]
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": f"{prefix}http.response.start", "status": response.status, "headers": encoded})
    await send({"type": f"{prefix}http.response.body", "body": response.body})
