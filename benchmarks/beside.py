"""This checkout beside another one, such as the last release: hot paths, the service, commands, memory.

`python benchmarks/beside.py OTHER_CHECKOUT [PART ...]`: both checkouts need a `.venv` with the extras `cli` and
`server`. Rounds of both are interleaved; each figure is the median of the ratios of neighbouring rounds, and below 1.00
this checkout needs less. Hot paths are counted in CPU time, which other work on the machine disturbs little.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from table import Table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).resolve().parents[1]
WORKER = Path(__file__).resolve().with_name("beside_worker.py")
ROUNDS = 15
WARM = 200
REQUESTS = 1500
CONNECTIONS = 8
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two checkouts."""

    name: str
    python: str

    @property
    def roomkey(self) -> str:
        """Its command."""
        return str(Path(self.python).with_name("roomkey"))


def median_ratio(sides: tuple[Side, Side], measure: Callable[[Side], float], rounds: int) -> tuple[float, float, float]:
    """This side's median, the other's, and the median of the ratios of rounds that ran next to each other."""
    for side in sides:
        measure(side)
    ours, theirs = [], []
    for number in range(rounds):
        for side in sides if number % 2 else sides[::-1]:
            (ours if side is sides[0] else theirs).append(measure(side))
    ratios = [mine / other for mine, other in zip(ours, theirs, strict=True)]
    return statistics.median(ours), statistics.median(theirs), statistics.median(ratios)


class Worker:
    """A process of one side that measures what it is asked to, with objects that it keeps."""

    def __init__(self, side: Side) -> None:
        self._process = subprocess.Popen(
            [side.python, str(WORKER)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def measure(self, name: str) -> float:
        """CPU seconds of one call of ``name``."""
        print(name, file=self._process.stdin, flush=True)
        return float(self._process.stdout.readline())

    def close(self) -> None:
        """End the process."""
        self._process.stdin.close()
        self._process.wait(20)


def hot_paths(sides: tuple[Side, Side]) -> None:
    """What each request pays in the client and at the API."""
    table = Table("Hot paths, CPU time of one call", "call", "this", "other", "ratio", "goal", "")
    workers = {side: Worker(side) for side in sides}
    try:
        for name in ("header()", "request through BearerAuth", "token seen before", "new token"):
            mine, other, ratio = median_ratio(sides, lambda side, name=name: workers[side].measure(name), ROUNDS)
            table.row(
                name, f"{mine * 1e6:.2f} us", f"{other * 1e6:.2f} us", f"{ratio:.3f}", "1.03", verdict(ratio, 1.03)
            )
    finally:
        for worker in workers.values():
            worker.close()
    table.show()


@contextlib.contextmanager
def served(side: Side, folder: Path) -> Iterator[tuple[int, int, dict[str, str]]]:
    """A running auth service of ``side``: its process id, its port, and the secrets of its accounts."""
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [side.roomkey, "serve", "--data", folder, "--listen", "127.0.0.1:0"],
            stdout=log,
            stderr=subprocess.STDOUT,
            env=os.environ | {"ROOMKEY_SERVER_ACCESS_LOG": "false"},
        )
        try:
            port = listening(process.pid)
            admin = [side.roomkey, "admin", "--data", folder]
            api = output([*admin, "api", "create", "orders-api", "--scopes", "orders:read", "--json"])
            scopes = ["--scopes", "orders:read", "--default-scopes", "orders:read"]
            account = output(
                [*admin, "service-account", "create", "reports", "--apis", "orders-api", *scopes, "--json"]
            )
            yield process.pid, port, {"orders-api": api["client_secret"], "reports": account["client_secret"]}
        finally:
            process.terminate()
            process.wait(30)


def listening(pid: int) -> int:
    """The TCP port on which the process listens, once it does."""
    end = time.monotonic() + 30
    while time.monotonic() < end:
        links = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
        for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in links:
                port = int(fields[1].split(":")[1], 16)
                with contextlib.suppress(OSError):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
                    connection.request("GET", "/health")
                    if connection.getresponse().status == 200:
                        return port
        time.sleep(0.1)
    raise RuntimeError("the service did not start")


def output(command: list[object]) -> dict[str, str]:
    """The JSON object that ``command`` prints."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=True, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def cpu(pid: int) -> float:
    """CPU seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def memory(pid: int, name: str = "Rss") -> int:
    """Resident memory of a process, in bytes."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError(f"no {name}")


class Caller:
    """Keep-alive connections that send one request after the other, several at a time."""

    def __init__(self, port: int, client: str, secret: str) -> None:
        self._connections = [http.client.HTTPConnection("127.0.0.1", port, timeout=20) for _ in range(CONNECTIONS)]
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(f"{client}:{secret}".encode()).decode(),
            "Content-Type": "application/x-www-form-urlencoded",
        }

    def send(self, path: str, forms: list[dict[str, str]]) -> list[dict[str, object]]:
        """The answers to ``forms``; a connection is written to before the answers of the others are read."""
        answers = []
        for start in range(0, len(forms), CONNECTIONS):
            group = forms[start : start + CONNECTIONS]
            for connection, form in zip(self._connections, group, strict=False):
                connection.request("POST", path, urlencode(form), self._headers)
            for connection, _ in zip(self._connections, group, strict=False):
                response = connection.getresponse()
                body = response.read()
                if response.status != 200:
                    raise RuntimeError(f"{path} answered {response.status}: {body[:200]!r}")
                answers.append(json.loads(body))
        return answers


def service(sides: tuple[Side, Side]) -> None:
    """CPU time of the service for each request, and what it holds when idle."""
    with contextlib.ExitStack() as stack:
        running = {}
        for side in sides:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            running[side] = stack.enter_context(served(side, folder / "data"))
            _, port, secrets = running[side]
            Caller(port, "reports", secrets["reports"]).send("/oauth2/token", [{"grant_type": "client_credentials"}])
        time.sleep(2.0)
        idle = {side: (memory(pid), memory(pid, "Pss")) for side, (pid, _, _) in running.items()}
        table = Table("Auth service, CPU time of one request", "request", "this", "other", "ratio", "goal", "")
        apps = {side: Caller(port, "reports", known["reports"]) for side, (_, port, known) in running.items()}
        checks = {side: Caller(port, "orders-api", known["orders-api"]) for side, (_, port, known) in running.items()}
        ask = {"grant_type": "client_credentials"}
        tokens = {side: apps[side].send("/oauth2/token", [ask] * WARM) for side in sides}

        def issue(side: Side) -> float:
            began = cpu(running[side][0])
            apps[side].send("/oauth2/token", [ask] * REQUESTS)
            return (cpu(running[side][0]) - began) / REQUESTS

        def introspect(side: Side) -> float:
            forms = [{"token": str(tokens[side][number % WARM]["access_token"])} for number in range(REQUESTS)]
            began = cpu(running[side][0])
            checks[side].send("/oauth2/introspect", forms)
            return (cpu(running[side][0]) - began) / REQUESTS

        for name, measure in (("client_credentials", issue), ("introspection", introspect)):
            mine, other, ratio = median_ratio(sides, measure, ROUNDS)
            table.row(
                name, f"{mine * 1e6:.0f} us", f"{other * 1e6:.0f} us", f"{ratio:.3f}", "1.03", verdict(ratio, 1.03)
            )
        table.show()
        table = Table("Auth service, idle after one token", "memory", "this", "other", "ratio", "goal", "")
        for name, place in (("resident", 0), ("proportional", 1)):
            mine, other = (idle[side][place] for side in sides)
            ratio = mine / other
            cells = (f"{mine / 2**20:.1f} MiB", f"{other / 2**20:.1f} MiB", f"{ratio:.3f}")
            table.row(name, *cells, "0.80", verdict(ratio, 0.8))
        table.show()


def commands(sides: tuple[Side, Side]) -> None:
    """Whole commands, from start to end."""
    with contextlib.ExitStack() as stack:
        places = {}
        for side in sides:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            _, port, known = stack.enter_context(served(side, folder / "data"))
            (folder / "secret").write_text(known["reports"])
            (folder / "secret").chmod(0o600)
            (folder / "roomkey.toml").write_text(
                f'[store]\nurl = "sqlite:///tokens.db"\n[credentials.orders]\nsource = "client_credentials"\n'
                f'issuer = "http://127.0.0.1:{port}"\nclient_id = "reports"\nclient_secret = {{ file = "secret" }}\n'
                'scope = "orders:read"\n'
            )
            places[side] = folder
            subprocess.run([side.roomkey, "token", "orders"], cwd=folder, check=True, capture_output=True)
        table = Table("Whole commands", "command", "this", "other", "ratio", "goal", "")
        for words, goal in (("token orders --raw", 0.45), ("status", 0.5), ("admin --data data api list", 0.4)):

            def measure(side: Side, words: str = words) -> float:
                began = time.perf_counter()
                subprocess.run([side.roomkey, *words.split()], cwd=places[side], check=True, capture_output=True)
                return time.perf_counter() - began

            mine, other, ratio = median_ratio(sides, measure, 2 * ROUNDS)
            name = "roomkey " + words.replace("--data data ", "")
            cells = (f"{mine * 1e3:.0f} ms", f"{other * 1e3:.0f} ms", f"{ratio:.3f}", f"{goal:.2f}")
            table.row(name, *cells, verdict(ratio, goal))
        table.show()


PARTS = {"hot": hot_paths, "service": service, "commands": commands}


def main() -> None:
    """Print the tables of the parts that are named, or of all."""
    other, *parts = sys.argv[1:]
    both = (
        Side("this", str(HERE / ".venv/bin/python")),
        Side("other", str(Path(other).resolve() / ".venv/bin/python")),
    )
    for part in parts or PARTS:
        PARTS[part](both)


if __name__ == "__main__":
    main()
