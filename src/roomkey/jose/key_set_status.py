"""How a key set is doing, for metrics and people."""

from dataclasses import dataclass
from enum import Enum

from roomkey.jose.jwks.local import RejectedKey


class KeySetState(Enum):
    """What a key set can do at one moment."""

    FIXED = "fixed"
    """It was given in code and never changes."""
    EMPTY = "empty"
    """Nobody has asked for a key yet, or none could be had."""
    FRESH = "fresh"
    """Its keys are in use."""
    STALE = "stale"
    """Its keys are used on while no newer set can be had, or until somebody asks for one."""
    EXPIRED = "expired"
    """Its keys are too old to be used."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySetStatus:
    """A key set at one moment; nothing in it is secret.

    Attributes:
        source: where the keys come from.
        state: what the set can do.
        keys: how many keys are usable.
        refused: the keys that are not used, and why.
        age: seconds since the set was confirmed, or None.
        refresh_in: seconds until a newer set is looked for, or None.
        usable_for: seconds that the keys can be used if no newer set can be had; infinite for fixed keys.
        fetches: attempts so far.
        failures: how many of them failed.
        unknown_kids: tokens so far that named a key which was not in the set.
        last_error: why the last attempt failed, or "" where it did not.
        next_attempt_in: seconds until the next attempt after a failure, or None.
    """

    source: str
    state: KeySetState
    keys: int
    refused: tuple[RejectedKey, ...]
    age: float | None = None
    refresh_in: float | None = None
    usable_for: float = float("inf")
    fetches: int = 0
    failures: int = 0
    unknown_kids: int = 0
    last_error: str = ""
    next_attempt_in: float | None = None
