"""Every example runs as it stands, against real servers; those that are servers are called by one that is a client."""

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from tests.programs import output_of

from roomkey import ClientCredentials, MemoryStore, TokenManager
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.testing import Issuer, LeakDetector, ProtectedAPI

EXAMPLES = Path(__file__).parents[1] / "examples"
SERVERS = sorted(EXAMPLES.glob("protected_api_*.py"))
CLIENTS = sorted(set(EXAMPLES.glob("*.py")) - set(SERVERS))


@pytest.mark.parametrize("path", CLIENTS, ids=lambda path: path.stem)
def test_a_client_runs_and_finds_its_token_again_in_its_second_run(
    path: Path, issuer: Issuer, api: ProtectedAPI, leaks: LeakDetector, tmp_path: Path
) -> None:
    asked = []
    for _ in range(2):
        leaks.assert_clean(output_of(path, issuer=issuer, api=api, home=tmp_path))
        asked.append(len(issuer.token_requests))
    assert asked[0] == asked[1]


@pytest.mark.parametrize("path", SERVERS, ids=lambda path: path.stem)
def test_a_protected_api_serves_a_managed_token_and_nobody_without_one(
    path: Path, issuer: Issuer, leaks: LeakDetector, tmp_path: Path
) -> None:
    secret = issuer.client.client_secret
    source = ClientCredentials(issuer=issuer.url, client_id="reports", client_secret=secret)
    log = tmp_path / "log"
    with served(path, issuer, log) as url, TokenManager(MemoryStore()) as manager:
        auth = BearerAuth(manager.credential(source))
        with httpx2.Client(base_url=url, trust_env=False) as client:
            answered = client.get("/orders", auth=auth)
            assert answered.json() == {"orders": [{"id": 1, "item": "a room"}], "for": "reports"}
            assert client.get("/orders").status_code == 401
    leaks.assert_clean(log.read_text())


@contextlib.contextmanager
def served(path: Path, issuer: Issuer, log: Path) -> Iterator[str]:
    """The program ``path``, serving at the address that this yields."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    environment = os.environ | {"AUTH_ISSUER": issuer.url, "PORT": str(port)}
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, path], env=environment, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 20.0
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10.0)


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False
