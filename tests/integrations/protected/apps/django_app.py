"""A protected API with Django."""

import logging
import os

import django
import django_settings
from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.utils.decorators import method_decorator
from django.utils.deprecation import MiddlewareMixin
from django.views import View
from django.views.decorators.cache import cache_control
from serving import STEP_UP, Teapot, own_mistake, seen, serve_asgi, serve_wsgi

django_settings.configure(
    MIDDLEWARE=[
        "roomkey.integrations.django.BearerTokenMiddleware",
        "django_settings.shared_with_the_shop",
        *django_settings.SITE_CACHE,
        "django.middleware.csrf.CsrfViewMiddleware",
        "__main__.teapots_are_answered",
    ]
)
django.setup()
logging.getLogger("django").addHandler(logging.NullHandler())

from roomkey.integrations.django import metadata_route, public, require  # noqa: E402


class Orders(View):
    @method_decorator(require(scopes=["orders:read"]))
    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse(seen(request.claims))

    @method_decorator(require(scopes=["orders:write"]))
    def post(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse({"received": request.body.decode()})


@method_decorator(require(scopes="orders:read"), name="dispatch")
class AsyncOrders(View):
    async def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse(seen(request.claims))


@require(scopes="orders:read")
async def orders_async(request: HttpRequest) -> JsonResponse:
    return JsonResponse(seen(request.claims))


@require(roles=["admin"])
def admin(request: HttpRequest) -> JsonResponse:
    return JsonResponse(seen(request.claims))


@method_decorator(require(**STEP_UP), name="dispatch")
class Payments(View):
    def get(self, request: HttpRequest) -> JsonResponse:
        return JsonResponse(seen(request.claims))


@require(tenant=True)
def of_tenant(request: HttpRequest, tenant: str) -> JsonResponse:
    return JsonResponse(seen(request.claims))


@require(scopes=["orders:read"])
def guarded(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"guarded": True})


@require(scopes=["orders:read"])
def shared(request: HttpRequest) -> JsonResponse:
    return JsonResponse(seen(request.claims), headers={"Cache-Control": "public, max-age=60"})


def counted(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"run": next(django_settings.runs), "subject": request.claims.subject})


@public
def health(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"open": not hasattr(request, "claims")})


def broken(request: HttpRequest) -> None:
    own_mistake()


def teapot(request: HttpRequest) -> None:
    raise Teapot


class teapots_are_answered(MiddlewareMixin):  # noqa: N801 - as middlewares are named in settings
    def process_exception(self, request: HttpRequest, error: Exception) -> JsonResponse | None:
        return JsonResponse({"own": True}, status=418) if isinstance(error, Teapot) else None


urlpatterns = [
    path("orders", Orders.as_view()),
    path("async", orders_async),
    path("async-class", AsyncOrders.as_view()),
    path("admin", admin),
    path("payments", Payments.as_view()),
    path("tenants/<tenant>/orders", of_tenant),
    path("guarded", guarded),
    path("shared", shared),
    path("counted", counted),
    path("counted-in-public", cache_control(public=True)(counted)),
    path("health", health),
    path("broken", broken),
    path("teapot", teapot),
    metadata_route(),
]

if os.environ.get("SERVED_BY") == "asgi":
    from django.core.handlers.asgi import ASGIHandler

    serve_asgi(ASGIHandler(), lifespan="off")
else:
    from django.core.handlers.wsgi import WSGIHandler

    serve_wsgi(WSGIHandler())
