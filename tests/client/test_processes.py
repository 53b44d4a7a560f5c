"""Many processes, one store: one token request, and nobody waits for the dead."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest
from tests.client.sources import client_credentials, settle

import roomkey
from roomkey.testing import Issuer

pytestmark = pytest.mark.load

WORKER = textwrap.dedent(
    """
    import json, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor
    import roomkey
    endpoint, secret, path, threads = sys.argv[1:5]
    limits = roomkey.Limits(fetch=1.0, lease=float(sys.argv[5]))
    manager = roomkey.TokenManager(roomkey.SQLiteStore(path), limits=limits)
    credential = manager.credential(
        roomkey.ClientCredentials(
            token_endpoint=endpoint, client_id="reports", client_secret=secret, scope="orders:read"))
    gate = threading.Barrier(int(threads))
    print("ready", flush=True)
    sys.stdin.readline()
    def call(_):
        gate.wait()
        started = time.monotonic()
        header = credential.header()
        return header, time.monotonic() - started
    with ThreadPoolExecutor(int(threads)) as pool:
        results = list(pool.map(call, range(int(threads))))
    print(json.dumps([sorted({header for header, _ in results}), max(waited for _, waited in results)]), flush=True)
    """
)


def start(issuer: Issuer, path: Path, threads: int, lease: float = 30.0) -> "subprocess.Popen[str]":
    process = subprocess.Popen(
        [
            *(sys.executable, "-c", WORKER),
            *(issuer.token_endpoint, str(issuer.client.client_secret), str(path), str(threads), str(lease)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: "subprocess.Popen[str]") -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def test_8_processes_with_8_threads_each_send_one_token_request(issuer: Issuer, tmp_path: Path) -> None:  # client 5
    issuer.delay = 0.3
    processes = [start(issuer, tmp_path / "tokens.db", 8) for _ in range(8)]
    for process in processes:
        go(process)
    results = []
    for process in processes:
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        results.append(json.loads(out))
    headers = {header for found, _ in results for header in found}
    assert (len(headers), len(issuer.token_requests)) == (1, 1)


def test_a_process_killed_while_it_asks_is_succeeded_within_its_lease(
    issuer: Issuer, tmp_path: Path
) -> None:  # client 6
    path = tmp_path / "tokens.db"
    issuer.hang()
    doomed = start(issuer, path, 1, lease=2.0)
    go(doomed)
    wait_for(lambda: len(issuer.token_requests) == 1)
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate(timeout=10)
    limits = roomkey.Limits(fetch=1.0, lease=2.0)
    with roomkey.TokenManager(roomkey.SQLiteStore(path), limits=limits) as manager:
        started = time.monotonic()
        assert manager.credential(client_credentials(issuer)).header()
        assert time.monotonic() - started < 15.0
    assert len(issuer.token_requests) == 2


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_child_works_and_shares_what_was_known(issuer: Issuer, tmp_path: Path) -> None:  # client 14
    with roomkey.TokenManager(roomkey.SQLiteStore(tmp_path / "tokens.db")) as manager:
        orders = manager.credential(client_credentials(issuer))
        before = orders.header()
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                known = orders.header()
                new = orders.refresh().value
                os.write(writing, json.dumps([known, new]).encode())
            finally:
                os._exit(0)
        os.close(writing)
        with os.fdopen(reading, "rb") as pipe:
            known, new = json.loads(pipe.read())
        assert os.waitpid(child, 0)[1] == 0
        assert known == before
        orders.reject(before, origin="https://orders.example")
        assert orders.header() == f"Bearer {new}"
    assert len(issuer.token_requests) == 2


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_fork_in_the_middle_of_a_flight_leaves_the_child_free(issuer: Issuer, tmp_path: Path) -> None:  # client 14
    with roomkey.TokenManager(roomkey.SQLiteStore(tmp_path / "tokens.db")) as manager:
        orders = manager.credential(client_credentials(issuer))
        orders.header()
        issuer.delay = 0.5
        flying = threading.Thread(target=orders.refresh)
        flying.start()
        settle(orders, lambda: len(issuer.token_requests) == 2)
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if orders.refresh(timeout=20.0) else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        flying.join()


@pytest.mark.parametrize("state", ["idle", "fetching"])
def test_the_interpreter_ends_at_once_and_silently(issuer: Issuer, tmp_path: Path, state: str) -> None:  # client 16
    program = textwrap.dedent(
        """
        import sys, threading, time, roomkey
        manager = roomkey.TokenManager(roomkey.MemoryStore())
        credential = manager.credential(
            roomkey.ClientCredentials(token_endpoint=sys.argv[1], client_id="reports", client_secret=sys.argv[2]))
        credential.header()
        if sys.argv[3] == "fetching":
            threading.Thread(target=credential.refresh, daemon=True).start()
            time.sleep(0.2)
        """
    )
    if state == "fetching":
        program = program.replace("credential.header()\n", "", 1)
        issuer.hang()
    ended = subprocess.run(
        [sys.executable, "-c", program, issuer.token_endpoint, str(issuer.client.client_secret), state],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def wait_for(wanted: object, seconds: float = 10.0) -> None:
    end = time.monotonic() + seconds
    while not wanted():  # type: ignore[operator]
        assert time.monotonic() < end
        time.sleep(0.005)
