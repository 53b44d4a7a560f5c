"""Token checks for Django REST framework, set up by ``settings.ROOMKEY`` (see ``roomkey.integrations.django``).

``DEFAULT_AUTHENTICATION_CLASSES`` names ``BearerTokenAuthentication``; ``DEFAULT_PERMISSION_CLASSES`` must name one
that requires a token, such as the framework's ``IsAuthenticated``, since its own default lets every request in.
"""

import json
from typing import Any, Final, Unpack, final

try:
    from rest_framework.authentication import BaseAuthentication  # type: ignore[import-untyped] # it ships no types
    from rest_framework.exceptions import APIException  # type: ignore[import-untyped]
    from rest_framework.permissions import BasePermission  # type: ignore[import-untyped]
    from rest_framework.request import Request  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] != "rest_framework":
        raise
    raise ImportError(
        "roomkey.integrations.django_rest_framework needs the package djangorestframework, which is not installed: "
        "pip install djangorestframework"
    ) from None

from roomkey.errors import AccessError, TokenMissing
from roomkey.integrations.django import authorize, configured
from roomkey.integrations.protection import ANY_VALID_TOKEN, RequireOptions
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import PreparedResponse

_SENT_BY_HANDLER: Final = ("Content-Type", "WWW-Authenticate", "Retry-After")

__all__ = ["BearerTokenAuthentication", "TokenUser", "requires"]


@final
class TokenUser:
    """The sender of a request, from its token's claims; nothing of it comes from Django's user table.

    Attributes:
        claims: the verified claims.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    @property
    def pk(self) -> str | None:
        """The subject, which is also what requests are throttled by."""
        return self.claims.subject

    @property
    def username(self) -> str:
        """The subject, or else the client."""
        return self.claims.subject or self.claims.client_id or ""

    def __str__(self) -> str:
        return self.username


class BearerTokenAuthentication(BaseAuthentication):  # type: ignore[misc] # the framework has no types
    """Validates the token of a request (RFC 6750): ``request.auth`` is its :class:`~roomkey.Claims`.

    ``request.user`` is what ``ROOMKEY["USER"]`` makes of them, a :class:`TokenUser` by default. A request without a
    bearer token is left to the authentication classes after this one. Blocks while keys are fetched.
    """

    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:
        """Return user and claims, or None without a token; raises APIException with the right status and headers."""
        outcome = authorize(request._request, ANY_VALID_TOKEN)
        if isinstance(outcome, Claims):
            return (configured().user or TokenUser)(outcome), outcome
        if isinstance(outcome, TokenMissing):
            return None
        raise _rejection(request, outcome)

    def authenticate_header(self, _request: Request) -> str:
        """Return the challenge for a request without a token, which makes that a 401."""
        return _header(configured().protection.missing(), "WWW-Authenticate") or "Bearer"


def requires(**options: Unpack[RequireOptions]) -> type[BasePermission]:
    """Return a permission class that requires all this of a token; see ``roomkey.Requirements``.

    Combined by ``|``, it stands last: a rejection of its own ends the request, with the challenge that names what is
    missing. Raises TypeError and ValueError where a requirement has the wrong form, and ConfigurationError where
    ``settings.ROOMKEY`` is not right or its validator could never meet it.
    """
    requirements = configured().protection.require(**options)

    class Required(BasePermission):  # type: ignore[misc] # the framework has no types
        """Grants access to a token that meets ``requirements``."""

        def has_permission(self, request: Request, _view: object) -> bool:
            if not isinstance(request.auth, Claims):
                return False
            outcome = authorize(request._request, requirements)
            if isinstance(outcome, AccessError):
                raise _rejection(request, outcome)
            return True

    return Required


class _Rejection(APIException):  # type: ignore[misc] # the framework has no types
    """A rejection whose headers the framework's exception handler sends, whichever authentication class comes first."""

    def __init__(self, code: str, response: PreparedResponse) -> None:
        super().__init__(json.loads(response.body), code=code)
        self.status_code = response.status
        self.auth_header = _header(response, "WWW-Authenticate")
        self.wait = int(_header(response, "Retry-After") or 0)


def _rejection(request: Request, error: AccessError) -> _Rejection:
    """Return the exception for ``error``; headers that the handler does not send are added to the view's response."""
    response = configured().protection.response(error)
    headers = getattr(request.parser_context.get("view"), "headers", None)
    if isinstance(headers, dict):
        headers |= {name: value for name, value in response.headers if name not in _SENT_BY_HANDLER}
    return _Rejection(error.code, response)


def _header(response: PreparedResponse, name: str) -> str | None:
    return next((value for key, value in response.headers if key == name), None)
