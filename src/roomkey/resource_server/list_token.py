"""A signed list on its way from its issuer: asked for, capped, verified by the issuer's own keys."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from roomkey.clock import Clock
from roomkey.concurrency.cached_document import Fetched
from roomkey.concurrency.outage import FetchFailed
from roomkey.errors import InvalidToken, KeysUnavailable
from roomkey.http.messages import Request, Response, retry_after
from roomkey.http.transport import Transport, TransportError
from roomkey.jose.claims import read_text, read_time
from roomkey.jose.compact import read_claims, read_compact
from roomkey.jose.key_set import KeySet
from roomkey.jose.reasons import refused
from roomkey.jose.verify import check_algorithm, check_signature
from roomkey.resource_server.polled_list import ListPolicy, PolledList, Published

LARGEST_LIST: Final = 1_048_576
Content = TypeVar("Content")


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
        raise refused("wrong_type", "typ")
    key = check_signature(compact, issuer.keys.find(compact.header))
    claims = read_claims(compact)
    if "iss" in claims and read_text(claims, "iss") != issuer.name:
        raise refused("wrong_issuer", "iss")
    content = read(claims)
    issued, ends, ttl = (read_time(claims, name) for name in ("iat", "exp", "ttl"))
    if issued is None:
        raise refused("claim_missing", "iat")
    return Published(content, issued, ends, ttl, key, response.header("etag"))


def _used(published: Published[Content], issuer: ListIssuer, policy: ListPolicy) -> Fetched[Published[Content]]:
    now = issuer.clock.wall()
    if published.issued > now + issuer.leeway:  # it would keep every right list out until that time
        raise refused("issued_in_future", "iat")
    lifetime = float("inf") if published.ends is None else published.ends + issuer.leeway - now
    if lifetime <= 0.0:
        raise refused("expired", "exp")
    every = policy.every if published.ttl is None else min(policy.every, max(published.ttl, 1.0))
    end = min(policy.staleness, lifetime)
    return Fetched(value=published, refresh=min(every, end), fresh=min(2.0 * every, end), usable=end)
