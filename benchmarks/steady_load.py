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
CONTESTANTS = ("constant", "roomkey", "Authlib")
PROGRAM = Path(__file__).with_name("load.py")


@dataclass(frozen=True, slots=True)
class Load:
    """One round: latencies in seconds, a word for each failed request, and the token requests."""

    latencies: tuple[float, ...]
    failures: tuple[str, ...]
    token_requests: int

    def percentile(self, percent: float) -> float:
        return percentile(self.latencies, percent)


def measure(server: Server, contestant: str, seconds: float, *, outage_after: float | None, outage: float) -> Load:
    token = server.token()
    server.set(delay=DELAY, lifetime=LIFETIME, outage_after_issue=outage_after, outage_seconds=outage)
    command = [sys.executable, str(PROGRAM), contestant, server.origin, str(RATE), str(seconds), token]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    latencies, failures = json.loads(run.stdout)
    return Load(tuple(latencies), tuple(failures), server.counters()["token_requests"])


def compare(
    server: Server, title: str, seconds: float, *, outage_after: float | None = None, outage: float = 0.0
) -> Table:
    """A table of all contestants; an outage of `outage` seconds begins `outage_after` seconds after the first token."""
    rounds: dict[str, list[Load]] = {name: [] for name in CONTESTANTS}
    for _ in range(ROUNDS):
        for name in CONTESTANTS:
            rounds[name].append(measure(server, name, seconds, outage_after=outage_after, outage=outage))

    table = Table(title, "", "p50", "p99", "max", "p99 x constant", "goal <= 1.1", "failed", "goal 0", "token requests")
    for name, loads in rounds.items():
        middle = [statistics.median(load.percentile(percent) for load in loads) for percent in (50, 99, 100)]
        failed = [word for load in loads for word in load.failures]
        ratio = statistics.median(
            mine.percentile(99) / base.percentile(99) for mine, base in zip(loads, rounds["constant"], strict=True)
        )
        judged = name == "roomkey"
        table.row(
            "a constant token" if name == "constant" else name,
            *(f"{value * 1e3:.1f}" for value in middle),
            f"{ratio:.2f}",
            verdict(ratio, GOAL_P99) if judged else "",
            str(len(failed)),
            verdict(len(failed), 0) if judged else "",
            str(round(statistics.median(load.token_requests for load in loads))),
        )
        if failed:
            table.note(f"{name} failed: {', '.join(f'{n} x {word}' for word, n in Counter(failed).most_common())}")
    table.note(
        f"{ROUNDS} interleaved rounds of {seconds:.0f} s at {RATE:.0f} requests/s; milliseconds, medians of the "
        "rounds; failed: the sum of all rounds. roomkey with its SQLite store; Authlib with leeway=1, because its "
        "default of 60 s would renew a 5-second token before every request."
    )
    return table
