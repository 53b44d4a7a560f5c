"""A list that an issuer publishes, kept at hand: looked at anew while it is used, and left alone while it is not."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from roomkey.clock import Clock
from roomkey.concurrency.cached_document import Fetch, Refreshed
from roomkey.concurrency.steps import Steps
from roomkey.errors import ConfigurationError, RevocationUnknown
from roomkey.jose.keys import VerificationKey

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
            published = self._document.at_hand()
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
