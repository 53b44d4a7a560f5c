"""The weight of a media type in a request's Accept header (content negotiation, RFC 9110 section 12.5.1; pure)."""

import re
from collections.abc import Iterable
from typing import Final

_WEIGHT: Final = re.compile(r"0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?")


def weight(media_type: str, accept: Iterable[str]) -> float:
    """Return how much the client wants ``media_type``: from 0, not at all, to 1.

    ``media_type`` is in lower case and without parameters, ``accept`` every Accept header. The most specific range
    decides: the type itself, then ``type/*``, then ``*/*``. A weight that is none counts as 1.
    """
    found: dict[str, float] = {}
    for one in ",".join(accept).lower().split(","):
        name, *parameters = (part.strip() for part in one.split(";"))
        found[name] = max(found.get(name, 0.0), _weight(parameters))
    ranges = (media_type, f"{media_type.partition('/')[0]}/*", "*/*")
    return next((found[name] for name in ranges if name in found), 0.0)


def _weight(parameters: Iterable[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name == "q":
            return float(value) if _WEIGHT.fullmatch(value) else 1.0
    return 1.0
