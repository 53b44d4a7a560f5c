"""What the service publishes for everybody to keep for a while: a body, its ETag, and how long (RFC 9110, RFC 9111)."""

from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.web.endpoint import Answer, Received

METHODS: Final = frozenset({"GET", "HEAD"})
_MOST_TAGS: Final = 4096


@dataclass(frozen=True, slots=True)
class Published:
    """A document.

    Attributes:
        body: its bytes.
        media_type: what they are.
        etag: its entity tag, with its quotes.
        max_age: seconds that anybody may keep it.
    """

    body: bytes
    media_type: str
    etag: str
    max_age: int


def published_answer(received: Received, document: Published) -> Answer:
    """``document``, or 304 without a body where whoever asks has it already."""
    headers = (
        (b"cache-control", b"public, max-age=%d" % document.max_age),
        (b"etag", document.etag.encode("ascii")),
    )
    if _has(received, document.etag):
        return Answer(304, b"", headers)
    return Answer(200, document.body, ((b"content-type", document.media_type.encode("ascii")), *headers))


def _has(received: Received, etag: str) -> bool:
    """RFC 9110 section 13.1.2, which compares weakly: a W/ in front does not matter."""
    asked = b",".join(received.values(b"if-none-match"))[:_MOST_TAGS].decode("latin-1")
    tags = [tag.strip().removeprefix("W/") for tag in asked.split(",")]
    return "*" in tags or etag.removeprefix("W/") in tags
