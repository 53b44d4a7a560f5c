"""Token checks for Django REST framework, set up by ``settings.ROOMKEY`` (see ``roomkey.integrations.django``).

``DEFAULT_AUTHENTICATION_CLASSES`` names ``BearerTokenAuthentication``; ``DEFAULT_PERMISSION_CLASSES`` must name one
that requires a token, such as the framework's ``IsAuthenticated``, since its own default lets every request in.
"""

import json
from collections.abc import Iterable, Iterator
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
from roomkey.integrations.django import authorize, configured, private_where_authorized
from roomkey.integrations.protection import ANY_VALID_TOKEN, RequireOptions
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import PreparedResponse

_SENT_BY_HANDLER: Final = ("Content-Type", "WWW-Authenticate", "Retry-After")

__all__ = ["BearerTokenAuthentication", "TokenUser", "requires"]


@final
class TokenUser:
    """The sender of a request, from its token's claims; nothing of it comes from Django's user table.

    It has no permission of Django's: ``IsAdminUser`` and ``DjangoModelPermissions`` deny what needs one.

    Attributes:
        claims: the verified claims.
    """

    is_authenticated = True
    is_anonymous = False
    is_active = True
    is_staff = False
    is_superuser = False

    def __init__(self, claims: Claims) -> None:
        self.claims = claims

    @property
    def pk(self) -> str | None:
        """The subject, or else the client, which is also what requests are throttled by."""
        return self.username or None

    @property
    def id(self) -> str | None:
        """The same as ``pk``."""
        return self.pk

    @property
    def username(self) -> str:
        """The subject, or else the client."""
        return self.claims.subject or self.claims.client_id or ""

    def get_username(self) -> str:
        """Return ``username``."""
        return self.username

    def get_all_permissions(self, _obj: object = None) -> set[str]:
        """Return no permission."""
        return set()

    def has_perm(self, _perm: str, _obj: object = None) -> bool:
        """Return False."""
        return False

    def has_perms(self, perms: Iterable[str], _obj: object = None) -> bool:
        """Return True where ``perms`` is empty: then any user is allowed to do it."""
        return not list(perms)

    def has_module_perms(self, _app_label: str) -> bool:
        """Return False."""
        return False

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
            _keep_from_shared_caches(request)
            return (configured().user or TokenUser)(outcome), outcome
        if isinstance(outcome, TokenMissing):
            return None
        raise _rejection(request, outcome)

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge for a request without a token, which makes that a 401; it names the view's scopes."""
        view = (request.parser_context or {}).get("view")
        scope = " ".join(dict.fromkeys(_scopes(view.get_permissions() if view is not None else ())))
        return _header(configured().protection.missing(scope or None), "WWW-Authenticate") or "Bearer"


class _RequiresToken(BasePermission):  # type: ignore[misc] # the framework has no types
    """What ``requires`` returns a class of."""

    scope: str | None = None


def requires(**options: Unpack[RequireOptions]) -> type[BasePermission]:
    """Return a permission class that requires all this of a token; see ``roomkey.Requirements``.

    Combined by ``|``, it stands last: a rejection of its own ends the request, with the challenge that names what is
    missing. Raises TypeError and ValueError where a requirement has the wrong form, and ConfigurationError where
    ``settings.ROOMKEY`` is not right or its validator could never meet it.
    """
    requirements = configured().protection.require(**options)

    class Required(_RequiresToken):
        """Grants access to a token that meets ``requirements``."""

        scope = requirements.scope

        def has_permission(self, request: Request, _view: object) -> bool:
            if not isinstance(request.auth, Claims):
                return False
            outcome = authorize(request._request, requirements)
            if isinstance(outcome, AccessError):
                raise _rejection(request, outcome)
            return True

    return Required


def _scopes(permissions: Iterable[object]) -> Iterator[str]:
    """Yield the scopes that ``permissions`` require, also where the framework combined them by ``&`` and ``|``."""
    for one in permissions:
        if isinstance(one, _RequiresToken):
            yield from (one.scope or "").split()
        elif operands := [getattr(one, name) for name in ("op1", "op2") if hasattr(one, name)]:
            yield from _scopes(operands)


def _keep_from_shared_caches(request: Request) -> None:
    """Have the view's response, which it has not made yet, kept from shared caches where a token was needed for it."""
    view = request.parser_context.get("view")
    finalize = getattr(view, "finalize_response", None)
    if finalize is None:
        return

    def finalize_response(*arguments: Any, **named: Any) -> Any:
        return private_where_authorized(request._request, finalize(*arguments, **named))

    view.finalize_response = finalize_response


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
