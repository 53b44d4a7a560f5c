"""The state of a credential: one frozen value that a renewal takes and returns, and the record of it in the store."""

import json
import math
from dataclasses import asdict, dataclass, field, fields, replace
from enum import Enum
from typing import Final, Self, final

from roomkey.client.access_token import AccessToken
from roomkey.client.failure import Failure
from roomkey.client.lifetime import Lifetime, RefreshWindow, TokenState
from roomkey.clock import Clock
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Parameters, Source, canonical
from roomkey.secret import Confidential, fingerprint

# Part of every store key too, so that two versions of roomkey on one store never touch each other's records.
RECORD_VERSION: Final = 1
CLOCK_TOLERANCE: Final = 30.0
_NEVER: Final = float("-inf")


class RenewalReason(Enum):
    """Why a token is renewed."""

    ABSENT = "there was none"
    STALE = "it will expire soon"
    EXPIRED = "it had expired"
    REJECTED = "the API rejected it"
    ASKED = "the application asked for a new one"
    UNSAVED = "it was not in the store yet"
    RECHECK = "its file may have changed"


class RejectOutcome(Enum):
    """The outcome of ``Credential.reject`` for a token that an API rejected."""

    RENEW = "renew"
    """It was dropped; the next ``header()`` gets another one."""
    SUPERSEDED = "superseded"
    """Another token is held already; send that one."""
    CIRCUIT_OPEN = "circuit_open"
    """Kept: this API rejected a new token a moment ago too, or there is no way to get another one."""


@dataclass(frozen=True, slots=True)
class TokenIdentity:
    """Which token it is: where it comes from, for which context, and what messages call it."""

    source: Source | ServiceAccountToken
    context: str
    label: str
    parameters: Parameters
    """Those of ``source``."""
    jitter: float = 0.0
    """0 to 1, different for each process and token: spreads renewals and attempts."""

    def store_key(self, secrets: str) -> str:
        """The key in the store: a hash over all that shapes the token; of ``secrets`` it takes a keyed fingerprint."""
        kind = f"{RECORD_VERSION}:{self.source.kind}"
        return canonical(kind, self.parameters, self.context, secrets.encode()).hex()


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class Record(Confidential):
    """The stored form of a token, written and read as a whole and encrypted before it leaves the manager.

    Attributes:
        access_token: the token, or "" where there is none (only a refresh token or a failure is kept).
        token_type: the scheme to send it with.
        scope: what was granted, or None.
        issued_at: second since 1970 on the **server's** clock at which it was received.
        offset: seconds that the server's clock was ahead of the writer's.
        duration: seconds from then until it expires.
        duration_from: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        refresh_token: the refresh token, or "".
        refresh_until: second since 1970 on the server's clock at which it expires, or 0 where that is not known.
        spending: True from just before a refresh token is sent until the response to that is saved.
        failure: the last failure, or None after a success.
        renewed_for: (origin, second since 1970) of the APIs that lately rejected the token before this one.
        label: what ``roomkey status`` shows of it: words without a secret.
    """

    access_token: str = ""
    token_type: str = "Bearer"  # noqa: S105 - a scheme, not a secret
    scope: str | None = None
    issued_at: float = 0.0
    offset: float = 0.0
    duration: float = 0.0
    duration_from: str = ""
    refresh_token: str = ""
    refresh_until: float = 0.0
    spending: bool = False
    failure: Failure | None = None
    renewed_for: tuple[tuple[str, float], ...] = ()
    label: str = ""

    def age(self, wall: float, offset: float | None = None) -> float:
        """Seconds since it was issued, for a reader whose clock shows ``wall``.

        ``offset`` is the reader's own measure of the server's clock; without one the writer's is taken, which is right
        on the same machine. A token from the future was written by another clock: it counts as infinitely old.
        """
        age = wall + (self.offset if offset is None else offset) - self.issued_at
        return max(age, 0.0) if age >= -CLOCK_TOLERANCE else math.inf

    def to_bytes(self) -> bytes:
        """The record as JSON; it holds secrets, so it is encrypted before it is stored."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values["failure"] = None if self.failure is None else asdict(self.failure)
        return json.dumps({"v": RECORD_VERSION} | values, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes | None) -> Self | None:
        """The record in ``data``, or None where it is not one of this version."""
        try:
            values = json.loads(data or b"null")
            if not isinstance(values, dict) or values.pop("v", None) != RECORD_VERSION:
                return None
            if values["failure"] is not None:
                values["failure"] = Failure(**values["failure"])
            values["renewed_for"] = tuple((str(origin), float(when)) for origin, when in values["renewed_for"])
            record = cls(**values)
            record.age(0.0)
        except (ValueError, TypeError, KeyError):
            return None
        return record

    def __repr__(self) -> str:
        held = [word for word, value in (("token", self.access_token), ("refresh token", self.refresh_token)) if value]
        return f"Record({self.label}: {' and '.join(held) or 'no token'})"


@final
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class HeldToken(Confidential):
    """A token in memory, ready to be sent.

    Attributes:
        record: the token and what is known of it.
        lifetime: its deadlines on the monotonic clock; ``soft`` and ``end`` are two of them.
        renewed_for: (origin, monotonic second) of the rejections that led to it.
        header: the whole header value.
    """

    record: Record
    lifetime: Lifetime
    renewed_for: tuple[tuple[str, float], ...] = ()
    header: str = field(init=False)
    soft: float = field(init=False)
    end: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "header", f"{self.record.token_type} {self.record.access_token}")
        object.__setattr__(self, "soft", self.lifetime.soft)
        object.__setattr__(self, "end", self.lifetime.end)

    @classmethod
    def of(
        cls,
        record: Record,
        *,
        earlier: "HeldToken",
        clock: Clock,
        offset: float | None,
        window: RefreshWindow,
        jitter: float,
    ) -> "HeldToken":
        """``record`` as this process holds it after ``earlier``; ``offset`` is as in ``Record.age``."""
        now, wall = clock.monotonic(), clock.wall()
        received, known = now - record.age(wall, offset), earlier.record
        if (record.access_token, record.issued_at) == (known.access_token, known.issued_at):
            # This process saw it arrive: a wall clock that was set back must not make it young again.
            received = min(received, earlier.lifetime.received)
        seen = record.offset if offset is None else offset
        renewed_for = tuple((origin, now - (wall + seen - when)) for origin, when in record.renewed_for)
        lifetime = Lifetime.of(received=received, duration=record.duration, window=window, jitter=jitter)
        return cls(record, lifetime, renewed_for)

    def token(self, clock: Clock) -> AccessToken:
        """The token as the application gets it."""
        record = self.record
        return AccessToken(
            record.access_token, token_type=record.token_type, scope=record.scope, end=self.end, clock=clock
        )

    def until(self, soft: float) -> "HeldToken":
        """The same token, to be renewed at ``soft`` (monotonic second) if not earlier."""
        earlier = replace(self.lifetime, soft=min(self.soft, soft))
        return replace(self, lifetime=earlier)

    def __repr__(self) -> str:
        return f"HeldToken({fingerprint(self.record.access_token)}…)"


NO_TOKEN: Final = HeldToken(Record(), Lifetime(_NEVER, _NEVER, _NEVER, _NEVER))
"""Stands where no token is held: expired since ever, so that the hot path needs one comparison only."""


@final
@dataclass(frozen=True, slots=True, kw_only=True, eq=False, repr=False)
class CredentialState(Confidential):
    """Everything that is known of one credential's token; replaced as a whole.

    Attributes:
        held: the token to send, or NO_TOKEN.
        record: what the store has or should have, or None where nothing is known.
        generation: of that record in the store; 0 where it is not stored.
        saved: False where ``record`` is newer than what the store has.
        secrets_mark: tells the source's secrets that ``record`` was made with from other ones, within this process.
        offset: seconds that the server's clock is ahead of this machine's, or None where it is not known.
        rejected: the token that an API rejected and that no other one has replaced yet, or "".
        rejected_by: the origin of that API, or "".
        failure: why the last renewal brought no new token, or None.
        retry_at: monotonic second of the next attempt after ``failure``.
        outcome: the last renewal's result: ``fetched``, ``found`` (in the store), ``read`` (from a file or setting),
            ``failed``, or ``failed before`` (by an earlier attempt whose pause is not over).
        reason: why it was started.
    """

    held: HeldToken = NO_TOKEN
    record: Record | None = None
    generation: int = 0
    saved: bool = True
    secrets_mark: str = ""
    offset: float | None = None
    rejected: str = ""
    rejected_by: str = ""
    failure: Failure | None = None
    retry_at: float = _NEVER
    outcome: str = ""
    reason: RenewalReason | None = None

    def failed(self, failure: Failure) -> "CredentialState":
        """After a renewal that brought nothing but ``failure``."""
        return replace(self, held=NO_TOKEN, failure=failure, outcome="failed")

    def __repr__(self) -> str:
        return f"CredentialState({self.outcome or 'new'}, {self.held if self.held is not NO_TOKEN else self.failure})"


@dataclass(frozen=True, slots=True)
class CredentialStatus:
    """The status of a credential at one moment; nothing in it is secret.

    Attributes:
        name: what the application calls it, or "".
        context: the tenant or technical client it is for, or "".
        source: kind, client and endpoint, in words.
        state: what may be done with the token in memory.
        token: its fingerprint, or "".
        age: seconds since it was received, or None without a token.
        expires_in: seconds until it expires, or None without a token.
        lifetime_from: where its lifetime was read: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        generation: of its record in the store, 0 where it is not stored.
        saved: False while a newer token than the stored one is kept in memory only ("unsaved").
        reason: why the token in memory was got, and how.
        last_error: why the last attempt failed, or "".
        next_attempt_in: seconds until the next attempt after a failure, or None.
    """

    name: str
    context: str
    source: str
    state: TokenState
    token: str
    age: float | None
    expires_in: float | None
    lifetime_from: str
    generation: int
    saved: bool
    reason: str
    last_error: str
    next_attempt_in: float | None
