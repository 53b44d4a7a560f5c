"""What the integrations of all web frameworks have in common: one answer to a refusal, one metadata document."""

import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import replace
from typing import Final, Generic, TypedDict, TypeVar, final
from urllib.parse import unquote_plus

from roomkey.errors import AccessError, ConfigurationError, TokenMissing
from roomkey.integrations.request_credentials import CertificateProxies, Presented
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.dpop_proof import DPoPRequest
from roomkey.resource_server.error_response import Answer, ErrorResponses
from roomkey.resource_server.protected_resource import ProtectedResource
from roomkey.resource_server.requirements import Expected, Requirements
from roomkey.resource_server.validator import TokenValidator

_log = logging.getLogger("roomkey")

RequestT = TypeVar("RequestT")

_METADATA_LIFETIME: Final = "max-age=3600"
ANY_GOOD_TOKEN: Final = Requirements()


class Asked(TypedDict, total=False):
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


class _Beside(TypedDict):
    """What a validator looks at beside a token."""

    elsewhere: bool
    tenant: str | None
    certificate: bytes | None
    proof: DPoPRequest | None


@final
class Protection(Generic[RequestT]):
    """How one API checks tokens, says no and describes itself, whatever framework serves it. Safe in any thread.

    Attributes:
        metadata: the answer to a request for the API's metadata, or None where ``resource`` is not given.
        metadata_path: where it is served, or None.
    """

    __slots__ = ("_answering", "_proxies", "_tenant", "_validator", "metadata", "metadata_path")

    def __init__(
        self,
        validator: TokenValidator,
        *,
        tenant: Callable[[RequestT], str | None] | None = None,
        answering: ErrorResponses | None = None,
        resource: ProtectedResource | None = None,
        certificates_from: Iterable[str] = (),
    ) -> None:
        """Challenges name the metadata of ``resource``, unless ``answering`` names others.

        ``certificates_from`` are the addresses of proxies that say in ``Client-Cert`` which certificate a client has.
        Raises TypeError and ConfigurationError.
        """
        if not isinstance(validator, TokenValidator):
            raise TypeError(f"validator= takes a TokenValidator, not {type(validator).__name__}")
        self._validator = validator
        self._tenant = tenant
        self._proxies = CertificateProxies(certificates_from)
        self._answering = ErrorResponses() if answering is None else answering
        self.metadata: Answer | None = None
        self.metadata_path: str | None = None
        if resource is not None:
            if self._answering.resource_metadata is None:
                self._answering = replace(self._answering, resource_metadata=resource.metadata_url)
            headers = (("Content-Type", "application/json"), ("Cache-Control", _METADATA_LIFETIME))
            algorithms = () if validator.dpop is None else validator.dpop.algorithms
            self.metadata = Answer(200, headers, resource.document(validator.issuers, algorithms))
            self.metadata_path = resource.metadata_path

    def declared(self, requirements: Requirements) -> Requirements:
        """``requirements``, which the validator can meet; raises ConfigurationError when a route is declared."""
        self._validator.check_requirements(requirements)
        return requirements

    def judge(self, request: RequestT, presented: Presented, requirements: Requirements) -> Claims | AccessError:
        """The claims of a request, or why it is refused; blocks while keys are fetched.

        Parameters:
            request: what the tenant function is given.
            presented: what it shows of who sent it.
            requirements: what the route asks for.
        """
        try:
            beside = self._beside(request, presented, requirements)
            return self._validator.authorize(presented.authorization, requirements, **beside)
        except AccessError as error:
            return error.with_traceback(None)

    async def judge_async(
        self, request: RequestT, presented: Presented, requirements: Requirements
    ) -> Claims | AccessError:
        """``judge`` for asyncio and trio: never blocks the loop."""
        try:
            beside = self._beside(request, presented, requirements)
            return await self._validator.authorize_async(presented.authorization, requirements, **beside)
        except AccessError as error:
            return error.with_traceback(None)

    def answer(self, error: AccessError) -> Answer:
        """What goes back in place of the route's answer; the log has the reason, and nothing of the token."""
        _log.info("A request is answered with %d %s (%s).", error.status, error.code, error.reason)
        return self._answering.answer(error)

    def missing(self) -> Answer:
        """What goes back where no token came and something else has found that out."""
        error = TokenMissing("Send an access token.", reason="no_credentials")
        if self._validator.dpop is not None:
            error.dpop_algorithms = self._validator.dpop.algorithms
        return self._answering.answer(error)

    def published(self) -> tuple[str, Answer]:
        """Where the metadata is served, and what; raises ConfigurationError where ``resource`` is not given."""
        if self.metadata is None or self.metadata_path is None:
            raise ConfigurationError("There is no metadata to serve; say resource=ProtectedResource(resource=...).")
        return self.metadata_path, self.metadata

    def _beside(self, request: RequestT, presented: Presented, requirements: Requirements) -> _Beside:
        return {
            "elsewhere": _names_token(presented.query),
            "tenant": self._tenant(request) if self._tenant is not None and requirements.tenant else None,
            "certificate": self._certificate_of(presented),
            "proof": presented.proof,
        }

    def _certificate_of(self, presented: Presented) -> bytes | None:
        if presented.certificate is not None or not presented.client_cert:
            return presented.certificate
        return self._proxies.certificate(presented.peer, presented.client_cert)


def _names_token(query: str) -> bool:
    """Whether a query string has an ``access_token``, which is never read (RFC 6750 section 2.3)."""
    return any(unquote_plus(part.partition("=")[0]) == "access_token" for part in query.split("&"))
