"""What a flight is sent for."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Self, final

from roomkey.client.landing import NOTHING, Held
from roomkey.client.record import Record
from roomkey.oauth.service_account_token import ServiceAccountToken
from roomkey.oauth.source import Source
from roomkey.secret import Confidential


class Reason(Enum):
    """Why a token is needed."""

    ABSENT = "there was none"
    STALE = "it will end soon"
    EXPIRED = "it had ended"
    REJECTED = "the API refused it"
    ASKED = "the application asked for a new one"
    UNSAVED = "it was not in the store yet"
    RECHECK = "its file may have changed"


@final
class Found(Confidential):
    """What lies under a key: a record, or None, and the generation that a replacement must name."""

    __slots__ = ("generation", "record")

    def __init__(self, record: Record | None, generation: int) -> None:
        self.record = record
        self.generation = generation

    def __repr__(self) -> str:
        return f"Found({self.record}, generation {self.generation})"


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose token it is: where it comes from, for which context, and what to call it."""

    source: Source | ServiceAccountToken
    context: str
    label: str


@final
class Order(Confidential):
    """One flight's instructions; made under the credential's lock, read by the flight alone.

    Attributes:
        subject: whose token.
        reason: why.
        held: the token in memory, or NOTHING.
        rejected: the token that the API refused, or "".
        rejected_by: the origin of that API, or "".
        record: the last record known in memory, with its refresh token, or None.
        generation: of that record in the store.
        saved: False where that record is newer than what the store has.
        secrets_mark: of the secrets that record was made with.
        offset: of the server's clock, or None.
        made: monotonic second at which the order was given.
        precious: called when the flight must not be abandoned any more.
    """

    __slots__ = (
        "generation",
        "held",
        "made",
        "offset",
        "precious",
        "reason",
        "record",
        "rejected",
        "rejected_by",
        "saved",
        "secrets_mark",
        "subject",
    )

    def __init__(
        self,
        *,
        subject: Subject,
        reason: Reason,
        held: Held = NOTHING,
        rejected: str = "",
        rejected_by: str = "",
        record: Record | None = None,
        generation: int = 0,
        saved: bool = True,
        secrets_mark: str = "",
        offset: float | None = None,
        made: float = 0.0,
        precious: Callable[[], None] = lambda: None,
    ) -> None:
        self.subject = subject
        self.reason = reason
        self.held = held
        self.rejected = rejected
        self.rejected_by = rejected_by
        self.record = record
        self.generation = generation
        self.saved = saved
        self.secrets_mark = secrets_mark
        self.offset = offset
        self.made = made
        self.precious = precious

    def for_secrets(self, mark: str) -> Self:
        """The order for the secrets as they are now: what was got with other ones is not carried on."""
        if self.secrets_mark in ("", mark):
            return self
        kept = {name: getattr(self, name) for name in ("subject", "reason", "offset", "made", "precious")}
        return type(self)(**kept, secrets_mark=mark)

    def stored(self, generation: int) -> Self:
        """The order once its record stands in the store, or something newer does."""
        values = {name: getattr(self, name) for name in self.__slots__}
        return type(self)(**values | {"saved": True, "generation": generation})

    def newest(self, found: Found) -> Found:
        """``found``, or the record in memory where that could not be saved and nothing newer was since."""
        record = self.record
        if self.saved or record is None or (found.record is not None and found.record.issued_at > record.issued_at):
            return found
        return Found(record, found.generation)

    def __repr__(self) -> str:
        return f"Order({self.subject.label}: {self.reason.value})"
