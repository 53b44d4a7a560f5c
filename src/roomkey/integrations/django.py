"""Token checks for Django: a middleware that protects every view, and decorators for views that require more or less.

Both are set up by ``settings.ROOMKEY``, a dictionary::

    ROOMKEY = {
        "VALIDATOR": TokenValidator(issuer="https://auth.example", audience="orders-api"),
        "REQUIREMENTS": Requirements(...),         # of views without a decorator; any valid token by default
        "TENANT": lambda request: ...,             # the tenant in a request's path or host
        "ERROR_RESPONSES": ErrorResponses(...),
        "RESOURCE": ProtectedResource(...),        # the API's metadata (RFC 9728), served by metadata_route()
        "CERTIFICATES_FROM": ["10.1.2.3"],         # proxies whose Client-Cert header (RFC 9440) is trusted
        "USER": lambda claims: ...,                # request.user in Django REST framework
    }
"""

import functools
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, Unpack, cast, final

try:
    from asgiref.sync import iscoroutinefunction, markcoroutinefunction  # it comes with Django
    from django.conf import settings  # type: ignore[import-untyped] # Django ships no types
    from django.core.signals import setting_changed  # type: ignore[import-untyped]
    from django.dispatch import receiver  # type: ignore[import-untyped]
    from django.http import HttpRequest, HttpResponse  # type: ignore[import-untyped]
    from django.urls import URLPattern, path  # type: ignore[import-untyped]
    from django.views.decorators.http import require_safe  # type: ignore[import-untyped]
except ModuleNotFoundError as missing:
    if (missing.name or "").partition(".")[0] not in ("django", "asgiref"):
        raise
    raise ImportError(
        "roomkey.integrations.django needs the package django, which is not installed: pip install django"
    ) from None

from roomkey.errors import AccessError, ConfigurationError
from roomkey.integrations.caching import keep_from_shared_caches
from roomkey.integrations.protection import ANY_VALID_TOKEN, Protection, RequireOptions, name_scopes
from roomkey.integrations.request_credentials import RequestCredentials, client_certificate, dpop_request
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import PreparedResponse
from roomkey.resource_server.requirements import Requirements

__all__ = ["BearerTokenMiddleware", "metadata_route", "public", "require"]

View = TypeVar("View", bound=Callable[..., Any])

_OPTIONS: Final = ("TENANT", "ERROR_RESPONSES", "ANSWERING", "RESOURCE", "CERTIFICATES_FROM")
_SETTINGS: Final = frozenset({"VALIDATOR", "REQUIREMENTS", "USER", *_OPTIONS})
_DECORATED: Final = "roomkey_decorated"
_AUTHORIZED: Final = "_roomkey_authorized"


@final
class BearerTokenMiddleware:
    """Run no view without a valid token (RFC 6750), but those that ``require`` or ``public`` decorate.

    Views find the verified :class:`~roomkey.Claims` in ``request.claims``; their responses are
    ``Vary: Authorization`` and, unless they say ``public``, private for caches, and never come out of Django's cache
    of the whole site, which is asked before any view is known. URLs without a view are answered by
    Django. It stands before ``CsrfViewMiddleware``, which then checks nothing of requests with a valid token. Works
    under WSGI and ASGI, where it never blocks the event loop.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        """For Django's own use; raises ConfigurationError where ``settings.ROOMKEY`` is not right."""
        configured()
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)
            self.process_view: Callable[..., Any] = _view_async
            self._respond: Callable[[HttpRequest], Any] = self._respond_async
        else:
            self.process_view = _view
            self._respond = self._respond_sync

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Pass the request on; its token is validated once its view is known."""
        return cast("HttpResponse | Awaitable[HttpResponse]", self._respond(request))

    def _respond_sync(self, request: HttpRequest) -> HttpResponse:
        return private_where_authorized(request, self._get_response(request))

    async def _respond_async(self, request: HttpRequest) -> HttpResponse:
        return private_where_authorized(request, await self._get_response(request))


def require(**options: Unpack[RequireOptions]) -> Callable[[View], View]:
    """Return a decorator that requires all this of a request's token; see :class:`~roomkey.Requirements`.

    It decorates plain and ``async`` views, needs no middleware, and replaces the middleware's own check.
    For a class: ``@method_decorator(require(scopes=["orders:read"]), name="dispatch")``. Raises TypeError and
    ValueError where a requirement has the wrong form, and ConfigurationError where ``settings.ROOMKEY`` is not right
    or its validator could never meet it.
    """
    requirements = configured().protection.require(**options)

    def protect(view: View) -> View:
        @functools.wraps(view)
        def protected(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            rejection = _rejection(request, authorize(request, requirements))
            if rejection is not None:
                return rejection
            return private_where_authorized(request, view(request, *arguments, **named))

        @functools.wraps(view)
        async def protected_async(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            rejection = _rejection(request, await _authorize_async(request, requirements))
            if rejection is not None:
                return rejection
            return private_where_authorized(request, await view(request, *arguments, **named))

        chosen: Any = protected_async if _is_async(view) else protected
        setattr(chosen, _DECORATED, True)
        chosen.roomkey_scope = requirements.scope
        chosen.csrf_exempt = True  # no browser sends a bearer token by itself
        return cast("View", chosen)

    return protect


def _is_async(view: Callable[..., Any]) -> bool:
    # method_decorator passes a partial of a bound method; dispatch is plain even where all it calls is async.
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return iscoroutinefunction(view) or getattr(owner, "view_is_async", False)


def public(view: View) -> View:
    """Decorate a view that needs no token; none is validated."""
    other = functools.update_wrapper(functools.partial(view), view)  # the view itself may serve elsewhere, protected
    setattr(other, _DECORATED, True)
    return cast("View", other)


def metadata_route() -> URLPattern:
    """Return the route of the API's metadata, for ``urlpatterns``; raises ConfigurationError without a ``RESOURCE``."""
    route, metadata = configured().protection.published()
    return path(route.removeprefix("/"), public(require_safe(lambda _request: _respond(metadata()))))


@final
class Configured:
    """The values of ``settings.ROOMKEY``."""

    __slots__ = ("protection", "requirements", "user")

    def __init__(self, given: object) -> None:
        if not isinstance(given, Mapping) or "VALIDATOR" not in given:
            raise ConfigurationError('settings.ROOMKEY is missing; set ROOMKEY = {"VALIDATOR": TokenValidator(...)}.')
        if unknown := set(given) - _SETTINGS:
            raise ConfigurationError(f"settings.ROOMKEY has unknown keys: {', '.join(sorted(map(str, unknown)))}.")
        self.requirements: Requirements = given.get("REQUIREMENTS", ANY_VALID_TOKEN)
        if not isinstance(self.requirements, Requirements):
            raise TypeError('settings.ROOMKEY["REQUIREMENTS"] must be Requirements(...).')
        self.user: Callable[[Claims], Any] | None = given.get("USER")
        options = {name.lower(): given[name] for name in _OPTIONS if name in given}
        self.protection: Protection[HttpRequest] = Protection(given["VALIDATOR"], **options)
        self.protection.require_everywhere(self.requirements)


@functools.cache
def configured() -> Configured:
    """Return ``settings.ROOMKEY``, read once; raises ConfigurationError."""
    return Configured(getattr(settings, "ROOMKEY", None))


@receiver(setting_changed)  # type: ignore[untyped-decorator] # tests change settings, and Django signals it
def _forget(*, setting: str, **_more: object) -> None:
    if setting == "ROOMKEY":
        configured.cache_clear()


def authorize(request: HttpRequest, requirements: Requirements) -> Claims | AccessError:
    """Return the claims of a request, or why it is rejected; blocks while keys are fetched."""
    return _noted(request, configured().protection.authorize(request, _credentials(request), requirements))


async def _authorize_async(request: HttpRequest, requirements: Requirements) -> Claims | AccessError:
    outcome = await configured().protection.authorize_async(request, _credentials(request), requirements)
    return _noted(request, outcome)


def _noted(request: HttpRequest, outcome: Claims | AccessError) -> Claims | AccessError:
    if isinstance(outcome, Claims):
        setattr(request, _AUTHORIZED, True)
        # FetchFromCacheMiddleware responds before a view is known and its token validated: it must find nothing.
        request._cache_update_cache = False
    return outcome


def private_where_authorized(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Return ``response``, kept from shared caches where a token was needed for it."""
    if getattr(request, _AUTHORIZED, False) and hasattr(response, "headers"):
        keep_from_shared_caches(response.headers)
    return response


def _respond(response: PreparedResponse) -> HttpResponse:
    return HttpResponse(response.body, status=response.status, headers=dict(response.headers))


def _credentials(request: HttpRequest) -> RequestCredentials:
    return RequestCredentials(
        _headers(request, "HTTP_AUTHORIZATION"),
        request.META.get("QUERY_STRING", ""),
        certificate=client_certificate(getattr(request, "scope", {})),  # a request under WSGI has none
        proof=dpop_request(vars(request), _headers(request, "HTTP_DPOP"), method=request.method, path=request.path),
        peer=request.META.get("REMOTE_ADDR"),
        client_cert=_headers(request, "HTTP_CLIENT_CERT"),
    )


def _headers(request: HttpRequest, name: str) -> list[str]:
    """Return the header of this name; servers join two of them with a comma, which neither a token nor a proof has."""
    value = request.META.get(name)
    return [] if value is None else [value]


def _rejection(request: HttpRequest, outcome: Claims | AccessError) -> HttpResponse | None:
    if isinstance(outcome, Claims):
        request.claims = outcome
        request._dont_enforce_csrf_checks = True  # no browser sends a bearer token by itself
        return None
    return _respond(configured().protection.response(outcome))


def _view(request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any) -> HttpResponse | None:
    if getattr(view, _DECORATED, False):
        return None
    return _rejection(request, _with_scope(authorize(request, configured().requirements), request, view))


async def _view_async(
    request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any
) -> HttpResponse | None:
    if getattr(view, _DECORATED, False):
        return None
    outcome = await _authorize_async(request, configured().requirements)
    return _rejection(request, _with_scope(outcome, request, view))


def _with_scope(outcome: Claims | AccessError, request: HttpRequest, view: Callable[..., Any]) -> Claims | AccessError:
    """Return ``outcome``; where the token is missing, its challenge names what the method of a class requires."""
    if isinstance(outcome, AccessError):
        method = getattr(getattr(view, "view_class", None), (request.method or "").lower(), None)
        name_scopes(outcome, getattr(method, "roomkey_scope", None))
    return outcome
