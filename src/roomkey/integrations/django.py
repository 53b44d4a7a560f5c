"""Token checks for Django: a middleware that protects every view, and decorators for views that ask for more or less.

Both are set up by ``settings.ROOMKEY``, a dictionary::

    ROOMKEY = {
        "VALIDATOR": TokenValidator(issuer="https://auth.example", audience="orders-api"),
        "REQUIREMENTS": Requirements(...),    # what the middleware asks of views that say nothing; a good token
        "TENANT": lambda request: ...,        # the tenant that a request's path or host names
        "ANSWERING": ErrorResponses(...),          # how the API says no
        "RESOURCE": ProtectedResource(...),   # the API's metadata (RFC 9728), served by metadata_route()
        "CERTIFICATES_FROM": ["10.1.2.3"],    # proxies whose Client-Cert header (RFC 9440) counts
        "USER": lambda claims: ...,           # what Django REST framework has as request.user
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
from roomkey.integrations.protection import ANY_GOOD_TOKEN, Asked, Protection
from roomkey.integrations.request_credentials import Presented, client_certificate, presented_proof
from roomkey.resource_server.claims import Claims
from roomkey.resource_server.error_response import Answer
from roomkey.resource_server.requirements import Requirements

__all__ = ["BearerTokenMiddleware", "metadata_route", "public", "require"]

View = TypeVar("View", bound=Callable[..., Any])

_SETTINGS: Final = frozenset(
    {"VALIDATOR", "REQUIREMENTS", "TENANT", "ANSWERING", "RESOURCE", "CERTIFICATES_FROM", "USER"}
)
_DECIDES_ITSELF: Final = "roomkey_decides_itself"


@final
class BearerTokenMiddleware:
    """Let no view run without a good token (RFC 6750), but those that ``require`` or ``public`` decorate.

    Views find the verified :class:`~roomkey.Claims` in ``request.claims``. Addresses that no view serves are answered
    by Django. It stands before ``CsrfViewMiddleware``, which then asks nothing of requests with a good token. Works
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
        else:
            self.process_view = _view

    def __call__(self, request: HttpRequest) -> HttpResponse | Awaitable[HttpResponse]:
        """Hand the request on; what is decided is decided once its view is known."""
        return cast("HttpResponse | Awaitable[HttpResponse]", self._get_response(request))


def require(**asked: Unpack[Asked]) -> Callable[[View], View]:
    """A decorator that asks for all this of a request's token; see :class:`~roomkey.Requirements`.

    It takes plain and ``async`` views, needs no middleware, and stands in the place of the middleware's own check.
    For a class: ``@method_decorator(require(scopes=["orders:read"]), name="dispatch")``. Raises TypeError and
    ValueError where a requirement has the wrong form, and ConfigurationError where ``settings.ROOMKEY`` is not right
    or its validator could never meet it.
    """
    requirements = configured().protection.declared(Requirements(**asked))

    def protect(view: View) -> View:
        @functools.wraps(view)
        def protected(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            refusal = _refusal(request, judge(request, requirements))
            return view(request, *arguments, **named) if refusal is None else refusal

        @functools.wraps(view)
        async def protected_async(request: HttpRequest, *arguments: Any, **named: Any) -> Any:
            refusal = _refusal(request, await _judge_async(request, requirements))
            return await view(request, *arguments, **named) if refusal is None else refusal

        chosen: Any = protected_async if _is_async(view) else protected
        setattr(chosen, _DECIDES_ITSELF, True)
        chosen.csrf_exempt = True  # no browser sends a bearer token by itself
        return cast("View", chosen)

    return protect


def _is_async(view: Callable[..., Any]) -> bool:
    # What method_decorator hands in is a partial of a bound method; dispatch is plain even where all it calls is async.
    owner = getattr(getattr(view, "func", view), "__self__", None)
    return iscoroutinefunction(view) or getattr(owner, "view_is_async", False)


def public(view: View) -> View:
    """A decorator for a view that needs no token; none is looked at."""
    other = functools.update_wrapper(functools.partial(view), view)  # the view itself may serve elsewhere, protected
    setattr(other, _DECIDES_ITSELF, True)
    return cast("View", other)


def metadata_route() -> URLPattern:
    """The route of the API's metadata, for ``urlpatterns``; raises ConfigurationError without a ``RESOURCE``."""
    where, metadata = configured().protection.published()
    return path(where.removeprefix("/"), public(require_safe(lambda _request: _respond(metadata))))


@final
class Configured:
    """What ``settings.ROOMKEY`` says."""

    __slots__ = ("protection", "requirements", "user")

    def __init__(self, given: object) -> None:
        if not isinstance(given, Mapping) or "VALIDATOR" not in given:
            raise ConfigurationError('settings.ROOMKEY is missing; say ROOMKEY = {"VALIDATOR": TokenValidator(...)}.')
        if unknown := set(given) - _SETTINGS:
            raise ConfigurationError(f"settings.ROOMKEY knows no {', '.join(sorted(map(str, unknown)))}.")
        self.requirements: Requirements = given.get("REQUIREMENTS", ANY_GOOD_TOKEN)
        if not isinstance(self.requirements, Requirements):
            raise TypeError('settings.ROOMKEY["REQUIREMENTS"] takes Requirements(...).')
        self.user: Callable[[Claims], Any] | None = given.get("USER")
        self.protection: Protection[HttpRequest] = Protection(
            given["VALIDATOR"],
            tenant=given.get("TENANT"),
            answering=given.get("ANSWERING"),
            resource=given.get("RESOURCE"),
            certificates_from=given.get("CERTIFICATES_FROM", ()),
        )
        self.protection.declared(self.requirements)


@functools.cache
def configured() -> Configured:
    """``settings.ROOMKEY``, read once; raises ConfigurationError."""
    return Configured(getattr(settings, "ROOMKEY", None))


@receiver(setting_changed)  # type: ignore[untyped-decorator] # tests change settings, and Django tells of it
def _forget(*, setting: str, **_more: object) -> None:
    if setting == "ROOMKEY":
        configured.cache_clear()


def judge(request: HttpRequest, requirements: Requirements) -> Claims | AccessError:
    """The claims of a request, or why it is refused; blocks while keys are fetched."""
    return configured().protection.judge(request, _presented(request), requirements)


async def _judge_async(request: HttpRequest, requirements: Requirements) -> Claims | AccessError:
    return await configured().protection.judge_async(request, _presented(request), requirements)


def _respond(answer: Answer) -> HttpResponse:
    return HttpResponse(answer.body, status=answer.status, headers=dict(answer.headers))


def _presented(request: HttpRequest) -> Presented:
    return Presented(
        _headers(request, "HTTP_AUTHORIZATION"),
        request.META.get("QUERY_STRING", ""),
        certificate=client_certificate(getattr(request, "scope", {})),  # a request under WSGI has none
        proof=presented_proof(vars(request), _headers(request, "HTTP_DPOP"), method=request.method, path=request.path),
        peer=request.META.get("REMOTE_ADDR"),
        client_cert=_headers(request, "HTTP_CLIENT_CERT"),
    )


def _headers(request: HttpRequest, name: str) -> list[str]:
    """The header of this name; servers join two of them with a comma, which neither a token nor a proof has."""
    value = request.META.get(name)
    return [] if value is None else [value]


def _refusal(request: HttpRequest, outcome: Claims | AccessError) -> HttpResponse | None:
    if isinstance(outcome, Claims):
        request.claims = outcome
        request._dont_enforce_csrf_checks = True  # no browser sends a bearer token by itself
        return None
    return _respond(configured().protection.answer(outcome))


def _view(request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any) -> HttpResponse | None:
    if getattr(view, _DECIDES_ITSELF, False):
        return None
    return _refusal(request, judge(request, configured().requirements))


async def _view_async(
    request: HttpRequest, view: Callable[..., Any], _arguments: Any, _named: Any
) -> HttpResponse | None:
    if getattr(view, _DECIDES_ITSELF, False):
        return None
    return _refusal(request, await _judge_async(request, configured().requirements))
