"""Figure 4: what the callers notice while the token endpoint is down."""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ours
import peers
import roomkey
import steady_load
from roomkey.clock import SystemClock
from server import Server
from table import Table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

SECONDS = 12.0  # of steady load
AFTER, OUTAGE = 2.5, 3.0  # it begins in the middle of the first token's life and outlasts that token
LEFT = 20.0  # seconds that a token is still good for
CALLERS = 20
AT_ONCE = 0.05  # seconds in which everybody is told


class MovedClock(SystemClock):
    """The machine's clocks, moved on by `ahead` seconds, so that a token can be old without waiting."""

    __slots__ = ("ahead",)

    def __init__(self) -> None:
        self.ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


@dataclass(frozen=True, slots=True)
class Answers:
    """What the callers got: the words of their errors, the longest wait in seconds, the hits on the endpoint."""

    errors: tuple[str, ...]
    longest: float
    hits: int


def ask(server: Server, authorization: Callable[[], str]) -> Answers:
    """All callers at once, one call each, while the endpoint answers 503."""
    errors: list[str] = []
    waits: list[float] = []
    gate = threading.Barrier(CALLERS)

    def caller() -> None:
        gate.wait()
        began = time.perf_counter()
        try:
            authorization()
        except Exception as error:
            errors.append(type(error).__name__)
        waits.append(time.perf_counter() - began)

    server.set(outage=True)
    threads = [threading.Thread(target=caller) for _ in range(CALLERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Answers(tuple(errors), max(waits), server.counters()["token_requests"])


def words(errors: tuple[str, ...]) -> str:
    return ", ".join(f"{count} x {word}" for word, count in Counter(errors).most_common()) or "none"


def with_a_good_token(server: Server) -> Table:
    """Everybody holds a token that is good for 20 more seconds."""
    table = Table(
        f"Outage, token good for {LEFT:.0f} more seconds, {CALLERS} callers, endpoint at 503",
        *("", "failed calls", "goal 0", "errors"),
    )

    def row(name: str, answers: Answers, *, judged: bool) -> None:
        failed = len(answers.errors)
        table.row(name, str(failed), verdict(failed, 0) if judged else "", words(answers.errors))

    for age in (0.0, 80.0):
        clock = MovedClock()
        with roomkey.TokenManager(roomkey.MemoryStore(), clock=clock) as manager:
            server.set(lifetime=age + LEFT)
            orders = manager.credential(ours.source(server.token_endpoint))
            orders.header()
            clock.ahead = age
            row(f"roomkey  token of {age + LEFT:.0f} s at age {age:.0f}", ask(server, orders.header), judged=True)
    for build in peers.RENEWING:
        server.set(lifetime=LEFT)
        peer = build(server)
        peer.authorization()
        row(peer.name, ask(server, peer.authorization), judged=False)
    table.note("The peers with their defaults: each throws a good token away 30 s to 5 min before its end.")
    return table


def with_nothing(server: Server) -> Table:
    """Nobody holds a token."""
    table = Table(
        f"Outage, nothing held, {CALLERS} callers, endpoint at 503",
        *("", "token requests", "goal 1", "longest wait ms", "goal <= 50", "errors"),
    )

    def row(name: str, answers: Answers, *, judged: bool) -> None:
        verdicts = (verdict(answers.hits, 1), verdict(answers.longest, AT_ONCE)) if judged else ("", "")
        hits, wait = str(answers.hits), f"{answers.longest * 1e3:.0f}"
        table.row(name, hits, verdicts[0], wait, verdicts[1], words(answers.errors))

    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        server.set()
        orders = ours.warmed_up(manager, server.token_endpoint)
        row("roomkey", ask(server, orders.header), judged=True)
        row("roomkey, again at once", ask(server, orders.header), judged=False)
    for build in peers.RENEWING:
        server.set()
        peer = build(server)
        row(peer.name, ask(server, peer.authorization), judged=False)
    table.note("The wait is from the call to the error. google-auth and the azure libraries try again by themselves.")
    return table


def main() -> None:
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # it logs every failed call, which the tables count
    with Server() as server:
        title = "Outage of 3 s under load: tokens that live 5 s, a token endpoint that takes 300 ms"
        table = steady_load.compare(server, title, SECONDS, outage_after=AFTER, outage=OUTAGE)
        table.note(f"The outage begins {AFTER} s after the first token was issued.")
        table.show()
        with_a_good_token(server).show()
        with_nothing(server).show()


if __name__ == "__main__":
    main()
