"""What the auth service costs on one core, with a million stored tokens, beside an empty endpoint and its peers.

Each server has a process and one core of its own, and is asked by 16 keep-alive connections from another core. Ratios
are those of requests per second to an empty Starlette endpoint of the same server that gets the very same request.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
TOKENS = int(os.environ.get("ROOMKEY_BENCH_TOKENS", "1000000"))
ROUNDS, SECONDS, CONNECTIONS = 5, 4.0, 16
FORM = "application/x-www-form-urlencoded"
EMPTY, INTROSPECT = "empty Starlette endpoint", "/oauth2/introspect"


@dataclass(frozen=True, slots=True)
class Target:
    """What is asked: a row of the table, with its goal as a ratio to the empty endpoint, or None."""

    name: str
    origin: str
    requests: list[str]
    goal: float | None = None


def request(origin: str, path: str, body: str, credentials: tuple[str, str] | None = None) -> str:
    head = [f"POST {path} HTTP/1.1", f"Host: {urlsplit(origin).netloc}", f"Content-Type: {FORM}"]
    if credentials is not None:
        head.append("Authorization: Basic " + base64.b64encode(":".join(credentials).encode()).decode())
    return "\r\n".join([*head, f"Content-Length: {len(body)}", "", body])


def on_core(core: int, command: list[str]) -> list[str]:
    """`command`, on one core from its first moment."""
    pinned = "import os, sys; os.sched_setaffinity(0, {int(sys.argv[1])}); os.execvp(sys.argv[2], sys.argv[2:])"
    return [sys.executable, "-c", pinned, str(core), *command]


@contextlib.contextmanager
def started(command: list[str], core: int) -> Iterator[dict[str, object]]:
    """A server that prints a line of JSON once it serves, and ends with its stdin."""
    child = subprocess.Popen(
        on_core(core, command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert child.stdin is not None
    assert child.stdout is not None
    try:
        line = child.stdout.readline()
        if not line:
            raise RuntimeError(f"{Path(command[1]).name} did not start")
        yield json.loads(line)
    finally:
        child.stdin.close()
        child.wait(30)


def hammered(target: Target, folder: Path, core: int) -> tuple[float, float]:
    """Requests per second, and the 99th percentile of their latencies in seconds."""
    file = folder / "requests.json"
    file.write_text(json.dumps(target.requests))
    address = urlsplit(target.origin).netloc
    command = [sys.executable, str(HERE / "hammer.py"), address, str(file), str(CONNECTIONS), str(SECONDS)]
    done = subprocess.run(on_core(core, command), check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    if set(found["statuses"]) - {"200"}:
        raise RuntimeError(f"{target.name} answered {found['statuses']}")
    return found["per_second"], found["p99"]


def ours(issuer: str, at: dict[str, object], folder: Path) -> list[Target]:
    api, app = tuple(at["api"]), tuple(at["app"])  # type: ignore[arg-type]
    known = json.loads((folder / "known.json").read_text())
    asked = [request(issuer, "/oauth2/introspect", f"token={token}", api) for token in known]
    token = request(issuer, "/oauth2/token", "grant_type=client_credentials&scope=orders%3Aread", app)
    return [
        Target(EMPTY, issuer, [request(issuer, "/empty", "grant_type=client_credentials&scope=orders%3Aread", app)]),
        Target("the same, asked as introspection is", issuer, [one.replace(INTROSPECT, "/empty", 1) for one in asked]),
        Target("roomkey: introspection", issuer, asked, 0.4),
        Target("roomkey: client_credentials", issuer, [token], 0.25),
    ]


def peers() -> Iterator[tuple[str, list[str]]]:
    if (HERE / "node_modules" / "oidc-provider").exists():
        yield "oidc-provider (memory)", ["node", str(HERE / "oidc_provider.mjs")]
    for secrets in ("clear", "hashed"):
        yield f"django-oauth-toolkit ({secrets} secrets)", [sys.executable, str(HERE / "toolkit_server.py"), secrets]


def theirs(name: str, at: dict[str, object]) -> Target:
    origin, credentials = str(at["origin"]), tuple(at["app"])  # type: ignore[arg-type]
    token = request(origin, str(at["token_path"]), str(at["token_body"]), credentials)
    return Target(f"{name}: client_credentials", origin, [token])


def main() -> None:
    cores = sorted(os.sched_getaffinity(0))
    server, client = cores[0], cores[-1]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        command = [sys.executable, str(HERE / "auth_service_server.py"), str(folder), str(TOKENS)]
        measured: dict[str, list[tuple[float, float]]] = {}
        with started(command, server) as at:
            targets = ours(str(at["issuer"]), at, folder)
            for _ in range(ROUNDS):
                for target in targets:
                    measured.setdefault(target.name, []).append(hammered(target, folder, client))
        for name, peer in peers():  # one after the other: what a flood has left to do would slow the next one
            with started(peer, server) as at:
                target = theirs(name, at)
                measured[target.name] = [hammered(target, folder, client) for _ in range(ROUNDS)]
                targets.append(target)
    show(targets, measured)


def show(targets: list[Target], measured: dict[str, list[tuple[float, float]]]) -> None:
    table = Table(
        f"the auth service on one core, {TOKENS:,} stored tokens, {CONNECTIONS} connections",
        "what is asked",
        "per second",
        "x empty",
        "goal",
        "p99 ms",
        "",
    )
    for target in targets:
        rounds = measured[target.name]
        beside = targets[1] if "introspection" in target.name else targets[0]
        empty = [per_second for per_second, _ in measured[beside.name]]
        ratio = statistics.median(mine / base for (mine, _), base in zip(rounds, empty, strict=True))
        p99 = statistics.median(p99 for _, p99 in rounds) * 1000
        goal = "" if target.goal is None else f"{target.goal:.2f}"
        met = "" if target.goal is None else "met" if ratio >= target.goal and p99 < 10 else "MISSED"
        per_second = statistics.median(per_second for per_second, _ in rounds)
        table.row(target.name, f"{per_second:,.0f}", f"{ratio:.2f}", goal, f"{p99:.1f}", met)
    table.note("The goals hold for the ratio, and for a p99 below 10 ms. Tokens and their rows: SQLite in a file.")
    table.show()


if __name__ == "__main__":
    main()
