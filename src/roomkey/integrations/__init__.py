"""BearerAuth for HTTP clients (``httpx2``, ``httpx``), token checks for web frameworks; one module each.

The frameworks are ``asgi``, ``fastapi``, ``flask``, ``django`` and ``django_rest_framework``.
Nothing is imported here but the values that go with a request and its answer.
"""

from roomkey.integrations.call import CallOptions, CallReport

__all__ = ["CallOptions", "CallReport"]
