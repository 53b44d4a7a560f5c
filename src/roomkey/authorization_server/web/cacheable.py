"""Cacheable documents: a body with its ETag and lifetime, and 304 for a client that has it (RFC 9110, RFC 9111)."""

from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.web.request_response import BufferedRequest, RawResponse

METHODS: Final = frozenset({"GET", "HEAD"})
_MAX_IF_NONE_MATCH: Final = 4096  # bytes


@dataclass(frozen=True, slots=True)
class CacheableDocument:
    """A public document.

    Attributes:
        body: its bytes.
        media_type: its content type.
        etag: its entity tag, with its quotes.
        max_age: seconds that any cache may keep it.
    """

    body: bytes
    media_type: str
    etag: str
    max_age: int


def cacheable_response(request: BufferedRequest, document: CacheableDocument) -> RawResponse:
    """Return ``document``, or 304 without a body where the client has it already."""
    headers = (
        (b"cache-control", b"public, max-age=%d" % document.max_age),
        (b"etag", document.etag.encode("ascii")),
    )
    if _matches(request, document.etag):
        return RawResponse(304, b"", headers)
    return RawResponse(200, document.body, ((b"content-type", document.media_type.encode("ascii")), *headers))


def _matches(request: BufferedRequest, etag: str) -> bool:
    """Compare If-None-Match weakly: a W/ prefix does not matter (RFC 9110 section 13.1.2)."""
    received = b",".join(request.header_values(b"if-none-match"))[:_MAX_IF_NONE_MATCH].decode("latin-1")
    tags = [tag.strip().removeprefix("W/") for tag in received.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
