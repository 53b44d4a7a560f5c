"""The options of one request through BearerAuth, and the report that comes with its response."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

EXTENSION: Final = "roomkey"
"""The name of both in the ``extensions`` of a request and of a response."""


@dataclass(frozen=True, slots=True)
class CallOptions:
    """Options for one request: ``client.get(url, extensions={"roomkey": CallOptions(refresh=True)})``.

    Attributes:
        attach: False sends the request as it is, to any origin, with an Authorization header of your own or none.
        refresh: get a new token first, though the held one is valid.
        scope: use a token of this scope in place of the credential's own.
        buffer_body: read a streamed body into memory before it is sent, so that it can be sent again after a 401.
    """

    attach: bool = True
    refresh: bool = False
    scope: str | None = None
    buffer_body: bool = False


@dataclass(frozen=True, slots=True)
class CallReport:
    """The report of one call: ``response.extensions["roomkey"]``. Holds no token.

    Attributes:
        action: ``attached`` (sent once, with a token), ``not_attached`` (attach=False), ``renewed`` or ``widened``
            (sent once more with another token), ``returned`` (the API rejected it, and nothing more was tried).
        reason: why, as a stable word: a :class:`roomkey.client.api_retry.Reason`, ``circuit_open``, or empty.
        attempts: how often the request was sent.
        token: the fingerprint of the last token that was sent, or None.
    """

    action: Literal["attached", "not_attached", "renewed", "widened", "returned"]
    reason: str = ""
    attempts: int = 1
    token: str | None = None


NOT_ATTACHED: Final = CallReport("not_attached", "opted_out")


def options_in(extensions: Mapping[str, Any]) -> CallOptions | None:
    """The request's options, None where it has none; raises TypeError for anything else under that name."""
    options = extensions.get(EXTENSION)
    if options is not None and not isinstance(options, CallOptions):
        raise TypeError(
            f'extensions={{"roomkey": ...}} takes a roomkey.CallOptions, not {type(options).__name__}; nothing was sent'
        )
    return options
