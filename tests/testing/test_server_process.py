import json
import signal
import subprocess
import sys

import httpx2
import pytest

from roomkey.testing import Counts, ServerProcess, Settings


@pytest.fixture(scope="module")
def servers():
    with ServerProcess(Settings(lifetime=7, refresh_tokens=True)) as running:
        yield running


@pytest.fixture
def http(servers):
    servers.recover()
    servers.change(lifetime=7, delay=0, reject_all=False)
    servers.forget()
    with httpx2.Client(timeout=5.0) as client:
        yield client


def ask(http, servers):
    form = {"grant_type": "client_credentials"}
    return http.post(servers.token_endpoint, data=form, auth=(servers.client_id, servers.client_secret))


def test_another_process_serves_issuer_and_api_and_counts(http, servers):
    members = ask(http, servers).json()
    assert (members["expires_in"], "refresh_token" in members) == (7, True)
    bearer = {"authorization": f"Bearer {members['access_token']}"}
    assert http.get(servers.api_url + "/orders", headers=bearer).status_code == 200
    assert http.get(servers.api_url + "/orders").status_code == 401
    assert servers.counts() == Counts(
        token_requests=1, most_at_once=1, api_requests=2, accepted=1, rejected=1, bare=1, tokens=1, failures=0
    )
    servers.forget()
    assert servers.counts() == Counts(0, 0, 0, 0, 0, 0, 0, 0)


def test_users_are_known_there(http, servers):
    form = {"grant_type": "password", "username": servers.username, "password": servers.password}
    answer = http.post(servers.token_endpoint, data=form, auth=(servers.client_id, servers.client_secret))
    assert answer.status_code == 200


def test_it_takes_orders(http, servers):
    token = ask(http, servers).json()["access_token"]
    servers.outage(status=502, retry_after=3)
    refused = ask(http, servers)
    assert (refused.status_code, refused.headers["retry-after"]) == (502, "3")
    servers.recover()
    assert ask(http, servers).status_code == 200
    bearer = {"authorization": f"Bearer {token}"}
    servers.revoke_all()
    assert http.get(servers.api_url, headers=bearer).status_code == 401
    servers.change(lifetime=11, reject_all=True)
    renewed = ask(http, servers).json()
    assert renewed["expires_in"] == 11
    assert http.get(servers.api_url, headers={"authorization": f"Bearer {renewed['access_token']}"}).status_code == 401


def test_it_drops_hangs_and_vanishes_on_order(http, servers):
    servers.drop()
    with pytest.raises(httpx2.RemoteProtocolError):
        ask(http, servers)
    servers.hang()
    with httpx2.Client(timeout=0.1) as hasty, pytest.raises(httpx2.ReadTimeout):
        ask(hasty, servers)
    servers.unreachable()
    with pytest.raises(httpx2.ConnectError):
        ask(http, servers)
    servers.recover()
    assert ask(http, servers).status_code == 200


def test_orders_that_do_not_exist_are_refused(servers):
    with pytest.raises(RuntimeError, match="404"):
        servers.change(colour=7)


def test_its_repr_shows_no_secret(servers):
    assert servers.client_secret not in repr(servers)
    assert servers.issuer_url in repr(servers)


def test_it_ends_with_its_stdin():
    servers = ServerProcess()
    servers.start()
    assert httpx2.get(servers.api_url).status_code == 401
    assert servers.stop() == 0
    assert servers.stop() is None
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(servers.api_url)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_until_signal_it_outlives_its_stdin(number):
    command = [sys.executable, "-m", "roomkey.testing.serve", "--until-signal", "--opaque"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        started = json.loads(process.stdout.readline())
        assert httpx2.get(started["issuer"] + "/oauth2/jwks").status_code == 200
        process.send_signal(number)
        assert process.wait(5) == 0
        assert process.stderr.read() == b""
