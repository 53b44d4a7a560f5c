"""Discovery of an issuer's endpoints: its metadata is fetched once and remembered for an hour.

RFC 8414 and OpenID Connect Discovery 1.0.
"""

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from roomkey.clock import Clock
from roomkey.http.messages import Request, Response
from roomkey.http.transport import Transport, TransportError, url_problem
from roomkey.jose import strict_json
from roomkey.oauth.token_response import TokenEndpointError, printable

_REMEMBERED_SECONDS: Final = 3600.0
_ASK_AGAIN_SECONDS: Final = 60.0
_MOST_ISSUERS: Final = 256
_LARGEST_METADATA: Final = 262_144
_LARGEST_DOCUMENT: Final = 65_536
# Of several problems the one is raised that says most: another issuer's metadata, then a server in trouble.
_TELLING: Final = {"issuer_mismatch": 0, "server_error": 1, "malformed_response": 2}
_ANSWERED_BADLY: Final = frozenset({"answer_too_large", "answer_unreadable"})
_ENDPOINTS: Final = ("token_endpoint", "jwks_uri", "introspection_endpoint")


@dataclass(frozen=True, slots=True)
class ServerMetadata:
    """The part of an issuer's metadata that roomkey uses; None for an endpoint without a URL that may be used."""

    issuer: str
    token_endpoint: str | None = None
    jwks_uri: str | None = None
    introspection_endpoint: str | None = None
    authentication_methods: tuple[str, ...] = ()
    """``token_endpoint_auth_methods_supported``; empty where it is not said."""
    assertion_algorithms: tuple[str, ...] = ()
    """``token_endpoint_auth_signing_alg_values_supported``; empty where it is not said."""


def well_known_urls(issuer: str) -> tuple[str, ...]:
    """Where the metadata of ``issuer`` may be, the likeliest first.

    RFC 8414 section 3.1 and OpenID's place; then, for an issuer with a path, each name in the other one's place.
    """
    parts = urlsplit(issuer)
    origin, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
    places = (f"{oauth}{path}", f"{path}{openid}", f"{path}{oauth}", f"{openid}{path}")
    return tuple(dict.fromkeys(origin + place for place in places))


def read_metadata(response: Response, issuer: str) -> ServerMetadata:
    """The metadata in ``response``; TokenEndpointError where it is not that of ``issuer`` (RFC 8414 section 3.3)."""
    if response.status != 200:
        raise TokenEndpointError(
            "server_error" if response.status >= 500 else "no_metadata",
            f"The issuer's metadata is not available (HTTP {response.status}); check issuer=, or set the endpoint.",
            status=response.status,
        )
    fields = strict_json.read_value(response.body) if len(response.body) <= _LARGEST_DOCUMENT else None
    if not isinstance(fields, dict):
        raise TokenEndpointError(
            "malformed_response", "The metadata is not a JSON object of at most 64 KiB.", status=response.status
        )
    if fields.get("issuer") != issuer:
        raise TokenEndpointError(
            "issuer_mismatch",
            f"The metadata says that its issuer is {printable(str(fields.get('issuer')))}, and issuer= is {issuer}; "
            "the two must be equal, character for character.",
            status=response.status,
        )
    usable = {}
    for name in _ENDPOINTS:
        url = fields.get(name)
        # http is for loopback alone, and an issuer elsewhere has no say in what is asked there.
        downgraded = urlsplit(issuer).scheme == "https" and not str(url).startswith("https:")
        usable[name] = None if not isinstance(url, str) or downgraded or url_problem(url) else url
    return ServerMetadata(
        issuer,
        **usable,
        authentication_methods=_words(fields.get("token_endpoint_auth_methods_supported")),
        assertion_algorithms=_words(fields.get("token_endpoint_auth_signing_alg_values_supported")),
    )


def _words(value: object) -> tuple[str, ...]:
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


@dataclass(frozen=True, slots=True)
class _Remembered:
    metadata: ServerMetadata
    until: float


@dataclass(slots=True, eq=False)
class Discovery:
    """Finds endpoints by issuer; metadata that is an hour old stays in use while none newer is available.

    Safe in any thread; blocks on I/O when an issuer is new.
    """

    transport: Transport
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)  # guards _known
    _known: OrderedDict[str, _Remembered] = field(default_factory=OrderedDict, init=False, repr=False)

    def token_endpoint(self, issuer: str, *, seconds: float) -> str:
        """The token endpoint of ``issuer``, asked for within ``seconds``.

        Raises TransportError or TokenEndpointError where the issuer gives no usable metadata and none is remembered.
        """
        return self._named(issuer, "token_endpoint", seconds)

    def metadata(self, issuer: str, *, seconds: float) -> ServerMetadata:
        """All that is known of ``issuer``; as ``token_endpoint``."""
        return self._metadata(issuer, seconds)

    def jwks_uri(self, issuer: str, *, seconds: float) -> str:
        """Where ``issuer`` publishes its keys; as ``token_endpoint``."""
        return self._named(issuer, "jwks_uri", seconds)

    def introspection_endpoint(self, issuer: str, *, seconds: float) -> str:
        """Where ``issuer`` is asked about tokens (RFC 7662); as ``token_endpoint``."""
        return self._named(issuer, "introspection_endpoint", seconds)

    def expire(self, issuer: str) -> None:
        """Read the metadata of ``issuer`` anew the next time, as an endpoint that it names is gone or unreachable.

        The metadata at hand stays in use while none newer is available.
        """
        with self._lock:
            known = self._known.get(issuer)
            if known is not None:
                self._known[issuer] = _Remembered(known.metadata, self.clock.monotonic())

    def forget(self, issuer: str) -> None:
        """Ask ``issuer`` anew the next time: what it named did not work."""
        with self._lock:
            self._known.pop(issuer, None)

    def _named(self, issuer: str, name: str, seconds: float) -> str:
        url: str | None = getattr(self._metadata(issuer, seconds), name)
        if url is None:
            self.forget(issuer)
            raise TokenEndpointError(f"no_{name}", f"The issuer's metadata names no {name} that may be used.")
        return url

    def _metadata(self, issuer: str, seconds: float) -> ServerMetadata:
        with self._lock:
            known = self._known.get(issuer)
        now = self.clock.monotonic()
        if known is None or now >= known.until:
            try:
                # With old metadata at hand, half the time must be left for the token itself.
                asked = self._ask(issuer, now + (seconds if known is None else seconds / 2.0))
                known = _Remembered(asked, now + _REMEMBERED_SECONDS)
            except (TransportError, TokenEndpointError):
                if known is None:
                    raise
                known = _Remembered(known.metadata, now + _ASK_AGAIN_SECONDS)
            with self._lock:
                self._known[issuer] = known
                self._known.move_to_end(issuer)
                if len(self._known) > _MOST_ISSUERS:
                    self._known.popitem(last=False)
        return known.metadata

    def _ask(self, issuer: str, deadline: float) -> ServerMetadata:
        """Ask each place until one holds the metadata of ``issuer``, whatever the others answer."""
        problems: list[TokenEndpointError] = []
        for url in well_known_urls(issuer):
            request = Request("GET", url, (("Accept", "application/json"),))
            seconds = deadline - self.clock.monotonic()
            try:
                return read_metadata(
                    self.transport.send(request, seconds=seconds, largest=_LARGEST_METADATA).response, issuer
                )
            except TokenEndpointError as error:
                problems.append(error)
            except TransportError as error:
                if error.reason not in _ANSWERED_BADLY:
                    raise
                problems.append(
                    TokenEndpointError("malformed_response", f"The metadata cannot be read: {error.detail}.")
                )
        raise min(problems, key=lambda problem: _TELLING.get(problem.error, len(_TELLING)))

    def reset_after_fork(self) -> None:
        """Make the lock anew in a child process, where another thread's hold on it would last for ever."""
        self._lock = threading.Lock()
