"""BearerToken for FastAPI: a security dependency that gives a route the verified claims of its caller."""

import copy
import json
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Self, Unpack, final

try:
    from fastapi import APIRouter, FastAPI, HTTPException, Response, Security
    from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowClientCredentials, OAuthFlows
    from fastapi.requests import HTTPConnection, Request
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
except ModuleNotFoundError as missing:
    if missing.name != "fastapi":
        raise
    raise ImportError(
        "roomkey.integrations.fastapi needs the package fastapi, which is not installed: pip install fastapi"
    ) from None

from roomkey.errors import TokenMissing
from roomkey.integrations.caching import keep_from_shared_caches
from roomkey.integrations.protection import ANY_VALID_TOKEN, Protection, ProtectionOptions, RequireOptions, name_scopes
from roomkey.integrations.request_credentials import credentials_of
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerToken"]

_log = logging.getLogger("roomkey")


@final
class BearerToken(SecurityBase):
    """A dependency that verifies a request's token and returns its :class:`~roomkey.Claims` (RFC 6750).

    ``Security(auth, scopes=["orders:read"])`` requires scopes and stands in the OpenAPI document with them;
    ``Depends(auth.require(roles=["admin"]))`` requires more. Both serve ``def`` and ``async def`` routes, websockets,
    routers and whole applications, but for what is mounted in them. A rejection is an HTTPException with the right
    headers, its ``detail`` the error and its description; exceptions of the routes themselves are left alone.
    Responses that FastAPI makes of what a route returns are ``Vary: Authorization`` and private for caches.

    Parameters:
        validator: validates the tokens.
        tenant: a function that returns the tenant in a connection's path or host, for requirements that compare it.
        error_responses: the API's ``ErrorResponses``.
        resource: its metadata (RFC 9728), served by ``app.include_router(auth.metadata_route)``.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) is trusted.
        token_endpoint: where the OpenAPI pages get a token by client credentials; without it they ask for a token.
        scopes: the scopes that those pages offer, with a sentence for each; so does the metadata where ``resource``
            names none.
        scheme_name: the name of the security scheme in the OpenAPI document.

    Never blocks the event loop.
    """

    def __init__(
        self,
        validator: TokenValidator,
        *,
        token_endpoint: str | None = None,
        scopes: Mapping[str, str] | None = None,
        scheme_name: str = "BearerToken",
        **options: Unpack[ProtectionOptions[HTTPConnection]],
    ) -> None:
        self.scheme_name = scheme_name
        self.model = HTTPBearer(bearerFormat="JWT")
        if token_endpoint is not None:
            flow = OAuthFlowClientCredentials(tokenUrl=token_endpoint, scopes=dict(scopes or {}))
            self.model = OAuth2(flows=OAuthFlows(clientCredentials=flow))
        self._protection: Protection[HTTPConnection] = Protection(validator, **options)
        self._protection.offer(scopes or ())
        self._required = ANY_VALID_TOKEN
        self._with_scopes: dict[tuple[str, ...], Requirements] = {}
        self._of_routes: dict[tuple[int, str, str], tuple[str, ...]] = {}

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes, sent: Response) -> Claims:
        """Return the claims of a request's token; raises HTTPException. FastAPI calls this."""
        requirements = self._requirements(tuple(security_scopes.scopes))
        outcome = await self._protection.authorize_async(connection, credentials_of(connection.scope), requirements)
        if isinstance(outcome, Claims):
            keep_from_shared_caches(sent.headers)
            return outcome
        if isinstance(outcome, TokenMissing):
            name_scopes(outcome, *self._scopes_of_route(connection))
        response = self._protection.response(outcome)
        detail: Any = json.loads(response.body)
        headers = {name: value for name, value in response.headers if name != "Content-Type"}
        raise HTTPException(response.status, detail, headers)

    def require(self, **options: Unpack[RequireOptions]) -> Callable[..., Awaitable[Claims]]:
        """Return a dependency that requires all this of a token, and returns its claims; see ``Requirements``.

        Raises TypeError and ValueError where a requirement has the wrong form, and ConfigurationError where the
        validator could never meet it.
        """
        requirements = self._protection.require(**options)
        security = Security(self._requiring(requirements), scopes=list(requirements.scopes))

        async def required(claims: Claims = security) -> Claims:
            return claims

        return required

    @property
    def metadata_route(self) -> APIRouter:
        """The route of the API's metadata; raises ConfigurationError where ``resource`` was not given."""
        path, metadata = self._protection.published()
        router = APIRouter(include_in_schema=False)

        @router.api_route(path, methods=["GET", "HEAD"])
        async def protected_resource_metadata(request: Request) -> Response:
            if self._protection.names_scopes_itself:  # those of Security(...), which FastAPI alone knows
                for operation in _operations(request.app):
                    self._protection.offer(_scopes(operation, self.scheme_name))
            response = metadata()
            return Response(response.body, response.status, dict(response.headers))

        return router

    def _requiring(self, required: Requirements) -> Self:
        other = copy.copy(self)
        other._required = required
        other._with_scopes = {}
        return other

    def _scopes_of_route(self, connection: HTTPConnection) -> tuple[str, ...]:
        """Return what all dependencies of the route require."""
        app, method = connection.scope["app"], connection.scope.get("method", "").lower()
        path = getattr(connection.scope.get("route"), "path_format", None)
        if path is None:
            return ()
        key = (id(app), path, method)
        known = self._of_routes.get(key)
        if known is None:  # once for each route
            operation = _documented(app).get(path, {}).get(method, {})
            known = self._of_routes[key] = tuple(_scopes(operation, self.scheme_name))
        return known

    def _requirements(self, scopes: tuple[str, ...]) -> Requirements:
        """Return the requirements with the ``scopes`` that FastAPI has gathered on the way to a route."""
        requirements = self._with_scopes.get(scopes)
        if requirements is None:  # once for each route: routes are what brings scopes here
            requirements = replace(self._required, scopes=(*self._required.scopes, *scopes))
            self._with_scopes[scopes] = requirements
        return requirements


def _documented(app: FastAPI) -> Mapping[str, Any]:
    """Return the paths of the OpenAPI document, which has the scopes that a route's dependencies require together."""
    try:
        paths: Mapping[str, Any] = app.openapi().get("paths", {})
    except Exception as error:  # noqa: BLE001 - types without a schema: such an application serves its routes all the same
        _log.info("The application has no OpenAPI document to read scopes from: %s", type(error).__name__)
        return {}
    return paths


def _operations(app: FastAPI) -> Iterator[Mapping[str, Any]]:
    for path in _documented(app).values():
        yield from (operation for operation in path.values() if isinstance(operation, Mapping))


def _scopes(operation: Mapping[str, Any], scheme: str) -> Iterator[str]:
    """Yield the scopes of the security scheme that an operation of an OpenAPI document requires."""
    for requirement in operation.get("security", ()):
        yield from requirement.get(scheme, ())
