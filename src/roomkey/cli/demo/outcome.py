"""What a step of the demo found out: its claims, each held against a number that a server counted (pure)."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Check:
    """One claim and whether the numbers bear it out.

    Attributes:
        claim: the sentence, with the measured number in it.
        held: whether it is so.
        wanted: what was wanted instead, for the case that it is not.
    """

    claim: str
    held: bool
    wanted: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One step's result.

    Attributes:
        checks: its claims.
        calls: API calls that the application made.
        answered: those of them that it got a 200 for.
        token_requests: requests that the issuer counted.
        slowest: seconds of the longest call.
    """

    checks: tuple[Check, ...]
    calls: int
    answered: int
    token_requests: int
    slowest: float

    @property
    def held(self) -> bool:
        """Whether every claim is so."""
        return all(check.held for check in self.checks)


def exactly(count: int, wanted: int, one: str, many: str = "") -> Check:
    """That ``count`` things of one name are ``wanted`` ones."""
    name = one if count == 1 else many or f"{one}s"
    return Check(f"{count} {name}", count == wanted, f"wanted {wanted}")


def at_least(count: int, least: int, name: str) -> Check:
    """That there are ``least`` things or more."""
    return Check(f"{count} {name}", count >= least, f"wanted {least} or more")


def so(claim: str, held: bool) -> Check:  # noqa: FBT001 - reads as "so(claim, fact)"
    """That ``claim`` is the fact ``held``."""
    return Check(claim, held, "this is not so")
