"""Interleaved rounds, medians and ratios: on a shared machine only what ran side by side can be compared."""

from __future__ import annotations

import gc
import math
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True, slots=True)
class Contestant:
    """A name and what measures one round of it; the measure returns seconds."""

    name: str
    measure: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Series:
    """One contestant's rounds, in seconds."""

    name: str
    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    def ratio_to(self, other: Series) -> float:
        """The median of the ratios of rounds that ran next to each other."""
        return statistics.median(mine / theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True))

    def over(self, other: Series) -> float:
        """The median of the seconds that it took beyond `other` in rounds that ran next to each other."""
        return statistics.median(mine - theirs for mine, theirs in zip(self.rounds, other.rounds, strict=True))


def interleave(contestants: Sequence[Contestant], rounds: int) -> list[Series]:
    """Run one uncounted round of each, then `rounds` of each in turn; who goes first moves on every round."""
    for contestant in contestants:
        contestant.measure()
    measured: list[list[float]] = [[] for _ in contestants]
    for number in range(rounds):
        for step in range(len(contestants)):
            index = (number + step) % len(contestants)
            measured[index].append(contestants[index].measure())
    return [Series(c.name, tuple(values)) for c, values in zip(contestants, measured, strict=True)]


def per_call(function: Callable[[], object], calls: int) -> Callable[[], float]:
    """A measure: the mean seconds of one call among `calls` in a row, garbage collection held off."""

    def measure() -> float:
        repeat = range(calls)
        gc.disable()
        try:
            began = time.perf_counter()
            for _ in repeat:
                function()
            return (time.perf_counter() - began) / calls
        finally:
            gc.enable()

    return measure


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that at least `percent` of all are not above."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
