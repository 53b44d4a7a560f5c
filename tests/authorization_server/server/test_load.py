"""Many people who sign in at once: memory stays within bounds, and nobody else waits for them."""

import http.client
import re
import statistics
import threading
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.authorization_server.server.conftest import Serving

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

pytestmark = pytest.mark.load

if TYPE_CHECKING:
    import subprocess

PASSWORD = "seven green lanterns hum"
FORM = {"content-type": "application/x-www-form-urlencoded"}
POST = "client_secret_post"
SIGN_INS = 100
_MOST = 150 * 1024  # KiB: two hashes of 19 MiB at a time, and a hundred open connections


def _resident(process: "subprocess.Popen[bytes]") -> int:
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{process.pid}/status").read_text())
    assert found is not None
    return int(found[1])


def _stocked(data: Path) -> tuple[str, str]:
    hashing = PasswordHashing()
    with Service.open(Settings.at(data)) as service, service.unit_of_work(Actor.console()) as uow:
        CreateApi(audience="orders-api", scopes=[Scope("orders:read")])(uow)
        access = [Access("orders-api", ("orders:read",), ("orders:read",))]
        app = CreateServiceAccount(client_id="app", apis=access, grants=["password"], authentication=POST)(uow)
        robot = CreateServiceAccount(client_id="robot", apis=access, authentication=POST)(uow)
        hashed = hashing.hash_new(PASSWORD, username="alice")
        CreateUser(username="alice", password=hashed)(uow)
    hashing.close()
    assert app.client_secret is not None
    assert robot.client_secret is not None
    return app.client_secret.value, robot.client_secret.value


def _token(serving: Serving, **fields: str) -> tuple[int, float]:
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", serving.port, timeout=60)
    try:
        connection.request("POST", "/oauth2/token", urlencode(fields), FORM)
        answer = connection.getresponse()
        answer.read()
        return answer.status, time.monotonic() - began
    finally:
        connection.close()


def test_a_hundred_sign_ins_at_once_are_bounded_and_hold_up_nobody_else(start, tmp_path: Path):  # auth service 38
    app, robot = _stocked(tmp_path / "data")
    serving = start()
    machine = {"grant_type": "client_credentials", "client_id": "robot", "client_secret": robot}
    person = {"grant_type": "password", "client_id": "app", "client_secret": app, "username": "alice"}
    assert _token(serving, **machine)[0] == _token(serving, **person, password=PASSWORD)[0] == 200
    before, most = _resident(serving.process), 0
    signed_in: list[tuple[int, float]] = []
    threads = [
        threading.Thread(target=lambda: signed_in.append(_token(serving, **person, password=PASSWORD)))
        for _ in range(SIGN_INS)
    ]
    for thread in threads:
        thread.start()
    meanwhile = []
    while any(thread.is_alive() for thread in threads):
        meanwhile.append(_token(serving, **machine))
        most = max(most, _resident(serving.process))
    statuses = Counter(status for status, _ in signed_in)
    assert set(statuses) <= {200, 429, 503}, statuses  # who finds no room is told to come back
    assert statuses[200] >= 50, statuses
    assert {status for status, _ in meanwhile} == {200}
    assert len(meanwhile) >= 5
    slowest = max(seconds for _, seconds in signed_in)
    waits = sorted(seconds for _, seconds in meanwhile)
    p99 = waits[int(len(waits) * 0.99)]
    assert statistics.median(waits) < max(0.25, slowest / 4)
    assert p99 < max(1.0, slowest / 2)
    assert most - before < _MOST
    print(f"RSS {before} + {most - before} KiB, {statuses}, slowest {slowest:.2f} s")
    print(f"{len(waits)} tokens meanwhile: median {statistics.median(waits) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms")
