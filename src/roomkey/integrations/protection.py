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
        metadata: the response to a request for the API's metadata, or None where ``resource`` is not given.
        metadata_path: where it is served, or None.
    """

    __slots__ = ("_error_responses", "_proxies", "_tenant", "_validator", "metadata", "metadata_path")

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
        self.metadata: PreparedResponse | None = None
        self.metadata_path: str | None = None
        if resource is not None:
            if self._error_responses.resource_metadata is None:
                self._error_responses = replace(self._error_responses, resource_metadata=resource.metadata_url)
            headers = (("Content-Type", "application/json"), ("Cache-Control", _METADATA_LIFETIME))
            algorithms = () if validator.dpop is None else validator.dpop.algorithms
            self.metadata = PreparedResponse(200, headers, resource.document(validator.issuers, algorithms))
            self.metadata_path = resource.metadata_path

    def require(self, **options: Any) -> Requirements:
        """Return ``Requirements(**options)``, for when a route is declared; raises TypeError and ValueError.

        ConfigurationError where the validator could never meet them.
        """
        return self.checked(Requirements(**options))

    def checked(self, requirements: Requirements) -> Requirements:
        """Return ``requirements``; raises ConfigurationError where the validator could never meet them."""
        self._validator.check_requirements(requirements)
        return requirements

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

    def missing(self) -> PreparedResponse:
        """Return the response to a request without a token, where the framework has found that out."""
        error = TokenMissing("Send an access token.", reason="no_credentials")
        if self._validator.dpop is not None:
            error.dpop_algorithms = self._validator.dpop.algorithms
        return self._error_responses.answer(error)

    def published(self) -> tuple[str, PreparedResponse]:
        """Return path and response of the metadata; raises ConfigurationError where ``resource`` is not given."""
        if self.metadata is None or self.metadata_path is None:
            raise ConfigurationError("There is no metadata to serve; set resource=ProtectedResource(resource=...).")
        return self.metadata_path, self.metadata

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


def _has_token_in_query(query: str) -> bool:
    """Return True for a query string with an ``access_token``, which is never read (RFC 6750 section 2.3)."""
    return any(unquote_plus(part.partition("=")[0]) == "access_token" for part in query.split("&"))
