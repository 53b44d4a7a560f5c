"""What a flight comes back with: a token and its deadlines, a failure, or both."""

from typing import Any, Self, final

from roomkey.client.access_token import AccessToken
from roomkey.client.failure import Failure
from roomkey.client.lifetime import Lifetime
from roomkey.client.record import Record
from roomkey.clock import Clock
from roomkey.secret import Confidential, fingerprint


@final
class Held(Confidential):
    """A token in memory, ready to be sent.

    ``header`` is the whole header value; ``soft``, ``hard`` and ``end`` are monotonic seconds.
    """

    __slots__ = ("end", "hard", "header", "lifetime", "record", "renewed_for", "soft")

    def __init__(self, record: Record, lifetime: Lifetime, renewed_for: tuple[tuple[str, float], ...] = ()) -> None:
        """Hold ``record``; ``renewed_for`` are (origin, monotonic second) of the refusals that led to it."""
        self.record = record
        self.lifetime = lifetime
        self.renewed_for = renewed_for
        self.header = f"{record.token_type} {record.access_token}"
        self.soft = lifetime.soft
        self.hard = lifetime.hard
        self.end = lifetime.end

    def token(self, clock: Clock) -> AccessToken:
        """The token as the application gets it."""
        record = self.record
        return AccessToken(
            record.access_token, token_type=record.token_type, scope=record.scope, end=self.end, clock=clock
        )

    def until(self, soft: float) -> "Held":
        """The same token, to be looked after at ``soft`` (monotonic second) if not earlier."""
        life = self.lifetime
        earlier = Lifetime(life.received, min(life.soft, soft), life.hard, life.end)
        return Held(self.record, earlier, self.renewed_for)

    def __repr__(self) -> str:
        return f"Held({fingerprint(self.record.access_token)}…)"


_NEVER = float("-inf")
NOTHING = Held(Record(), Lifetime(_NEVER, _NEVER, _NEVER, _NEVER))
"""Stands where no token is held: expired since ever, so that the hot path needs one comparison only."""


@final
class Landing(Confidential):
    """The end of a flight.

    Attributes:
        record: what is kept now, with or without a token; None where nothing is known.
        held: the token to use, or None.
        generation: of the record in the store; 0 where it is not stored.
        saved: False where the record should be in the store and is not.
        fetched: True where the token comes from the endpoint now.
        failure: why there is no new token, or None.
        offset: seconds that the server's clock is ahead of this machine's, or None where it was not asked.
        secrets_mark: tells one set of the source's secrets from another within this process.
        reason: what was done, such as ``fetched`` or ``found in the store``.
    """

    __slots__ = ("failure", "fetched", "generation", "held", "offset", "reason", "record", "saved", "secrets_mark")

    def __init__(
        self,
        *,
        record: Record | None = None,
        held: Held | None = None,
        generation: int = 0,
        saved: bool = True,
        fetched: bool = False,
        failure: Failure | None = None,
        offset: float | None = None,
        secrets_mark: str = "",
        reason: str = "",
    ) -> None:
        self.record = record
        self.held = held
        self.generation = generation
        self.saved = saved
        self.fetched = fetched
        self.failure = failure
        self.offset = offset
        self.secrets_mark = secrets_mark
        self.reason = reason

    def changed(self, **values: Any) -> Self:
        """A copy with some attributes replaced."""
        return type(self)(**{name: getattr(self, name) for name in self.__slots__} | values)

    def __repr__(self) -> str:
        return f"Landing({self.reason}, {self.held or self.failure})"
