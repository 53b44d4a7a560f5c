"""Values of the demo: scenes, the messages in them, and the checks of what the servers counted (pure)."""

from dataclasses import dataclass, field
from enum import Enum


@dataclass(frozen=True, slots=True)
class Check:
    """One claim, with the measured number in it; ``wanted`` is shown where it does not hold."""

    claim: str
    held: bool
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The result of one scene.

    Attributes:
        checks: its claims.
        calls: API calls that the application made.
        answered: those of them that it got a 200 for.
        token_requests: requests that the token endpoint received.
        slowest: seconds of the longest call.
    """

    checks: tuple[Check, ...]
    calls: int
    answered: int
    token_requests: int
    slowest: float


def exactly(count: int, wanted: int, one: str, many: str = "") -> Check:
    """Check that ``count`` is ``wanted``; ``one`` and ``many`` name what was counted."""
    name = one if count == 1 else many or f"{one}s"
    return Check(f"{count} {name}", count == wanted, f"wanted {wanted}")


def at_least(count: int, least: int, name: str) -> Check:
    """Check that ``count`` is ``least`` or more."""
    return Check(f"{count} {name}", count >= least, f"wanted {least} or more")


def holds(claim: str, held: bool) -> Check:  # noqa: FBT001 - reads as "holds(claim, fact)"
    """Check a claim that is no number."""
    return Check(claim, held, "this is not so")


class Party(Enum):
    """A lifeline of the diagrams, from left to right."""

    USER = "user"
    AUTH = "auth service"
    APP = "app"
    API = "API"


@dataclass(frozen=True, slots=True)
class Arrow:
    """One message over the wire.

    Attributes:
        source, target: sender and receiver.
        words: method and path, or status and error code.
        at: ``time.monotonic()`` in seconds.
        token: fingerprint of the token that it carries, or "".
        is_response: True for the response to another one.
        good: False for an error.
        number: of the step that it is, or 0.
    """

    source: Party
    target: Party
    words: str
    at: float
    token: str = ""
    is_response: bool = False
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
    """``count`` more exchanges like the one before, each with the same ``status``."""

    source: Party
    target: Party
    count: int
    status: int
    at: float

    @property
    def words(self) -> str:
        """The count and the status."""
        return f"… {self.count} more like this, {self.status} each"


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading between two parts of a scene."""

    words: str
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of the API's log."""

    words: str
    at: float = 0.0


Remark = Note | Heading | LogLine
Event = Arrow | Repeat | Remark


@dataclass(slots=True)
class Scene:
    """One scene of a run.

    Attributes:
        number, title, sentence: its head.
        app: the name of the application in it.
        events: what happened, in the order in which it was shown.
        outcome: None where the scene was aborted.
        problem: why it was aborted, or "".
    """

    number: int
    title: str
    sentence: str
    app: str
    events: list[Event] = field(default_factory=list)
    outcome: Outcome | None = None
    problem: str = ""

    @property
    def passed(self) -> bool:
        """True where it reached its end and every claim holds."""
        return self.outcome is not None and all(check.held for check in self.outcome.checks)

    @property
    def parties(self) -> tuple[Party, ...]:
        """The lifelines that its events need, from left to right."""
        seen: set[Party] = set()
        for event in self.events:
            if isinstance(event, Arrow | Repeat):
                seen |= {event.source, event.target}
            elif isinstance(event, Note):
                seen.add(event.party)
        return tuple(party for party in Party if party in seen)

    def name(self, party: Party) -> str:
        """The name of ``party`` in this scene."""
        return self.app if party is Party.APP else party.value

    def in_order(self) -> list[Event]:
        """The events by their times; a request stands before what was done to answer it."""
        return sorted(self.events, key=lambda event: event.at)


@dataclass(frozen=True, slots=True)
class Run:
    """All scenes of one run, and the ``seconds`` that it took."""

    scenes: tuple[Scene, ...]
    seconds: float

    @property
    def verdict(self) -> str:
        """How many scenes passed."""
        return f"{sum(scene.passed for scene in self.scenes)} of {len(self.scenes)} scenes passed"

    @property
    def passed(self) -> bool:
        """True where every scene passed."""
        return all(scene.passed for scene in self.scenes)

    @property
    def totals(self) -> str:
        """Calls, token requests and seconds in words."""
        outcomes = [scene.outcome for scene in self.scenes if scene.outcome is not None]
        calls, asked = sum(one.calls for one in outcomes), sum(one.token_requests for one in outcomes)
        return f"{calls} calls, {asked} token requests, {self.seconds:.1f} s"
