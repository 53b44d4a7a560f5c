"""A signed list on its way from its issuer: asked for, capped, verified by the issuer's own keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, Literal, TypeVar

from roomkey.clock import Clock
from roomkey.concurrency.backoff import FetchFailed
from roomkey.concurrency.cached_document import Fetch, Fetched, Refreshed
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, InvalidToken, KeysUnavailable, RevocationUnknown
from roomkey.http.messages import Request, Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.compact import read_claims, read_compact
from roomkey.jose.jwks.key_set import KeySet
from roomkey.jose.reasons import invalid_token
from roomkey.jose.verification_key import VerificationKey, check_algorithm, check_signature

_SLACK: Final = 0.5

Content = TypeVar("Content")


@dataclass(frozen=True, slots=True, kw_only=True)
class ListPolicy:
    """How a published list is followed, and what counts while it cannot be had.

    Parameters:
        every: seconds between two looks at it while tokens come in; this is how long a revoked token may live on.
        staleness: seconds that it is used while no newer one can be had.
        stale: what then happens to tokens: ``refuse`` (503, the default) or ``accept``.
        fetch: seconds for one whole attempt.
    """

    every: float = 30.0
    staleness: float = 600.0
    stale: Literal["refuse", "accept"] = "refuse"
    fetch: float = 5.0

    def __post_init__(self) -> None:
        if not 0.0 < self.every <= self.staleness < float("inf") or not 0.0 < self.fetch <= 60.0:
            raise ConfigurationError("A list's every= lies above 0 and not above staleness=, fetch= between 0 and 60.")
        if self.stale not in ("refuse", "accept"):
            raise ConfigurationError('stale= is "refuse" or "accept".')


BY_DEFAULT: Final = ListPolicy()


@dataclass(frozen=True, slots=True)
class Published(Generic[Content]):
    """A list as it was published.

    Attributes:
        content: what it says.
        issued: when it was made, in seconds since 1970.
        ends: when it ends by its own word, in seconds since 1970, or None.
        ttl: seconds after which it wants to be looked at again, or None.
        key: the key that signed it.
        etag: the answer's ``ETag``, or None.
    """

    content: Content
    issued: float
    ends: float | None
    ttl: float | None
    key: VerificationKey
    etag: str | None


class PolledList(Generic[Content]):
    """The list that ``fetch`` brings. Safe in any thread, in asyncio and trio, after a fork."""

    __slots__ = ("_document", "_now", "_place", "policy", "used")

    def __init__(self, fetch: Fetch[Published[Content]], *, place: str, policy: ListPolicy, clock: Clock) -> None:
        """``place`` is its address, for the log."""
        self.policy = policy
        self.used = clock.monotonic()
        """When it was last asked, on the monotonic clock."""
        self._now = clock.monotonic
        self._place = f"The list of revoked tokens at {place}"
        self._document = Refreshed(
            fetch,
            place=self._place,
            seconds=policy.fetch + _SLACK,
            cooldown=policy.every,
            known_outage=policy.every,
            jitter=0.0,
            clock=clock,
        )

    def glance(self) -> Content | None:
        """The list where it may be used without waiting for it, else None; never blocks."""
        held = self._document.held
        now = self._now()
        if now < held.soft:
            published = held.value
        else:
            self.used = now
            published = self._document.current()
        return None if published is None else published.content

    def course(self, lacks: Callable[[Content], bool]) -> Steps[Content | None]:
        """The list; waits for it where that is needed, and for a newer one where it ``lacks`` something.

        None where it cannot be had and the policy accepts tokens then; raises RevocationUnknown where it refuses them.
        """
        self.used = self._now()
        published = yield from self._document.usable(lambda published: lacks(published.content))
        if published is not None and (self._document.outage is None or not lacks(published.content)):
            return published.content
        if self.policy.stale == "accept":
            return None
        failed, wait = self._document.trouble()
        raise RevocationUnknown(f"{self._place} cannot be had.", reason=failed.reason, retry_after=wait)


LARGEST_LIST: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class ListIssuer:
    """Whoever signs a list: the same issuer whose tokens it is about.

    Attributes:
        name: its identifier.
        keys: its keys.
        algorithms: the signature algorithms that are taken from it.
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


def followed_list(
    issuer: ListIssuer, url: str, *, typ: str, read: Callable[[Mapping[str, Any]], Content], policy: ListPolicy
) -> PolledList[Content]:
    """The list at ``url``, a JWT of the type ``typ`` signed by ``issuer``; what it says is what ``read`` makes of it.

    ``read`` raises InvalidToken for what it cannot read. Making it does no I/O.
    """
    accept = ("Accept", f"application/{typ}")

    def fetch(held: Published[Content] | None) -> Fetched[Published[Content]] | FetchFailed:
        confirmable = held if held is not None and _may_be_confirmed(held, issuer) else None
        condition = () if confirmable is None else (("If-None-Match", confirmable.etag or ""),)
        request = Request("GET", url, (accept, *condition))
        try:
            response = issuer.transport.send(request, seconds=policy.fetch, largest=LARGEST_LIST).response
        except TransportError as error:
            return FetchFailed(error.reason, error.detail)
        try:
            if response.status == 304 and confirmable is not None:
                return _used(confirmable, issuer, policy)
            if response.status != 200:
                asked = retry_after(response, wall=issuer.clock.wall())
                return FetchFailed("bad_status", f"the answer has the status {response.status}", asked)
            published = _published(response, issuer, typ, read)
            fetched = _used(published, issuer, policy)
        except KeysUnavailable as error:
            return FetchFailed(error.reason, "the keys to verify it with cannot be had", error.retry_after)
        except InvalidToken as error:
            return FetchFailed("malformed", f"it is not to be trusted ({error.reason})")
        if held is not None and published.issued < held.issued:
            return FetchFailed("outdated", "what came is older than what was there before")
        return fetched

    return PolledList(fetch, place=url, policy=policy, clock=issuer.clock)


def _may_be_confirmed(held: Published[Content], issuer: ListIssuer) -> bool:
    """True where "not modified" is answer enough: a list that has ended, or whose key was withdrawn, must come anew."""
    lives = held.ends is None or issuer.clock.wall() < held.ends + issuer.leeway
    return held.etag is not None and lives and issuer.keys.holds(held.key)


def _published(
    response: Response, issuer: ListIssuer, typ: str, read: Callable[[Mapping[str, Any]], Content]
) -> Published[Content]:
    compact = read_compact(response.body.decode("ascii", "replace").strip(), largest=LARGEST_LIST)
    check_algorithm(compact.header, issuer.algorithms)
    if (compact.header.typ or "").lower().removeprefix("application/") != typ:
        raise invalid_token("wrong_type", "typ")
    key = check_signature(compact, issuer.keys.find(compact.header))
    claims = read_claims(compact)
    if "iss" in claims and read_text(claims, "iss") != issuer.name:
        raise invalid_token("wrong_issuer", "iss")
    content = read(claims)
    issued, ends, ttl = (read_time(claims, name) for name in ("iat", "exp", "ttl"))
    if issued is None:
        raise invalid_token("claim_missing", "iat")
    return Published(content, issued, ends, ttl, key, response.header("etag"))


def _used(published: Published[Content], issuer: ListIssuer, policy: ListPolicy) -> Fetched[Published[Content]]:
    now = issuer.clock.wall()
    if published.issued > now + issuer.leeway:  # it would keep every right list out until that time
        raise invalid_token("issued_in_future", "iat")
    lifetime = float("inf") if published.ends is None else published.ends + issuer.leeway - now
    if lifetime <= 0.0:
        raise invalid_token("expired", "exp")
    every = policy.every if published.ttl is None else min(policy.every, max(published.ttl, 1.0))
    end = min(policy.staleness, lifetime)
    return Fetched(value=published, refresh=min(every, end), fresh=min(2.0 * every, end), usable=end)
