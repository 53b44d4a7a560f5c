"""BearerAuth for HTTP clients: ``roomkey.integrations.httpx2`` and ``roomkey.integrations.httpx``, one module each.

Nothing is imported here but the values that go with a request and its answer.
"""

from roomkey.integrations.call import CallOptions, CallReport

__all__ = ["CallOptions", "CallReport"]
