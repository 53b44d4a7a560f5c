"""The keys that an issuer publishes: fetched once for all callers, cached, refreshed ahead (RFC 7517, RFC 9111).

Finding a key in a fresh set is one comparison and one dict access.
"""

import logging
import secrets
from dataclasses import dataclass
from typing import Final, final

from roomkey.clock import Clock, SystemClock
from roomkey.concurrency.backoff import FetchFailed, jitter_of
from roomkey.concurrency.cached_document import CachedDocument, CachedValue, Fetched
from roomkey.concurrency.fork import Forkable, forkables
from roomkey.concurrency.steps import Steps
from roomkey.errors import KeysUnavailable
from roomkey.http.messages import Request, Response, age, lifetime, retry_after, server_date
from roomkey.http.transport import Transport, TransportError
from roomkey.jose import strict_json
from roomkey.jose.compact import Header
from roomkey.jose.jwks.local import MOST_KEYS, KeySetState, KeySetStatus, LocalKeys
from roomkey.jose.verification_key import VerificationKey
from roomkey.oauth.discovery import Discovery
from roomkey.oauth.token_response import TokenEndpointError

_log = logging.getLogger("roomkey")

_REFRESH_FRACTION: Final = 0.8
_KNOWN_OUTAGE: Final = 60.0
_MARGIN_SECONDS: Final = 0.5
_PROCESS: Final = secrets.token_hex(8)
_Found = tuple[VerificationKey, ...]
LARGEST_SET: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetLimits:
    """How long published keys are used and how often they are fetched; all in seconds.

    Parameters:
        ttl: how long a set is used where its response has no ``Cache-Control: max-age``.
        shortest_ttl: the least that ``Cache-Control`` can set.
        longest_ttl: the most that it can set.
        stale_if_error: how much longer a set is used while no newer one is available.
        cooldown: the least time between two requests that tokens with an unknown ``kid`` cause.
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
            raise ValueError("the limits of a key set must be seconds, 0 or more, and fetch above 0")
        if not 0.0 < self.shortest_ttl <= self.longest_ttl:
            raise ValueError("shortest_ttl of a key set must be above 0 and at most longest_ttl")

    def lifetime_of(self, response: Response) -> float:
        """Return how long the set in ``response`` is used."""
        named = lifetime(response)
        return min(max(self.ttl if named is None else named, self.shortest_ttl), self.longest_ttl)


@dataclass(frozen=True, slots=True)
class PublishedKeySet:
    """A set as its issuer published it.

    Attributes:
        keys: the keys in it.
        etag: the response's ``ETag``, or None.
        made: when its origin made the response, in seconds since 1970, or None.
    """

    keys: LocalKeys
    etag: str | None
    made: float | None


@final
class RemoteKeys(Forkable):
    """The keys published at ``url``, or at the ``jwks_uri`` in the metadata of ``issuer``.

    Safe in any thread, in asyncio and trio, and after a fork. Making it does no I/O.
    """

    __slots__ = (
        "_clock",
        "_discovery",
        "_document",
        "_issuer",
        "_limits",
        "_now",
        "_refresh",
        "_source",
        "_transport",
        "_url",
    )

    def __init__(
        self,
        *,
        url: str = "",
        issuer: str = "",
        limits: KeySetLimits | None,
        transport: Transport | None,
        clock: Clock | None,
    ) -> None:
        self._url = url
        self._source = url or issuer
        self._issuer = issuer
        self._limits = limits = KeySetLimits() if limits is None else limits
        self._transport = Transport() if transport is None else transport
        self._clock = clock = SystemClock() if clock is None else clock
        self._now = clock.monotonic
        self._discovery = Discovery(self._transport, clock)
        jitter = jitter_of(_PROCESS, url, issuer)  # spreads the requests of many processes
        self._refresh = _REFRESH_FRACTION - 0.1 * jitter
        self._document = CachedDocument(
            self._fetch,
            title=f"The keys of {self._source}",
            seconds=limits.fetch + _MARGIN_SECONDS,
            cooldown=limits.cooldown,
            known_outage=_KNOWN_OUTAGE,
            jitter=jitter,
            clock=clock,
        )
        forkables[id(self)] = self

    def find_cached(self, header: Header) -> _Found:
        """Return the keys of a fresh set that may have signed a token with ``header``; else empty. No lock, no I/O."""
        held = self._document.held
        return held.value.keys.find(header) if self._now() < held.soft and held.value is not None else ()

    def holds(self, key: VerificationKey) -> bool:
        """Return True while ``key`` is one of the keys in use; never blocks, and starts a refresh when one is due."""
        held = self._document.held
        published = held.value if self._now() < held.soft else self._document.current()
        return published is not None and key in published.keys.members

    def status(self) -> KeySetStatus:
        """Return the status of the set; no I/O."""
        now, document = self._now(), self._document
        held, outage = document.held, document.outage
        return KeySetStatus(
            source=self._source,
            state=_state(held, now),
            keys=0 if held.value is None else len(held.value.keys.keys),
            rejected=() if held.value is None else held.value.keys.rejected,
            age=None if held.value is None else now - held.received,
            refresh_in=None if held.value is None else max(0.0, held.soft - now),
            usable_for=max(0.0, held.end - now),
            fetches=document.fetches,
            failures=document.failures,
            unknown_kids=document.misses,
            last_error="" if outage is None else str(outage),
            next_attempt_in=None if outage is None else max(0.0, outage.until - now),
        )

    def find(self, header: Header) -> Steps[_Found]:
        """Return the keys that may have signed a token with ``header``; waits for a set that is being fetched.

        Raises InvalidToken or KeysUnavailable.
        """
        published = yield from self._document.usable(lambda published: published.keys.lacks(header))
        if published is None:
            raise self._unavailable()
        found = published.keys.find(header)
        if found:
            return found
        if published.keys.lacks(header) and self._document.outage is not None:
            raise self._unavailable()
        raise published.keys.explain(header)

    def _unavailable(self) -> KeysUnavailable:
        failed, wait = self._document.failure()
        return KeysUnavailable(
            f"The keys of {self._source} are unavailable: {failed.detail}. Next attempt in {wait:.0f} s.",
            reason=failed.reason,
            retry_after=wait,
        )

    def _fetch(self, held: PublishedKeySet | None) -> Fetched[PublishedKeySet] | FetchFailed:
        """Fetch what is published now, compared with what is ``held``, in at most ``limits.fetch`` seconds in all."""
        end = self._now() + self._limits.fetch
        try:
            url = self._url or self._discovery.jwks_uri(self._issuer, seconds=end - self._now())
            request = Request("GET", url, _headers(held))
            response = self._transport.send(request, seconds=end - self._now(), largest=LARGEST_SET).response
        except TransportError as error:
            return FetchFailed(error.reason, error.detail)
        except TokenEndpointError as error:
            return FetchFailed(error.error, str(error), error.retry_after)
        fetched = self._read(response, held)
        if isinstance(fetched, FetchFailed) and self._issuer:
            self._discovery.forget(self._issuer)  # the set may have moved
        return fetched

    def _read(self, response: Response, held: PublishedKeySet | None) -> Fetched[PublishedKeySet] | FetchFailed:
        if response.status == 304 and held is not None:
            return self._used(held, self._limits.lifetime_of(response))
        if response.status != 200:
            detail = f"the response has the status {response.status}"
            return FetchFailed("bad_status", detail, retry_after(response, wall=self._clock.wall()))
        document = strict_json.read_object_of_objects(response.body)
        jwks = None if document is None else document.get("keys")
        if not isinstance(jwks, list):
            return FetchFailed("malformed", "the response is not a JWK set")
        if len(jwks) > MOST_KEYS:
            return FetchFailed("too_many_keys", f"the set has more than {MOST_KEYS} keys")
        made = server_date(response)
        if held is not None and age(response) > 0.0 and made is not None and held.made is not None and made < held.made:
            return self._used(held, self._limits.shortest_ttl)  # an HTTP cache still has an older set than this one
        keys = LocalKeys.read(jwks, published=True, known=None if held is None else held.keys)
        if not keys.keys:
            why = ", ".join(sorted({one.reason for one in keys.rejected}))
            return FetchFailed("no_usable_keys", f"the set has no usable key ({why or 'it is empty'})")
        self._log_rejected(keys, held)
        return self._used(PublishedKeySet(keys, response.header("etag"), made), self._limits.lifetime_of(response))

    def _used(self, published: PublishedKeySet, lifetime: float) -> Fetched[PublishedKeySet]:
        usable = lifetime + self._limits.stale_if_error
        return Fetched(value=published, refresh=lifetime * self._refresh, fresh=lifetime, usable=usable)

    def _log_rejected(self, keys: LocalKeys, held: PublishedKeySet | None) -> None:
        """Log a change once; the ``kid`` of a key comes from outside and is not logged."""
        if held is None or keys.rejected != held.keys.rejected:
            for one in keys.rejected:
                _log.warning("Key %d of the set of %s is not used: %s.", one.position, self._source, one.reason)

    def after_fork_in_child(self) -> None:
        """Replace the lock of the discovery."""
        self._discovery.reset_after_fork()


def _headers(held: PublishedKeySet | None) -> tuple[tuple[str, str], ...]:
    accept = (("Accept", "application/jwk-set+json, application/json"),)
    return accept if held is None or held.etag is None else (*accept, ("If-None-Match", held.etag))


def _state(held: CachedValue[PublishedKeySet], now: float) -> KeySetState:
    if held.value is None:
        return KeySetState.EMPTY
    if now < held.fresh:
        return KeySetState.FRESH
    return KeySetState.STALE if now < held.end else KeySetState.EXPIRED
