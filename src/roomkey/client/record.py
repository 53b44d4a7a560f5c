"""What is kept of a token in the store: one value, written and read as a whole, sealed before it leaves the manager."""

import json
import math
from dataclasses import asdict
from typing import Any, Final, Self, final

from roomkey.client.failure import Failure
from roomkey.secret import Confidential

# Part of every store key too, so that two versions of roomkey on one store never touch each other's records.
RECORD_VERSION: Final = 1
CLOCK_TOLERANCE: Final = 30.0
_MOST_ORIGINS: Final = 16


@final
class Record(Confidential):
    """A token with its refresh token, when they were issued, and what went wrong last.

    Attributes:
        access_token: the token, or "" where there is none (only a refresh token or a failure is kept).
        token_type: the scheme to send it with.
        scope: what was granted, or None.
        issued_at: second since 1970 on the **server's** clock at which it was received.
        offset: seconds that the server's clock was ahead of the writer's.
        duration: seconds that it lives.
        duration_from: ``expires_in``, ``expires_at``, ``jwt`` or ``default``.
        refresh_token: the refresh token, or "".
        spending: True from just before a refresh token is sent until the answer to that is saved.
        failure: the last failure, or None after a success.
        renewed_for: (origin, second since 1970) of the APIs that lately refused the token before this one.
        label: what ``roomkey status`` shows of it: words without a secret.
    """

    __slots__ = (
        "access_token",
        "duration",
        "duration_from",
        "failure",
        "issued_at",
        "label",
        "offset",
        "refresh_token",
        "renewed_for",
        "scope",
        "spending",
        "token_type",
    )

    def __init__(
        self,
        *,
        access_token: str = "",
        token_type: str = "Bearer",  # noqa: S107 - a scheme, not a secret
        scope: str | None = None,
        issued_at: float = 0.0,
        offset: float = 0.0,
        duration: float = 0.0,
        duration_from: str = "",
        refresh_token: str = "",
        spending: bool = False,
        failure: Failure | None = None,
        renewed_for: tuple[tuple[str, float], ...] = (),
        label: str = "",
    ) -> None:
        self.access_token = access_token
        self.token_type = token_type
        self.scope = scope
        self.issued_at = issued_at
        self.offset = offset
        self.duration = duration
        self.duration_from = duration_from
        self.refresh_token = refresh_token
        self.spending = spending
        self.failure = failure
        self.renewed_for = renewed_for[-_MOST_ORIGINS:]
        self.label = label

    def changed(self, **values: Any) -> Self:
        """A copy with some attributes replaced."""
        return type(self)(**{name: getattr(self, name) for name in self.__slots__} | values)

    def age(self, wall: float, offset: float | None = None) -> float:
        """Seconds since it was issued, for a reader whose clock shows ``wall``.

        ``offset`` is the reader's own measure of the server's clock; without one the writer's is taken, which is right
        on the same machine. A token from the future was written by another clock: it counts as infinitely old.
        """
        age = wall + (self.offset if offset is None else offset) - self.issued_at
        return max(age, 0.0) if age >= -CLOCK_TOLERANCE else math.inf

    def to_bytes(self) -> bytes:
        """The record as JSON; it holds secrets, so it is sealed before it is stored."""
        values = {name: getattr(self, name) for name in self.__slots__}
        values["failure"] = None if self.failure is None else asdict(self.failure)
        return json.dumps({"v": RECORD_VERSION} | values, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Self | None:
        """The record in ``data``, or None where it is not one of this version."""
        try:
            values = json.loads(data)
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
