"""BearerTokenMiddleware for any ASGI application: Starlette, Litestar, Quart, or none of them."""

from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, Final, final

from roomkey.integrations.protection import ANY_GOOD_TOKEN, Protection
from roomkey.integrations.request_credentials import presented_by
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import Answer, ErrorResponses
from roomkey.resource_server.protected_resource import ProtectedResource
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerTokenMiddleware"]

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_POLICY_VIOLATION: Final = 1008
_NOT_ALLOWED: Final = Answer(405, (("Allow", "GET, HEAD"),), b"")


@final
class BearerTokenMiddleware:
    """Let nothing through to an ASGI application but requests and websockets with a good token (RFC 6750).

    The application finds the verified :class:`~roomkey.Claims` in ``scope["roomkey"]``. Its own answers and exceptions
    are left alone, and so is its lifespan. A refused websocket is answered as a refused request is where the server can
    do that (``websocket.http.response``), and closed with 1008 where not.

    Parameters:
        app: the application.
        validator: who judges the tokens.
        requirements: what is asked of every token, or a function of the scope that says it; where that returns None,
            no token is needed and none is looked at.
        public: paths, whole as in ``scope["path"]``, for which no token is needed and none is looked at.
        tenant: says which tenant a scope's path or host names, where requirements ask for that.
        answering: how the API says no.
        resource: its metadata (RFC 9728), served from here.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) counts.

    Raises ConfigurationError for requirements that ``validator`` could never meet. Tokens that are bound to a client's
    certificate (RFC 8705) need a server with the TLS extension of ASGI, or ``certificates_from``. Never blocks the
    event loop; works on asyncio and trio.
    """

    def __init__(
        self,
        app: Application,
        validator: TokenValidator,
        *,
        requirements: Requirements | Callable[[Scope], Requirements | None] = ANY_GOOD_TOKEN,
        public: Collection[str] = (),
        tenant: Callable[[Scope], str | None] | None = None,
        answering: ErrorResponses | None = None,
        resource: ProtectedResource | None = None,
        certificates_from: Iterable[str] = (),
    ) -> None:
        if isinstance(public, str):
            raise TypeError('public= takes a collection of paths, such as ["/health"]')
        self._app = app
        self._protection = Protection(
            validator, tenant=tenant, answering=answering, resource=resource, certificates_from=certificates_from
        )
        if isinstance(requirements, Requirements):
            self._protection.declared(requirements)
        self._requirements = requirements
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, websocket or lifespan."""
        if scope["type"] == "lifespan" or scope["path"] in self._public:
            await self._app(scope, receive, send)
            return
        if scope["type"] == "http" and scope["path"] == self._protection.metadata_path:
            metadata = self._protection.metadata if scope["method"] in ("GET", "HEAD") else None
            await _send(scope, send, metadata or _NOT_ALLOWED)
            return
        asked = self._requirements if isinstance(self._requirements, Requirements) else self._requirements(scope)
        if asked is None:
            await self._app(scope, receive, send)
            return
        outcome = await self._protection.judge_async(scope, presented_by(scope), asked)
        if isinstance(outcome, Claims):
            await self._app({**scope, "roomkey": outcome}, receive, send)
        else:
            await _send(scope, send, self._protection.answer(outcome))


async def _send(scope: Scope, send: Send, answer: Answer) -> None:
    before = ""
    if scope["type"] == "websocket":
        if "websocket.http.response" not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": _POLICY_VIOLATION})
            return
        before = "websocket."
    headers = [*answer.headers, ("Content-Length", str(len(answer.body)))]
    encoded = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    await send({"type": f"{before}http.response.start", "status": answer.status, "headers": encoded})
    await send({"type": f"{before}http.response.body", "body": answer.body})
