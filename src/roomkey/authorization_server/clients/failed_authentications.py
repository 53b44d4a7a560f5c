"""Rate limit on failed client authentications: one token bucket for each network that they come from.

An IPv4 address counts for itself, an IPv6 address as its /64. A client that is cached and authenticates is never asked.
"""

from typing import Final

from roomkey.authorization_server.identity.throttle import network
from roomkey.authorization_server.web.oauth_error import too_many_requests
from roomkey.authorization_server.web.token_bucket import Rate, TokenBuckets
from roomkey.clock import Clock

FAILURES: Final = Rate(burst=60, per_second=2.0)
"""Failed authentications that one network may cause at once, and each second in the long run."""


class FailedAuthenticationLimit:
    """Counts the failures of each network. For one event loop; takes no lock and does no I/O."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._buckets = TokenBuckets(FAILURES)

    def check(self, address: str) -> None:
        """Raise OAuthError (429) if the network of ``address`` has no failure left."""
        if self._buckets.level(network(address), self._clock.monotonic()) < 1.0:
            raise too_many_requests(1)

    def count(self, address: str) -> None:
        """Count one failure of the network of ``address``."""
        self._buckets.take(network(address), self._clock.monotonic())
