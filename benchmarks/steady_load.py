"""Runs `load.py` for each contestant in turn and prints latencies and failures beside those of a constant token."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from table import Table, verdict
from timing import percentile

if TYPE_CHECKING:
    from server import Server

RATE = 200.0  # requests a second
ROUNDS = 3
DELAY = 0.3  # seconds that the token endpoint takes
LIFETIME = 5.0  # seconds that a token lives
GOAL_P99 = 1.1  # times a constant token's
CONTESTANTS = ("roomkey", "Authlib")
PROGRAM = Path(__file__).with_name("load.py")


@dataclass(frozen=True, slots=True)
class Load:
    """One round: latencies in seconds, a word for each failed request, and the token requests."""

    latencies: tuple[float, ...]
    failures: tuple[str, ...]
    token_requests: int

    def percentile(self, percent: float) -> float:
        return percentile(self.latencies, percent)


@dataclass(frozen=True, slots=True)
class Pair:
    """One round: a contestant, and the constant token that ran at the same time in another process."""

    constant: Load
    contestant: Load


def measure(server: Server, contestant: str, seconds: float, *, outage_after: float | None, outage: float) -> Pair:
    token = server.token()
    server.set(delay=DELAY, lifetime=LIFETIME, outage_after_issue=outage_after, outage_seconds=outage)
    processes = [
        subprocess.Popen(
            [sys.executable, str(PROGRAM), name, server.origin, str(RATE), str(seconds), token], stdout=subprocess.PIPE
        )
        for name in ("constant", contestant)
    ]
    constant, other = (json.loads(process.communicate()[0]) for process in processes)
    requests = server.counters()["token_requests"]
    return Pair(Load(tuple(constant[0]), tuple(constant[1]), 0), Load(tuple(other[0]), tuple(other[1]), requests))


def compare(
    server: Server, title: str, seconds: float, *, outage_after: float | None = None, outage: float = 0.0
) -> Table:
    """A table of all contestants; an outage of `outage` seconds begins `outage_after` seconds after the first token."""
    rounds: dict[str, list[Pair]] = {name: [] for name in CONTESTANTS}
    for _ in range(ROUNDS):
        for name in CONTESTANTS:
            rounds[name].append(measure(server, name, seconds, outage_after=outage_after, outage=outage))

    table = Table(title, "", "p50", "p99", "max", "p99 x constant", "goal <= 1.1", "failed", "goal 0", "token requests")
    for name, pairs in rounds.items():
        ratio = statistics.median(pair.contestant.percentile(99) / pair.constant.percentile(99) for pair in pairs)
        failed = [word for pair in pairs for word in pair.contestant.failures]
        verdicts = (verdict(ratio, GOAL_P99), verdict(len(failed), 0)) if name == "roomkey" else ("", "")
        requests = round(statistics.median(pair.contestant.token_requests for pair in pairs))
        constant_failed = sum(len(pair.constant.failures) for pair in pairs)
        table.row(
            "a constant token, meanwhile",
            *middle([pair.constant for pair in pairs]),
            *("1.00", "", str(constant_failed), "", ""),
        )
        table.row(
            name,
            *middle([pair.contestant for pair in pairs]),
            *(f"{ratio:.2f}", verdicts[0], str(len(failed)), verdicts[1], str(requests)),
        )
        if failed:
            table.note(f"{name} failed: {', '.join(f'{n} x {word}' for word, n in Counter(failed).most_common())}")
    table.note(
        f"{ROUNDS} rounds of {seconds:.0f} s at {RATE:.0f} requests/s, each beside a constant token at the same rate "
        "in another process; milliseconds, medians of the rounds; failed: the sum of all rounds. roomkey with its "
        "SQLite store; Authlib with leeway=1, because its default of 60 s would renew a 5-second token before every "
        "request."
    )
    return table


def middle(loads: list[Load]) -> list[str]:
    """p50, p99 and max in milliseconds: the medians of the rounds."""
    return [f"{statistics.median(load.percentile(p) for load in loads) * 1e3:.1f}" for p in (50, 99, 100)]
