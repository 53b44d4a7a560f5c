"""What a project that is protected with Django, and one with Django REST framework, both say."""

from typing import Any

from django.conf import settings
from serving import ERROR_RESPONSES, PROXIES, RESOURCE, VALIDATOR


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
