"""Where an issuer's endpoints are: asked once, remembered for an hour (RFC 8414, OpenID Connect Discovery 1.0)."""

import threading
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from roomkey.clock import Budget, Clock
from roomkey.http.messages import Request
from roomkey.http.transport import Answer, Transport, TransportError
from roomkey.oauth.endpoint_error import TokenEndpointError
from roomkey.oauth.metadata import ServerMetadata, read_metadata, well_known_urls

_REMEMBERED_SECONDS: Final = 3600.0
_ASK_AGAIN_SECONDS: Final = 60.0
_MOST_ISSUERS: Final = 256
_LARGEST_METADATA: Final = 262_144


@dataclass(frozen=True, slots=True)
class _Remembered:
    metadata: ServerMetadata
    until: float


class Discovery:
    """Finds endpoints by issuer; an answer that is an hour old is used on while no newer one can be had.

    Safe in any thread; blocks on I/O when an issuer is new.
    """

    __slots__ = ("_clock", "_known", "_lock", "_transport")

    def __init__(self, transport: Transport, clock: Clock) -> None:
        self._transport = transport
        self._clock = clock
        self._lock = threading.Lock()  # guards _known
        self._known: OrderedDict[str, _Remembered] = OrderedDict()

    def token_endpoint(self, issuer: str, *, seconds: float) -> str:
        """The token endpoint of ``issuer``, asked for within ``seconds``.

        Raises TransportError or TokenEndpointError where the issuer gives no usable answer and none is remembered.
        """
        return self._named(self._metadata(issuer, seconds).token_endpoint, issuer, "token_endpoint")

    def jwks_uri(self, issuer: str, *, seconds: float) -> str:
        """Where ``issuer`` publishes its keys; as ``token_endpoint``."""
        return self._named(self._metadata(issuer, seconds).jwks_uri, issuer, "jwks_uri")

    def introspection_endpoint(self, issuer: str, *, seconds: float) -> str:
        """Where ``issuer`` is asked about tokens (RFC 7662); as ``token_endpoint``."""
        return self._named(self._metadata(issuer, seconds).introspection_endpoint, issuer, "introspection_endpoint")

    def forget(self, issuer: str) -> None:
        """Ask ``issuer`` anew the next time: what it named did not work."""
        with self._lock:
            self._known.pop(issuer, None)

    def _named(self, address: str | None, issuer: str, member: str) -> str:
        if address is None:
            self.forget(issuer)
            raise TokenEndpointError(f"no_{member}", f"The issuer's metadata names no {member} that may be used.")
        return address

    def _metadata(self, issuer: str, seconds: float) -> ServerMetadata:
        with self._lock:
            known = self._known.get(issuer)
        now = self._clock.monotonic()
        if known is None or now >= known.until:
            try:
                # With an old answer in hand, half the time must be left for the token itself.
                asked = self._ask(issuer, seconds if known is None else seconds / 2.0)
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

    def _ask(self, issuer: str, seconds: float) -> ServerMetadata:
        budget = Budget(seconds, self._clock)
        for url in well_known_urls(issuer):
            answer = self._send(url, budget.left)
            if answer.response.status not in {400, 403, 404, 405}:
                break
        return read_metadata(answer.response, issuer)

    def _send(self, url: str, seconds: float) -> Answer:
        request = Request("GET", url, (("Accept", "application/json"),))
        return self._transport.send(request, seconds=seconds, largest=_LARGEST_METADATA)

    def reset_after_fork(self) -> None:
        """Make the lock anew in a child process, where another thread's hold on it would last for ever."""
        self._lock = threading.Lock()
