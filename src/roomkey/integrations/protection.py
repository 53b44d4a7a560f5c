"""Token validation of an API in any web framework: error responses, metadata and client certificates in one object."""

import logging
import warnings
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Any, Final, Generic, TypedDict, TypeVar, final
from urllib.parse import unquote_plus

from roomkey.errors import AccessError, ConfigurationError, TokenMissing
from roomkey.integrations.request_credentials import CertificateProxies, RequestCredentials
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import ErrorResponses, PreparedResponse
from roomkey.resource_server.protected_resource import ProtectedResource
from roomkey.resource_server.requirements import Expected, Requirements
from roomkey.resource_server.validator import TokenValidator

_log = logging.getLogger("roomkey")

RequestT = TypeVar("RequestT")

_METADATA_LIFETIME: Final = "max-age=3600"
ANY_VALID_TOKEN: Final = Requirements()


class RequireOptions(TypedDict, total=False):
    """The arguments of ``require``: those of ``Requirements``, which explains them."""

    scopes: Collection[str]
    any_scope: Collection[str] | None
    roles: Collection[str]
    any_role: Collection[str] | None
    tenant: bool
    claims: Mapping[str, Expected]
    acr: Collection[str] | None
    max_age: float | None
    fresh: bool


class ProtectionOptions(TypedDict, Generic[RequestT], total=False):
    """The options of every integration; ``Protection`` explains them. ``answering`` is ``error_responses`` in 0.1.0."""

    tenant: Callable[[RequestT], str | None] | None
    error_responses: ErrorResponses | None
    answering: ErrorResponses | None
    resource: ProtectedResource | None
    certificates_from: Iterable[str]


@final
class Protection(Generic[RequestT]):
    """How one API validates tokens, rejects requests and publishes its metadata. Safe in any thread.

    Parameters:
        validator: validates the tokens.
        tenant: a function that returns the tenant that a request names, for requirements that compare it.
        error_responses: its error responses; their challenges name the metadata of ``resource`` by default.
        resource: its metadata (RFC 9728).
        certificates_from: addresses or networks of proxies whose ``Client-Cert`` header (RFC 9440) is trusted.

    Raises TypeError and ConfigurationError.

    Attributes:
        metadata_path: where the API's metadata is served, or None where ``resource`` is not given.
    """

    __slots__ = (
        "_declared",
        "_error_responses",
        "_everywhere",
        "_proxies",
        "_resource",
        "_tenant",
        "_validator",
        "metadata_path",
    )

    def __init__(
        self,
        validator: TokenValidator,
        *,
        tenant: Callable[[RequestT], str | None] | None = None,
        error_responses: ErrorResponses | None = None,
        answering: ErrorResponses | None = None,
        resource: ProtectedResource | None = None,
        certificates_from: Iterable[str] = (),
    ) -> None:
        if not isinstance(validator, TokenValidator):
            raise TypeError(f"validator= must be a TokenValidator, not {type(validator).__name__}")
        if answering is not None:
            warnings.warn("answering= is now error_responses=", DeprecationWarning, stacklevel=3)
        self._validator = validator
        self._tenant = tenant
        self._proxies = CertificateProxies(certificates_from)
        self._error_responses = error_responses or answering or ErrorResponses()
        self._resource = resource
        self._everywhere: tuple[str, ...] = ()
        self._declared: dict[str, None] = {}  # in the order of declaration
        self.metadata_path = None if resource is None else resource.metadata_path
        if resource is not None and self._error_responses.resource_metadata is None:
            self._error_responses = replace(self._error_responses, resource_metadata=resource.metadata_url)

    def require(self, **options: Any) -> Requirements:
        """Return ``Requirements(**options)``, for when a route is declared; raises TypeError and ValueError.

        ConfigurationError where the validator could never meet them.
        """
        requirements = Requirements(**options)
        self._validator.check_requirements(requirements)
        self.offer(_words(requirements.scope))
        return requirements

    def require_everywhere(self, requirements: Requirements) -> None:
        """Note ``requirements`` on every request; raises ConfigurationError where the validator could never meet them.

        The metadata names their scopes.
        """
        self._validator.check_requirements(requirements)
        self._everywhere = _words(requirements.scope)

    def offer(self, scopes: Iterable[str]) -> None:
        """Note ``scopes`` that routes require; the metadata names them where ``resource`` names none."""
        self._declared.update(dict.fromkeys(scopes))

    def authorize(
        self, request: RequestT, credentials: RequestCredentials, requirements: Requirements
    ) -> Claims | AccessError:
        """Return the claims of a request, or why it is rejected; blocks while keys are fetched.

        ``request`` is the argument of the tenant function.
        """
        try:
            return self._validator.authorize(
                credentials.authorization, requirements, **self._context(request, credentials, requirements)
            )
        except AccessError as error:
            return error.with_traceback(None)

    async def authorize_async(
        self, request: RequestT, credentials: RequestCredentials, requirements: Requirements
    ) -> Claims | AccessError:
        """``authorize`` for asyncio and trio: never blocks the loop."""
        try:
            return await self._validator.authorize_async(
                credentials.authorization, requirements, **self._context(request, credentials, requirements)
            )
        except AccessError as error:
            return error.with_traceback(None)

    def response(self, error: AccessError) -> PreparedResponse:
        """Return the response that replaces the route's own; logs the reason, and nothing of the token."""
        _log.info("A request is answered with %d %s (%s).", error.status, error.code, error.reason)
        return self._error_responses.answer(error)

    def missing(self, scope: str | None = None) -> PreparedResponse:
        """Return the response to a request without a token, where the framework has found that out.

        ``scope`` are the scopes that its route requires, space-separated.
        """
        error = TokenMissing("Send an access token.", reason="no_credentials", scope=scope)
        if self._validator.dpop is not None:
            error.dpop_algorithms = self._validator.dpop.algorithms
        return self._error_responses.answer(error)

    def published(self) -> tuple[str, Callable[[], PreparedResponse]]:
        """Return the metadata's path, and ``metadata``; raises ConfigurationError where ``resource`` is not given."""
        return self._described().metadata_path, self.metadata

    @property
    def names_scopes_itself(self) -> bool:
        """True where the scopes in the metadata are those that routes require, since ``resource`` names none."""
        return not self._described().scopes_supported

    def metadata(self) -> PreparedResponse:
        """Return the response to a request for the metadata: routes that are declared later are in it."""
        resource, dpop = self._described(), self._validator.dpop
        scopes = (*self._everywhere, *(() if resource.scopes_supported else self._declared))
        algorithms = () if dpop is None else dpop.algorithms
        headers = (("Content-Type", "application/json"), ("Cache-Control", _METADATA_LIFETIME))
        return PreparedResponse(200, headers, resource.document(self._validator.issuers, algorithms, scopes))

    def _described(self) -> ProtectedResource:
        if self._resource is None:
            raise ConfigurationError("There is no metadata to serve; set resource=ProtectedResource(resource=...).")
        return self._resource

    def _context(
        self, request: RequestT, credentials: RequestCredentials, requirements: Requirements
    ) -> dict[str, Any]:
        certificate = credentials.certificate
        if certificate is None and credentials.client_cert:
            certificate = self._proxies.certificate(credentials.peer, credentials.client_cert)
        return {
            "elsewhere": _has_token_in_query(credentials.query),
            "tenant": self._tenant(request) if self._tenant is not None and requirements.tenant else None,
            "certificate": certificate,
            "proof": credentials.proof,
        }


def name_scopes(error: AccessError, *scopes: str | None) -> None:
    """Have the challenge for a missing token name ``scopes`` too; each is space-separated, or None."""
    if isinstance(error, TokenMissing):
        error.scope = " ".join(dict.fromkeys(word for one in (error.scope, *scopes) for word in _words(one))) or None


def _words(scope: str | None) -> tuple[str, ...]:
    return tuple((scope or "").split())


def _has_token_in_query(query: str) -> bool:
    """Return True for a query string with an ``access_token``, which is never read (RFC 6750 section 2.3)."""
    return any(unquote_plus(part.partition("=")[0]) == "access_token" for part in query.split("&"))
