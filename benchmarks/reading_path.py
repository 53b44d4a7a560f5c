"""Figure: how many files a reader opens to follow one call, and how often the call goes from one file to another.

Counts Python calls (``sys.setprofile``, in every thread) inside ``roomkey``, without imports: distinct files, and
changes of file between consecutive calls. A warm-up run loads every module first; the issuer runs in another process.

    python benchmarks/reading_path.py [first_token] [first_request] [validation] [--files]
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth
from table import Table, verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import FrameType

PACKAGE = str(Path(roomkey.__file__).parent) + "/"
GOALS = {"first_token": (25, 90), "first_request": (25, 90), "validation": (18, None)}


class ReadingPath:
    """The files of the calls that were made, in order."""

    def __init__(self) -> None:
        self._calls: list[tuple[int, str]] = []

    @contextmanager
    def recording(self) -> Iterator[None]:
        threading.setprofile(self._record)
        sys.setprofile(self._record)
        try:
            yield
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def _record(self, frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_filename.startswith(PACKAGE):
            self._calls.append((threading.get_ident(), frame.f_code.co_filename.removeprefix(PACKAGE)))

    @property
    def files(self) -> Counter[str]:
        return Counter(file for _, file in self._calls)

    @property
    def changes(self) -> int:
        """Counted in each thread by itself, plus one for each thread after the first."""
        latest: dict[int, str] = {}
        changes = -1
        for thread, file in self._calls:
            changes += latest.get(thread) != file
            latest[thread] = file
        return changes


def record(prepare: Callable[[], Callable[[], object]]) -> ReadingPath:
    """The path of the second call; the first one loads the modules."""
    prepare()()
    call, path = prepare(), ReadingPath()
    with path.recording():
        call()
    return path


@contextmanager
def issuer_process() -> Iterator[dict[str, str]]:
    """A test issuer in another process: its URL, a client with its secret, and a token."""
    process = subprocess.Popen(
        [sys.executable, __file__, "--issuer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())
    finally:
        process.communicate(timeout=10)  # closes its standard input, which ends it


def serve_issuer() -> None:
    from roomkey.testing import Issuer

    with Issuer() as issuer:
        client = issuer.client
        told = {"url": issuer.url, "client_id": client.client_id, "client_secret": client.client_secret}
        print(json.dumps(told | {"token": issuer.issue()}), flush=True)
        sys.stdin.read()


def client(issuer: dict[str, str]) -> httpx2.Client:
    """A client with BearerAuth: discovery, client credentials, tokens in memory."""
    manager = roomkey.TokenManager(roomkey.MemoryStore())
    orders = manager.credential(
        roomkey.ClientCredentials(
            issuer=issuer["url"],
            client_id=issuer["client_id"],
            client_secret=issuer["client_secret"],
            scope="orders:read",
        )
    )
    answer = httpx2.MockTransport(lambda request: httpx2.Response(200 if "authorization" in request.headers else 401))
    return httpx2.Client(transport=answer, auth=BearerAuth(orders))


def first_token(issuer: dict[str, str]) -> Callable[[], object]:
    """All of it: manager, credential and BearerAuth are made, and a first request gets and carries a token."""
    return lambda: client(issuer).get("https://orders.example/orders").raise_for_status()


def first_request(issuer: dict[str, str]) -> Callable[[], object]:
    """The first request alone, which gets and carries a token."""
    api = client(issuer)
    return lambda: api.get("https://orders.example/orders").raise_for_status()


def validation(issuer: dict[str, str]) -> Callable[[], object]:
    """A first token at an API: discovery, keys to fetch, signature and claims."""
    validator = roomkey.TokenValidator(issuer=issuer["url"], audience=None, profile="jwt")
    return lambda: validator.validate(issuer["token"])


def main() -> None:
    chosen = [name for name in sys.argv[1:] if name in GOALS] or list(GOALS)
    table = Table(
        "Files and changes of file that one call takes its reader through", "", "files", "changes", "goal", ""
    )
    with issuer_process() as issuer:
        for name in chosen:
            path = record(lambda name=name: globals()[name](issuer))  # type: ignore[misc]
            files, changes = GOALS[name]
            met = verdict(len(path.files), files) if changes is None else verdict(path.changes, changes)
            goal = f"<= {files}" if changes is None else f"<= {files}, {changes}"
            table.row(name, str(len(path.files)), str(path.changes), goal, met)
            if "--files" in sys.argv:
                for file, calls in sorted(path.files.items()):
                    table.row(f"  {file}", str(calls), "", "", "")
    table.note("Calls of Python functions inside roomkey after all modules are loaded; imports do not count.")
    table.show()


if __name__ == "__main__":
    serve_issuer() if "--issuer" in sys.argv else main()
