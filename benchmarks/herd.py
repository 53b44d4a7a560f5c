"""Figure 2: many callers at once and no token held: how many token requests go out, and how long the last one waits."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import ours
import peers
import roomkey
from server import Server
from table import Table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable

DELAY = 0.3  # seconds that the token endpoint takes
ROUNDS = 5
PEER_ROUNDS = 2  # httpx-auth takes 20 s for one: it asks one after another
THREADS = 64
TASKS = 500
PROCESSES = 8
THREADS_EACH = 8
GOAL_REQUESTS = 1
GOAL_OVER_LATENCY = 0.050
PROCESS = Path(__file__).with_name("herd_process.py")


@dataclass(frozen=True, slots=True)
class Herd:
    """One round: the token requests that the server counted, and the longest wait in seconds."""

    requests: int
    longest: float


def threads_wait(authorization: Callable[[], str], count: int) -> float:
    """Call it from `count` threads at the same moment; the longest wait in seconds."""
    waits: list[float] = []
    gate = threading.Barrier(count)

    def caller() -> None:
        gate.wait()
        began = time.perf_counter()
        authorization()
        waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=caller) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(waits) != count:
        raise RuntimeError(f"{count - len(waits)} of {count} callers got no token")
    return max(waits)


def tasks_wait(credential: roomkey.Credential, count: int) -> float:
    """The same with asyncio tasks in one loop."""

    async def caller() -> float:
        began = time.perf_counter()
        await credential.header_async()
        return time.perf_counter() - began

    async def all_of_them() -> list[float]:
        return await asyncio.gather(*(caller() for _ in range(count)))

    return max(asyncio.run(all_of_them()))


def both_wait(credential: roomkey.Credential) -> float:
    """Threads and a loop full of tasks together."""
    of_tasks: list[float] = []
    loop = threading.Thread(target=lambda: of_tasks.append(tasks_wait(credential, TASKS)))
    loop.start()
    of_threads = threads_wait(credential.header, THREADS)
    loop.join()
    return max(of_threads, *of_tasks)


def in_one_process(server: Server, wait: Callable[[roomkey.Credential], float]) -> Herd:
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        server.set()
        credential = ours.warmed_up(manager, server.token_endpoint)
        server.set(delay=DELAY)
        longest = wait(credential)
        return Herd(server.counters()["token_requests"], longest)


def in_processes(server: Server, round_number: int) -> Herd:
    """Processes that share one SQLite store and start calling at one moment of the machine's monotonic clock."""
    store = server.folder / f"herd-{round_number}.db"
    environment = os.environ | {"ROOMKEY_KEYS": base64.urlsafe_b64encode(os.urandom(32)).decode()}
    command = [sys.executable, str(PROCESS), server.token_endpoint, str(store), str(THREADS_EACH)]
    server.set()
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        for _ in range(PROCESSES)
    ]
    for child in children:
        assert child.stdout is not None
        child.stdout.readline()  # it is ready
    server.set(delay=DELAY)
    moment = json.dumps(time.monotonic() + 0.5)
    for child in children:
        assert child.stdin is not None
        child.stdin.write(moment + "\n")
        child.stdin.flush()
    longest = max(float(child.communicate(timeout=60)[0]) for child in children)
    return Herd(server.counters()["token_requests"], longest)


def of_peer(server: Server, build: Callable[[Server], peers.Peer]) -> Herd:
    server.set()
    peer = build(server)
    server.set(delay=DELAY)
    longest = threads_wait(peer.authorization, THREADS)
    return Herd(server.counters()["token_requests"], longest)


def show(table: Table, name: str, rounds: list[Herd], *, judged: bool) -> None:
    requests = max(herd.requests for herd in rounds)
    over = statistics.median(herd.longest - DELAY for herd in rounds)
    worst = max(herd.longest - DELAY for herd in rounds)
    verdicts = (verdict(requests, GOAL_REQUESTS), verdict(over, GOAL_OVER_LATENCY)) if judged else ("", "")
    table.row(name, str(requests), verdicts[0], f"{over * 1e3:.0f}", f"{worst * 1e3:.0f}", verdicts[1])


def main() -> None:
    table = Table(
        "Herd: everybody at once, no token held, an endpoint that takes 300 ms",
        *("", "token requests", "goal 1", "longest wait - 300 ms", "worst round", "goal <= 50 ms"),
    )
    with Server() as server:
        ways: list[tuple[str, Callable[[int], Herd]]] = [
            (
                f"roomkey  {THREADS} threads",
                lambda _: in_one_process(server, lambda c: threads_wait(c.header, THREADS)),
            ),
            (f"roomkey  {TASKS} tasks", lambda _: in_one_process(server, lambda c: tasks_wait(c, TASKS))),
            (f"roomkey  {THREADS} threads + {TASKS} tasks", lambda _: in_one_process(server, both_wait)),
            (f"roomkey  {PROCESSES} processes x {THREADS_EACH} threads, SQLite", lambda n: in_processes(server, n)),
        ]
        for name, way in ways:
            show(table, name, [way(number) for number in range(ROUNDS)], judged=True)
        for build in peers.RENEWING:
            name = build(server).name
            show(
                table, f"{name}  {THREADS} threads", [of_peer(server, build) for _ in range(PEER_ROUNDS)], judged=False
            )
    table.note(
        f"{ROUNDS} rounds ({PEER_ROUNDS} for the peers) with nothing cached: the most token requests, the median of "
        "the longest waits in ms, and the worst of them. Each process has fetched another token before, as a running "
        "app has. MSAL and the azure libraries accept only https: their waits have TLS handshakes in them."
    )
    table.show()


if __name__ == "__main__":
    main()
