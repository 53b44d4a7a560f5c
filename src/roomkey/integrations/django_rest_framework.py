"""Token checks for Django REST framework, set up by ``settings.ROOMKEY`` (see ``roomkey.integrations.django``).

``DEFAULT_AUTHENTICATION_CLASSES`` names ``BearerTokenAuthentication``; ``DEFAULT_PERMISSION_CLASSES`` must name one
that asks for a token, such as the framework's ``IsAuthenticated``, since its own default lets everybody in.
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
from roomkey.integrations.django import configured, judge
from roomkey.integrations.protection import ANY_GOOD_TOKEN, Asked
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import Answer
from roomkey.resource_server.requirements import Requirements

_SENT_BY_THE_HANDLER: Final = ("Content-Type", "WWW-Authenticate", "Retry-After")

__all__ = ["BearerTokenAuthentication", "TokenUser", "requires"]


@final
class TokenUser:
    """Who sent a request, as its token says; nothing of it comes from Django's user table.

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
    """Verifies the token of a request (RFC 6750): ``request.auth`` is its :class:`~roomkey.Claims`.

    ``request.user`` is what ``ROOMKEY["USER"]`` makes of them, a :class:`TokenUser` by default. A request without a
    bearer token is left to the authentication classes after this one. Blocks while keys are fetched.
    """

    def authenticate(self, request: Request) -> tuple[Any, Claims] | None:
        """The user and the claims, or None without a token; raises APIException with the right status and headers."""
        outcome = judge(request._request, ANY_GOOD_TOKEN)
        if isinstance(outcome, Claims):
            return (configured().user or TokenUser)(outcome), outcome
        if isinstance(outcome, TokenMissing):
            return None
        raise _refused(request, outcome)

    def authenticate_header(self, _request: Request) -> str:
        """The challenge where no token came, which makes that a 401."""
        return _header(configured().protection.missing(), "WWW-Authenticate") or "Bearer"


def requires(**asked: Unpack[Asked]) -> type[BasePermission]:
    """A permission class that asks for all this of a token, for ``permission_classes``; see ``roomkey.Requirements``.

    Combined by ``|``, it stands last: a refusal of its own ends the request, with the challenge that names what is
    missing. Raises TypeError and ValueError where a requirement has the wrong form, and ConfigurationError where
    ``settings.ROOMKEY`` is not right or its validator could never meet it.
    """
    requirements = configured().protection.declared(Requirements(**asked))

    class Required(BasePermission):  # type: ignore[misc] # the framework has no types
        """Whether a token meets ``requirements``."""

        def has_permission(self, request: Request, _view: object) -> bool:
            if not isinstance(request.auth, Claims):
                return False
            outcome = judge(request._request, requirements)
            if isinstance(outcome, AccessError):
                raise _refused(request, outcome)
            return True

    return Required


class _Refused(APIException):  # type: ignore[misc] # the framework has no types
    """A refusal whose headers the framework's exception handler sends, whichever authentication class comes first."""

    def __init__(self, code: str, answer: Answer) -> None:
        super().__init__(json.loads(answer.body), code=code)
        self.status_code = answer.status
        self.auth_header = _header(answer, "WWW-Authenticate")
        self.wait = int(_header(answer, "Retry-After") or 0)


def _refused(request: Request, error: AccessError) -> _Refused:
    """The exception for ``error``; the headers that the handler knows nothing of are those of the view's answer."""
    answer = configured().protection.answer(error)
    headers = getattr(request.parser_context.get("view"), "headers", None)
    if isinstance(headers, dict):
        headers |= {name: value for name, value in answer.headers if name not in _SENT_BY_THE_HANDLER}
    return _Refused(error.code, answer)


def _header(answer: Answer, name: str) -> str | None:
    return next((value for key, value in answer.headers if key == name), None)
