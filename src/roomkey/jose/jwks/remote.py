"""An issuer's published keys, kept at hand: a known key of a fresh set is a comparison and a look-up (DESIGN 9)."""

from typing import Final, final

from roomkey.clock import Clock
from roomkey.concurrency.cached_document import Held, Refreshed
from roomkey.concurrency.steps import Steps
from roomkey.errors import KeysUnavailable
from roomkey.jose.compact import Header
from roomkey.jose.key_fetch import KeyFetch, KeySetLimits, PublishedKeys
from roomkey.jose.key_set_status import KeySetState, KeySetStatus
from roomkey.jose.keys import VerificationKey

_KNOWN_OUTAGE: Final = 60.0
_SLACK: Final = 0.5

_Found = tuple[VerificationKey, ...]


@final
class RemoteKeys:
    """The keys that ``fetch`` brings. Safe in any thread, in asyncio and trio, and after a fork.

    ``jitter`` (0 to 1) spreads the attempts of many processes.
    """

    __slots__ = ("_document", "_now", "_source")

    def __init__(self, fetch: KeyFetch, *, limits: KeySetLimits, clock: Clock, jitter: float) -> None:
        self._source = fetch.source
        self._now = clock.monotonic
        self._document = Refreshed(
            fetch.fetch,
            place=f"The keys of {fetch.source}",
            seconds=limits.fetch + _SLACK,
            cooldown=limits.cooldown,
            known_outage=_KNOWN_OUTAGE,
            jitter=jitter,
            clock=clock,
        )

    def at_hand(self, header: Header) -> _Found:
        """The keys of a fresh set that may have signed a token with ``header``; empty where it takes more to tell."""
        held = self._document.held
        return held.value.keys.find(header) if self._now() < held.soft and held.value is not None else ()

    def holds(self, key: VerificationKey) -> bool:
        """True while ``key`` is one of the keys in use; never blocks, and looks for a newer set when that is due."""
        held = self._document.held
        published = held.value if self._now() < held.soft else self._document.at_hand()
        return published is not None and key in published.keys.members

    def status(self) -> KeySetStatus:
        """How the set is doing; no I/O."""
        now, document = self._now(), self._document
        held, outage = document.held, document.outage
        return KeySetStatus(
            source=self._source,
            state=_state(held, now),
            keys=0 if held.value is None else len(held.value.keys.keys),
            refused=() if held.value is None else held.value.keys.refused,
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
        """The keys that may have signed a token with ``header``, waiting for a set that is being fetched.

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
        failed, wait = self._document.trouble()
        return KeysUnavailable(
            f"The keys of {self._source} cannot be had: {failed.detail}. Next attempt in {wait:.0f} s.",
            reason=failed.reason,
            retry_after=wait,
        )


def _state(held: Held[PublishedKeys], now: float) -> KeySetState:
    if held.value is None:
        return KeySetState.EMPTY
    if now < held.fresh:
        return KeySetState.FRESH
    return KeySetState.STALE if now < held.end else KeySetState.EXPIRED
