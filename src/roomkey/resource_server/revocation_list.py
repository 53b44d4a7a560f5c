"""A signed revocation list of an issuer: fetched, capped, verified by the issuer's keys, cached while in use."""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FetchFailed
from roomkey.concurrency.cached_document import CachedDocument, Fetch, Fetched
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, InvalidToken, KeysUnavailable, RevocationUnknown
from roomkey.http.messages import Request, Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.jose.claims import read_string, read_time
from roomkey.jose.compact import read_claims, read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import VerificationKey, check_algorithm, check_signature

LARGEST_LIST: Final = 1_048_576
_MARGIN_SECONDS: Final = 0.5
Content = TypeVar("Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """How a published list is followed, and what happens while it is unavailable.

    Parameters:
        every: seconds between two fetches while tokens come in; this is how long a revoked token may stay accepted.
        staleness: seconds that it is used while no newer one is available.
        stale: what then happens to tokens: ``reject`` (503, the default) or ``accept``.
        fetch: seconds for one whole attempt.
    """

    every: float = 30.0
    staleness: float = 600.0
    stale: Literal["reject", "accept"] = "reject"
    fetch: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 < self.every <= self.staleness < float("inf") or not 0.0 < self.fetch <= 60.0:
            raise ConfigurationError(
                "every= of ListPolicy must be above 0 and at most staleness=, fetch= above 0 and at most 60."
            )
        if str(self.stale) == "refuse":  # as 0.1.0 called it; for one version
            warnings.warn('stale="refuse" of ListPolicy is now stale="reject"', DeprecationWarning, stacklevel=3)
            object.__setattr__(self, "stale", "reject")
        if self.stale not in ("reject", "accept"):
            raise ConfigurationError('stale= of ListPolicy must be "reject" or "accept".')


BY_DEFAULT: Final = ListPolicy()


@dataclass(frozen=True, slots=True)
class PublishedList(Generic[Content]):
    """A list as it was published.

    Attributes:
        content: its meaning.
        issued: when it was made (``iat``), in seconds since 1970.
        expires: when it expires (``exp``), in seconds since 1970, or None.
        ttl: seconds after which it asks to be fetched again, or None.
        key: the key that signed it.
        etag: the response's ``ETag``, or None.
    """

    content: Content
    issued: float
    expires: float | None
    ttl: float | None
    key: VerificationKey
    etag: str | None


@dataclass(frozen=True, slots=True)
class ListSigner:
    """The signer of a list: the issuer whose tokens it is about.

    Attributes:
        name: its identifier.
        keys: its keys.
        algorithms: the signature algorithms that are accepted from it.
        leeway: seconds by which clocks may differ.
        transport: how it is reached.
        clock: the time.
    """

    name: str
    keys: KeySet
    algorithms: frozenset[str]
    leeway: float
    transport: Transport
    clock: Clock


class CachedList(Generic[Content]):
    """The list that ``fetch`` brings from ``url``. Safe in any thread, in asyncio and trio, after a fork."""

    __slots__ = ("_document", "_now", "_title", "policy", "used")

    def __init__(self, fetch: Fetch[PublishedList[Content]], *, url: str, policy: ListPolicy, clock: Clock) -> None:
        self.policy = policy
        self.used = clock.monotonic()
        """When it was last used, on the monotonic clock."""
        self._now = clock.monotonic
        self._title = f"The list of revoked tokens at {url}"
        self._document = CachedDocument(
            fetch,
            title=self._title,
            seconds=policy.fetch + _MARGIN_SECONDS,
            cooldown=policy.every,
            known_outage=policy.every,
            jitter=0.0,
            clock=clock,
        )

    def current(self) -> Content | None:
        """Return the list where it may be used without waiting for it, else None; never blocks."""
        held = self._document.held
        now = self._now()
        if now < held.soft:
            published = held.value
        else:
            self.used = now
            published = self._document.current()
        return None if published is None else published.content

    def get(self, lacks: Callable[[Content], bool]) -> Steps[Content | None]:
        """Return the list; waits for it where needed, and for a newer one where it ``lacks`` something.

        None where it is unavailable and the policy accepts tokens then; else that raises RevocationUnknown.
        """
        self.used = self._now()
        published = yield from self._document.usable(lambda published: lacks(published.content))
        if published is not None and (self._document.outage is None or not lacks(published.content)):
            return published.content
        if self.policy.stale == "accept":
            return None
        failed, wait = self._document.failure()
        raise RevocationUnknown(f"{self._title} is unavailable.", reason=failed.reason, retry_after=wait)


def cached_list(
    signer: ListSigner, url: str, *, typ: str, read: Callable[[Mapping[str, Any]], Content], policy: ListPolicy
) -> CachedList[Content]:
    """Return the list at ``url``, a JWT of the type ``typ`` from ``signer``; ``read`` makes its content of its claims.

    ``read`` raises InvalidToken for what it cannot read. Does no I/O yet.
    """
    accept = ("Accept", f"application/{typ}")

    def fetch(held: PublishedList[Content] | None) -> Fetched[PublishedList[Content]] | FetchFailed:
        confirmable = held if held is not None and _is_confirmable(held, signer) else None
        condition = () if confirmable is None else (("If-None-Match", confirmable.etag or ""),)
        request = Request("GET", url, (accept, *condition))
        try:
            response = signer.transport.send(request, seconds=policy.fetch, largest=LARGEST_LIST).response
        except TransportError as error:
            return FetchFailed(error.reason, error.detail)
        try:
            if response.status == 304 and confirmable is not None:
                return _lifetimes(confirmable, signer, policy)
            if response.status != 200:
                wait = retry_after(response, wall=signer.clock.wall())
                return FetchFailed("bad_status", f"the response has the status {response.status}", wait)
            published = _verify(response, signer, typ, read)
            fetched = _lifetimes(published, signer, policy)
        except KeysUnavailable as error:
            return FetchFailed(error.reason, "the keys to verify it are unavailable", error.retry_after)
        except InvalidToken as error:
            return FetchFailed("malformed", f"it is not a valid list ({error.reason})")
        if held is not None and published.issued < held.issued:
            return FetchFailed("outdated", "it is older than the one before")
        return fetched

    return CachedList(fetch, url=url, policy=policy, clock=signer.clock)


def _is_confirmable(held: PublishedList[Content], signer: ListSigner) -> bool:
    """Return True where a 304 is enough: a list that has expired, or whose key was withdrawn, must be sent anew."""
    valid = held.expires is None or signer.clock.wall() < held.expires + signer.leeway
    return held.etag is not None and valid and signer.keys.holds(held.key)


def _verify(
    response: Response, signer: ListSigner, typ: str, read: Callable[[Mapping[str, Any]], Content]
) -> PublishedList[Content]:
    compact = read_compact(response.body.decode("ascii", "replace").strip(), largest=LARGEST_LIST)
    check_algorithm(compact.header, signer.algorithms)
    if (compact.header.typ or "").lower().removeprefix("application/") != typ:
        raise invalid_token("wrong_type", "typ")
    key = check_signature(compact, signer.keys.find(compact.header))
    claims = read_claims(compact)
    if "iss" in claims and read_string(claims, "iss") != signer.name:
        raise invalid_token("wrong_issuer", "iss")
    content = read(claims)
    issued, expires, ttl = (read_time(claims, name) for name in ("iat", "exp", "ttl"))
    if issued is None:
        raise invalid_token("claim_missing", "iat")
    return PublishedList(content, issued, expires, ttl, key, response.header("etag"))


def _lifetimes(
    published: PublishedList[Content], signer: ListSigner, policy: ListPolicy
) -> Fetched[PublishedList[Content]]:
    now = signer.clock.wall()
    if published.issued > now + signer.leeway:  # it would keep every right list out until that time
        raise invalid_token("issued_in_future", "iat")
    lifetime = float("inf") if published.expires is None else published.expires + signer.leeway - now
    if lifetime <= 0.0:
        raise invalid_token("expired", "exp")
    every = policy.every if published.ttl is None else min(policy.every, max(published.ttl, 1.0))
    usable = min(policy.staleness, lifetime)
    return Fetched(value=published, refresh=min(every, usable), fresh=min(2.0 * every, usable), usable=usable)
