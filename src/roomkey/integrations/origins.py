"""Origins that a token may go to: scheme, host and port, checked before anything is sent (RFC 6454; RFC 6750, 5.3)."""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, cast, final

from roomkey.errors import ConfigurationError, OriginNotAllowed
from roomkey.http.transport import is_loopback

Origin = tuple[str, bytes, int | None]
"""Scheme, host in lower-case ASCII (RFC 3490), port; None is the scheme's own port."""

_HOST: Final = re.compile(rb"[a-z0-9._:-]+")
_SCHEMES: Final = {"wss": "https", "ws": "http"}
_PORTS: Final = {"https": 443, "http": 80}


class _URL(Protocol):
    """A library's URL: scheme and IDNA-encoded host in lower case, a port that is None for the scheme's own."""

    @property
    def scheme(self) -> str: ...
    @property
    def raw_host(self) -> bytes: ...
    @property
    def port(self) -> int | None: ...


@final
class AllowedOrigins:
    """The origins that one BearerAuth serves: those that were named, or the first one that a request goes to.

    ``known`` holds them as :data:`Origin` tuples, for a look-up before each request. Safe in any thread; no I/O.
    """

    __slots__ = ("_named", "_pinned", "known")

    def __init__(self, named: Iterable[str] | None, parse: Callable[[str], Any]) -> None:
        """Read ``named`` with ``parse``, a library's URL class; raises ConfigurationError for what is no origin."""
        self._named = named is not None
        self._pinned: dict[str, Origin] = {}
        origins = () if named is None else (named,) if isinstance(named, str) else tuple(named)
        self.known = {_named_origin(origin, parse) for origin in origins}
        if self._named and not self.known:
            raise ConfigurationError(
                "origins=[] allows no request at all; name the API's origin, such as https://orders.example, "
                "or leave origins= out so that the first request's origin is used."
            )

    def admit(self, url: _URL) -> None:
        """Let a request to ``url`` have the token, or raise OriginNotAllowed; only for what is not ``known``."""
        canonical = _canonical(origin_of(url))
        asked = origin_text(canonical)
        if canonical[0] not in ("https", "http") or not canonical[1]:
            raise OriginNotAllowed(
                "The request's URL has no scheme and host that a token may go to, so nothing was sent; "
                "use an absolute https:// URL or give the client a base_url."
            )
        if not _carries_tokens(canonical):
            raise OriginNotAllowed(
                f"A request to {asked} would carry the token unencrypted, so nothing was sent; use https "
                "(plain http is for loopback addresses only)."
            )
        # setdefault is one atomic step: of two first requests in two threads, one origin wins for both.
        allowed = self.known if self._named else {self._pinned.setdefault("first", canonical)}
        if canonical not in allowed:
            first = "" if self._named else " (the first request's origin; no others were named)"
            raise OriginNotAllowed(
                f"A request to {asked} must not carry this token, so nothing was sent: it belongs to "
                f"{self}{first}. If {asked} should get it too, name every origin: "
                f"BearerAuth(..., origins=[...])."
            )
        self.known = self.known | {canonical, origin_of(url)}  # as it is written here too, for the next look-up

    def __contains__(self, url: _URL) -> bool:
        return _canonical(origin_of(url)) in self.known

    def __str__(self) -> str:
        """The origins as words, for a message."""
        origins = {_canonical(origin) for origin in self.known} | set(self._pinned.values())
        return ", ".join(sorted(origin_text(origin) for origin in origins)) or "no origin yet"


def origin_of(url: _URL) -> Origin:
    """The origin of a library's URL."""
    return (url.scheme, url.raw_host, url.port)


def origin_text(origin: Origin) -> str:
    """The origin as a string, such as ``https://orders.example:8443``."""
    scheme, host, port = origin
    name = host.decode("ascii", "replace")
    return f"{scheme}://{f'[{name}]' if ':' in name else name}{'' if port is None else f':{port}'}"


def _named_origin(value: str, parse: Callable[[str], Any]) -> Origin:
    if not isinstance(value, str):
        raise TypeError(f"origins= takes strings such as https://orders.example, not {type(value).__name__}")
    try:
        url = parse(value)
    except Exception:  # noqa: BLE001 - each library has its own error for a malformed URL
        url = None
    if url is None or not _HOST.fullmatch(url.raw_host) or url.userinfo or url.query or url.fragment:
        raise ConfigurationError(
            "Every entry of origins= is an origin such as https://orders.example:8443, or a base URL, of which scheme, "
            "host and port count; one of them is something else."
        )
    origin = _canonical(origin_of(cast("_URL", url)))
    if not _carries_tokens(origin):
        raise ConfigurationError(
            f"origins= names {origin_text(origin)}, but a token goes to https origins alone "
            "(plain http is for loopback addresses)."
        )
    return origin


def _canonical(origin: Origin) -> Origin:
    """One form for what is one origin: a WebSocket is opened by HTTP (RFC 6455), and libraries let ``:443`` stand."""
    scheme = _SCHEMES.get(origin[0], origin[0])
    return (scheme, origin[1], None if origin[2] == _PORTS.get(scheme) else origin[2])


def _carries_tokens(origin: Origin) -> bool:
    return origin[0] == "https" or (origin[0] == "http" and is_loopback(origin[1].decode("ascii", "replace")))
