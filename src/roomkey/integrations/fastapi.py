"""BearerToken for FastAPI: a security dependency that gives a route the verified claims of its caller."""

import copy
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, Self, Unpack, final

try:
    from fastapi import APIRouter, HTTPException, Response, Security
    from fastapi.openapi.models import HTTPBearer, OAuth2, OAuthFlowClientCredentials, OAuthFlows
    from fastapi.requests import HTTPConnection
    from fastapi.security import SecurityScopes
    from fastapi.security.base import SecurityBase
except ModuleNotFoundError as missing:
    if missing.name != "fastapi":
        raise
    raise ImportError(
        "roomkey.integrations.fastapi needs the package fastapi, which is not installed: pip install fastapi"
    ) from None

from roomkey.integrations.protection import ANY_GOOD_TOKEN, Asked, Protection
from roomkey.integrations.request_credentials import presented_by
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import Answer, ErrorResponses
from roomkey.resource_server.protected_resource import ProtectedResource
from roomkey.resource_server.requirements import Requirements
from roomkey.resource_server.validator import TokenValidator

__all__ = ["BearerToken"]


@final
class BearerToken(SecurityBase):
    """A dependency that verifies a request's token and returns its :class:`~roomkey.Claims` (RFC 6750).

    ``Security(auth, scopes=["orders:read"])`` asks for scopes and stands in the OpenAPI document with them;
    ``Depends(auth.require(roles=["admin"]))`` asks for more. Both serve ``def`` and ``async def`` routes, websockets,
    routers and whole applications, but for what is mounted in them. A refusal is an HTTPException with the right
    headers, its ``detail`` the error and its description; exceptions of the routes themselves are left alone.

    Parameters:
        validator: who judges the tokens.
        tenant: says which tenant a connection's path or host names, where requirements ask for that.
        answering: how the API says no.
        resource: its metadata (RFC 9728), served by ``app.include_router(auth.metadata_route)``.
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) counts.
        token_endpoint: where the documentation pages get a token by client credentials; without it they ask for one.
        scopes: the scopes that those pages offer, with a sentence for each.
        scheme_name: the name of the security scheme in the OpenAPI document.

    Never blocks the event loop.
    """

    def __init__(
        self,
        validator: TokenValidator,
        *,
        tenant: Callable[[HTTPConnection], str | None] | None = None,
        answering: ErrorResponses | None = None,
        resource: ProtectedResource | None = None,
        certificates_from: Iterable[str] = (),
        token_endpoint: str | None = None,
        scopes: Mapping[str, str] | None = None,
        scheme_name: str = "BearerToken",
    ) -> None:
        self.scheme_name = scheme_name
        self.model = HTTPBearer(bearerFormat="JWT")
        if token_endpoint is not None:
            flow = OAuthFlowClientCredentials(tokenUrl=token_endpoint, scopes=dict(scopes or {}))
            self.model = OAuth2(flows=OAuthFlows(clientCredentials=flow))
        self._protection = Protection(
            validator, tenant=tenant, answering=answering, resource=resource, certificates_from=certificates_from
        )
        self._asked = ANY_GOOD_TOKEN
        self._with_scopes: dict[tuple[str, ...], Requirements] = {}

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes) -> Claims:
        """The claims of a request's token; raises HTTPException. FastAPI calls this."""
        requirements = self._requirements(tuple(security_scopes.scopes))
        outcome = await self._protection.judge_async(connection, presented_by(connection.scope), requirements)
        if isinstance(outcome, Claims):
            return outcome
        answer = self._protection.answer(outcome)
        detail: Any = json.loads(answer.body)
        raise HTTPException(answer.status, detail, _without_content_type(answer))

    def require(self, **asked: Unpack[Asked]) -> Callable[..., Awaitable[Claims]]:
        """A dependency that asks for all this of a token, and returns its claims; see :class:`~roomkey.Requirements`.

        Raises TypeError and ValueError where a requirement has the wrong form, and ConfigurationError where the
        validator could never meet it.
        """
        requirements = self._protection.declared(Requirements(**asked))
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
        async def protected_resource_metadata() -> Response:
            return Response(metadata.body, metadata.status, dict(metadata.headers))

        return router

    def _requiring(self, asked: Requirements) -> Self:
        other = copy.copy(self)
        other._asked = asked
        other._with_scopes = {}
        return other

    def _requirements(self, scopes: tuple[str, ...]) -> Requirements:
        """What is asked, with the ``scopes`` that FastAPI has gathered on the way to a route."""
        requirements = self._with_scopes.get(scopes)
        if requirements is None:  # once for each route: routes are what brings scopes here
            requirements = replace(self._asked, scopes=(*self._asked.scopes, *scopes))
            self._with_scopes[scopes] = requirements
        return requirements


def _without_content_type(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers if name != "Content-Type"}
