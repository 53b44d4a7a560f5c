"""What happens in a scene, as values that a terminal and a report draw alike."""

from dataclasses import dataclass, field
from enum import Enum

from roomkey.cli.demo.outcome import Outcome


class Party(Enum):
    """Who takes part: a lifeline of the diagrams, from left to right."""

    PERSON = "person"
    AUTH = "auth service"
    APP = "app"
    API = "API"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message over the wire.

    Attributes:
        source, target: from whom to whom.
        words: method and path, or status and error code.
        at: ``time.monotonic()`` in seconds.
        key: fingerprint of the token that it carries, or "".
        is_answer: whether it answers another one.
        good: whether it tells of no failure.
        number: of the step that it is, or 0.
    """

    source: Party
    target: Party
    words: str
    at: float
    key: str = ""
    is_answer: bool = False
    good: bool = True
    number: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """Something that ``party`` does without a message; ``number`` is that of the step, or 0."""

    party: Party
    words: str
    number: int = 0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Repeat:
    """That ``count`` more exchanges like the one before followed, each with the answer ``status``."""

    source: Party
    target: Party
    count: int
    status: int
    at: float


@dataclass(frozen=True, slots=True)
class Heading:
    """Words between two parts of a scene."""

    words: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that stands in the API's log."""

    words: str
    at: float = 0.0


Event = Arrow | Note | Repeat | Heading | LogLine


@dataclass(slots=True)
class Scene:
    """One scene as it was played.

    Attributes:
        number, title, sentence: its head.
        app: what the app is in it.
        begun: ``time.monotonic()`` in seconds.
        events: what happened, in the order in which it was shown.
        outcome: what it found out; None where it broke off.
        problem: why it broke off, or "".
    """

    number: int
    title: str
    sentence: str
    app: str
    begun: float
    events: list[Event] = field(default_factory=list)
    outcome: Outcome | None = None
    problem: str = ""

    @property
    def held(self) -> bool:
        """Whether it went to its end and every claim is so."""
        return self.outcome is not None and self.outcome.held

    @property
    def parties(self) -> tuple[Party, ...]:
        """Everybody who takes part, from left to right."""
        seen: set[Party] = set()
        for event in self.events:
            if isinstance(event, Arrow | Repeat):
                seen |= {event.source, event.target}
            elif isinstance(event, Note):
                seen.add(event.party)
        return tuple(party for party in Party if party in seen)

    def name(self, party: Party) -> str:
        """What ``party`` is called."""
        return self.app if party is Party.APP else party.value

    def in_order(self) -> list[Event]:
        """The events by the time at which they happened; requests stand before what was done to answer them."""
        return sorted(self.events, key=lambda event: event.at)


@dataclass(frozen=True, slots=True)
class Played:
    """A whole run.

    Attributes:
        scenes: as they were played.
        seconds: that it took.
    """

    scenes: tuple[Scene, ...]
    seconds: float

    @property
    def held(self) -> int:
        """How many scenes held."""
        return sum(scene.held for scene in self.scenes)

    @property
    def calls(self) -> int:
        """How many API calls were made."""
        return sum(scene.outcome.calls for scene in self.scenes if scene.outcome is not None)

    @property
    def token_requests(self) -> int:
        """How often the auth service was asked for a token."""
        return sum(scene.outcome.token_requests for scene in self.scenes if scene.outcome is not None)
