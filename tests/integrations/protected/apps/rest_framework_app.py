"""A protected API with Django REST framework."""

import logging
from typing import Any

import django
import django_settings
from serving import STEP_UP, Teapot, own_mistake, seen, serve_wsgi

django_settings.configure(
    INSTALLED_APPS=["rest_framework"],
    MIDDLEWARE=["django_settings.shared_with_the_shop", *django_settings.SITE_CACHE],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["roomkey.integrations.django_rest_framework.BearerTokenAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "UNAUTHENTICATED_USER": None,
        "EXCEPTION_HANDLER": "__main__.answered",
    },
)
django.setup()
logging.getLogger("django").addHandler(logging.NullHandler())

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.urls import path  # noqa: E402
from django.views.decorators.cache import cache_control  # noqa: E402
from django.views.decorators.vary import vary_on_headers  # noqa: E402
from rest_framework.decorators import api_view, permission_classes  # noqa: E402
from rest_framework.permissions import AllowAny, IsAdminUser, IsAuthenticated  # noqa: E402
from rest_framework.request import Request  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework.views import APIView, exception_handler  # noqa: E402

from roomkey.integrations.django import metadata_route  # noqa: E402
from roomkey.integrations.django_rest_framework import requires  # noqa: E402


class Orders(APIView):
    def get_permissions(self) -> list[Any]:
        return [requires(scopes=["orders:write" if self.request.method == "POST" else "orders:read"])()]

    def get(self, request: Request) -> Response:
        return Response(seen(request.auth))

    def post(self, request: Request) -> Response:
        return Response({"received": request._request.body.decode()})


@api_view()
@permission_classes([requires(roles=["admin"])])
def admin(request: Request) -> Response:
    assert str(request.user) == request.user.username == request.auth.subject
    return Response(seen(request.auth))


@api_view()
@permission_classes([requires(**STEP_UP)])
def payments(request: Request) -> Response:
    return Response(seen(request.auth))


@api_view()
@permission_classes([requires(tenant=True)])
def of_tenant(request: Request, tenant: str) -> Response:
    return Response(seen(request.auth))


@api_view()
@permission_classes([IsAuthenticated & (IsAdminUser | requires(scopes=["orders:read"]))])
def guarded(request: Request) -> Response:
    return Response({"guarded": True})


@api_view()
@permission_classes([requires(scopes=["orders:read"])])
def shared(request: Request) -> Response:
    return Response(seen(request.auth), headers={"Cache-Control": "public, max-age=60"})


@api_view()
def counted(request: Request) -> Response:
    return Response({"run": next(django_settings.runs), "subject": request.auth.subject})


@api_view()
@permission_classes([AllowAny])
def health(request: Request) -> Response:
    return Response({"open": request.auth is None})


@api_view()
def broken(request: Request) -> None:
    own_mistake()


@api_view()
def teapot(request: Request) -> None:
    raise Teapot


def answered(error: Exception, context: dict[str, Any]) -> Response | None:
    return Response({"own": True}, 418) if isinstance(error, Teapot) else exception_handler(error, context)


urlpatterns = [
    path("orders", Orders.as_view()),
    path("admin", admin),
    path("payments", payments),
    path("tenants/<tenant>/orders", of_tenant),
    path("guarded", guarded),
    path("shared", shared),
    path("counted", counted),
    path("counted-in-public", cache_control(public=True)(counted)),
    path("health", vary_on_headers("Authorization")(health)),
    path("broken", broken),
    path("teapot", teapot),
    metadata_route(),
]

serve_wsgi(WSGIHandler())
