"""Which address a request went to, in one form for every way to write it (RFC 3986 section 6.2, RFC 9449 4.3; pure)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from roomkey.errors import ConfigurationError
from roomkey.http.address import check_endpoint_url

_PORTS: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class RequestTarget:
    """An address without query and fragment, in its normal form.

    Attributes:
        origin: scheme, host and port in lower case, the scheme's own port left out.
        path: decoded, without dot segments, never empty.
    """

    origin: str
    path: str


def read_target(uri: str) -> RequestTarget | None:
    """The target that ``uri`` names, or None where it is no absolute http or https address without a user in it."""
    if not uri.isascii() or not uri.isprintable() or " " in uri:
        return None
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return None
    host = parts.hostname or ""
    if parts.scheme not in _PORTS or not host or "@" in parts.netloc:
        return None
    name = f"[{host}]" if ":" in host else host
    shown = "" if port in (None, _PORTS[parts.scheme]) else f":{port}"
    return RequestTarget(f"{parts.scheme}://{name}{shown}", normal_path(unquote(parts.path)))


def normal_path(path: str) -> str:
    """``path``, decoded already, without dot segments (RFC 3986 section 5.2.4); an empty one is ``/``."""
    kept: list[str] = []
    segments = path.removeprefix("/").split("/")
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def read_origins(origins: str | Iterable[str]) -> frozenset[str]:
    """``origins`` as targets have them; raises ConfigurationError for one with a path, a query or no https."""
    found = set()
    for text in (origins,) if isinstance(origins, str) else origins:
        target = read_target(check_endpoint_url(text, "origins="))
        if target is None or target.path != "/" or "?" in text:
            raise ConfigurationError("origins= names an API by scheme, host and port, such as https://orders.example.")
        found.add(target.origin)
    if not found:
        raise ConfigurationError("origins= names nothing; say how the API's callers address it, as in a proof's htu.")
    return frozenset(found)
