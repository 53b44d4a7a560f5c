"""What a project that is protected with Django, and one with Django REST framework, both say."""

import itertools
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin
from serving import ERROR_RESPONSES, ORIGIN, PROXIES, RESOURCE, VALIDATOR

SITE_CACHE = [
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
]
runs = itertools.count()


class shared_with_the_shop(MiddlewareMixin):  # noqa: N801 - as middlewares are named in settings
    """CORS as django-cors-headers has it: a preflight is answered before any view is looked for."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        return HttpResponse() if preflight else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        response.headers["Access-Control-Allow-Origin"] = ORIGIN
        response.headers["Access-Control-Allow-Headers"] = "Authorization"
        return response


def configure(**more: Any) -> None:
    settings.configure(
        ROOT_URLCONF="__main__",
        ALLOWED_HOSTS=["127.0.0.1"],
        LOGGING_CONFIG=None,
        ROOMKEY={
            "VALIDATOR": VALIDATOR,
            "ERROR_RESPONSES": ERROR_RESPONSES,
            "RESOURCE": RESOURCE,
            "CERTIFICATES_FROM": PROXIES,
            "TENANT": lambda request: request.resolver_match.kwargs["tenant"],
        },
        **more,
    )
