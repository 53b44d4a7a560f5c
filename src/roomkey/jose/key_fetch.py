"""One look at an issuer's published key set, and how long what it says may be used (RFC 7517, RFC 9111)."""

from dataclasses import dataclass
from typing import Final, final

from roomkey.clock import Budget, Clock
from roomkey.jose import strict_json
from roomkey.jose.local_keys import MOST_KEYS, Keys
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.endpoint_error import TokenEndpointError
from roomkey.wire.headers import age, lifetime, retry_after, server_date
from roomkey.wire.messages import Request, Response
from roomkey.wire.transport import Transport, TransportError

LARGEST_SET: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetLimits:
    """How long published keys are used and how often they are asked for; all in seconds.

    Parameters:
        ttl: how long a set is used where its answer has no ``Cache-Control: max-age``.
        shortest_ttl: the least that ``Cache-Control`` can ask for.
        longest_ttl: the most that it can ask for.
        stale_if_error: how much longer a set is used while no newer one can be had.
        cooldown: the least time between two requests that tokens with unknown key names cause.
        fetch: one whole attempt, discovery included.
    """

    ttl: float = 300.0
    shortest_ttl: float = 60.0
    longest_ttl: float = 86_400.0
    stale_if_error: float = 3_600.0
    cooldown: float = 30.0
    fetch: float = 5.0

    def __post_init__(self) -> None:
        values = (self.ttl, self.shortest_ttl, self.longest_ttl, self.stale_if_error, self.cooldown, self.fetch)
        if not all(0.0 <= value < float("inf") for value in values) or not self.fetch > 0.0:
            raise ValueError("the limits of a key set are seconds, 0 or more; fetch is more than 0")
        if not 0.0 < self.shortest_ttl <= self.longest_ttl:
            raise ValueError("shortest_ttl of a key set lies above 0 and not above longest_ttl")

    def lifetime_of(self, response: Response) -> float:
        """How long the set in ``response`` is used."""
        asked = lifetime(response)
        return min(max(self.ttl if asked is None else asked, self.shortest_ttl), self.longest_ttl)


@dataclass(frozen=True, slots=True)
class PublishedKeys:
    """A set as its issuer published it.

    Attributes:
        keys: the keys in it.
        etag: the answer's ``ETag``, or None.
        made: when its origin made the answer, in seconds since 1970, or None.
        lifetime: how long it is used, in seconds.
    """

    keys: Keys
    etag: str | None
    made: float | None
    lifetime: float


@dataclass(frozen=True, slots=True)
class NothingNew:
    """The set that is held is to be used for another ``lifetime`` seconds."""

    lifetime: float


@dataclass(frozen=True, slots=True)
class FetchFailed:
    """No set came back.

    Attributes:
        reason: a stable word.
        detail: the sentence for people; nothing of the answer's body stands in it.
        retry_after: seconds that the server asks to wait, or None.
    """

    reason: str
    detail: str
    retry_after: float | None = None


Fetched = PublishedKeys | NothingNew | FetchFailed


@final
class KeyFetch:
    """Asks for the set at ``url``, or at the address that the metadata of ``issuer`` names. Blocks on I/O."""

    __slots__ = ("_clock", "_discovery", "_issuer", "_limits", "_transport", "_url")

    def __init__(
        self, *, url: str = "", issuer: str = "", limits: KeySetLimits, transport: Transport, clock: Clock
    ) -> None:
        self._url = url
        self._issuer = issuer
        self._limits = limits
        self._transport = transport
        self._clock = clock
        self._discovery = Discovery(transport, clock)

    @property
    def place(self) -> str:
        """The address that was configured."""
        return self._url or self._issuer

    def fetch(self, held: PublishedKeys | None) -> Fetched:
        """What is published now, compared with what is ``held``; takes at most ``limits.fetch`` seconds in all."""
        budget = Budget(self._limits.fetch, self._clock)
        try:
            url = self._url or self._discovery.jwks_uri(self._issuer, seconds=budget.left)
            request = Request("GET", url, _headers(held))
            response = self._transport.send(request, seconds=budget.left, largest=LARGEST_SET).response
        except TransportError as error:
            return FetchFailed(error.reason, error.detail)
        except TokenEndpointError as error:
            return FetchFailed(error.error, str(error), error.retry_after)
        fetched = self._read(response, held)
        if isinstance(fetched, FetchFailed) and self._issuer:
            self._discovery.forget(self._issuer)  # the set may have moved
        return fetched

    def _read(self, response: Response, held: PublishedKeys | None) -> Fetched:
        if response.status == 304 and held is not None:
            return NothingNew(self._limits.lifetime_of(response))
        if response.status != 200:
            detail = f"the answer has the status {response.status}"
            return FetchFailed("bad_status", detail, retry_after(response, wall=self._clock.wall()))
        document = strict_json.read_object_of_objects(response.body)
        jwks = None if document is None else document.get("keys")
        if not isinstance(jwks, list):
            return FetchFailed("malformed", "the answer is not a JWK set")
        if len(jwks) > MOST_KEYS:
            return FetchFailed("too_many_keys", f"the set has more than {MOST_KEYS} keys")
        made = server_date(response)
        if held is not None and age(response) > 0.0 and made is not None and held.made is not None and made < held.made:
            return NothingNew(self._limits.shortest_ttl)  # a cache on the way still has an older set than ours
        keys = Keys.read(jwks, published=True, known=None if held is None else held.keys)
        if not keys.keys:
            why = ", ".join(sorted({one.reason for one in keys.refused}))
            return FetchFailed("no_usable_keys", f"the set has no usable key ({why or 'it is empty'})")
        return PublishedKeys(keys, response.header("etag"), made, self._limits.lifetime_of(response))

    def reset_after_fork(self) -> None:
        """Make the lock of the discovery anew in a child process."""
        self._discovery.reset_after_fork()


def _headers(held: PublishedKeys | None) -> tuple[tuple[str, str], ...]:
    accept = (("Accept", "application/jwk-set+json, application/json"),)
    return accept if held is None or held.etag is None else (*accept, ("If-None-Match", held.etag))
