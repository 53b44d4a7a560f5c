"""Every example runs as it stands, against real servers; those that are servers are called by one that is a client."""

import contextlib
import json
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
from tests.support.leaks import LeakDetector

from roomkey import ClientCredentials, Credential, MemoryStore, TokenManager
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.testing import Issuer, ProtectedAPI
from roomkey.testing.ledger import RegisteredClient

pytestmark = pytest.mark.slow

EXAMPLES = Path(__file__).parents[2] / "examples"
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
def test_a_protected_api_serves_a_managed_token_and_rejects_requests_without_one(
    path: Path, issuer: Issuer, leaks: LeakDetector, tmp_path: Path
) -> None:
    with served(path, issuer, tmp_path, leaks) as served_api, TokenManager(MemoryStore()) as manager:
        answered = served_api.get("/orders", auth=BearerAuth(reports(manager, issuer)))
        assert answered.json() == {"orders": [{"id": 1, "item": "a room"}], "for": "reports"}
        assert served_api.get("/orders").status_code == 401


@pytest.fixture(params=["jwk", "jwks", "introspection"])
def validated_by(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def orders_api(validated_by: str, issuer: Issuer, leaks: LeakDetector, tmp_path: Path) -> Iterator[httpx2.Client]:
    """A client of the orders API, which validates tokens in one of its three ways."""
    with served(EXAMPLES / "protected_api_fastapi.py", issuer, tmp_path, leaks, validated_by) as client:
        yield client


def test_the_orders_api_serves_a_managed_token_and_rejects_one_without_the_scope(
    orders_api: httpx2.Client, validated_by: str, issuer: Issuer
) -> None:
    with TokenManager(MemoryStore()) as manager:
        assert orders_api.get("/orders", auth=BearerAuth(reports(manager, issuer))).status_code == 200
        writer = manager.credential(source(issuer, issuer.add_client("writer", scope="orders:write")))
        refused = orders_api.get("/orders", auth=BearerAuth(writer))
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["www-authenticate"]
    assert 'scope="orders:read"' in refused.headers["www-authenticate"]
    asked = {path for _, path in issuer.other_requests}
    assert ("/oauth2/jwks" in asked) == (validated_by == "jwks")
    assert ("/oauth2/introspect" in asked) == (validated_by == "introspection")


def test_a_revoked_token_is_seen_where_the_issuer_is_asked_and_its_client_gets_another(
    orders_api: httpx2.Client, validated_by: str, issuer: Issuer
) -> None:
    with TokenManager(MemoryStore()) as manager:
        credential = reports(manager, issuer)
        revoked = credential.token().value
        issuer.revoke(revoked)
        assert orders_api.get("/orders", auth=BearerAuth(credential)).status_code == 200
    asked = validated_by == "introspection"
    assert len(issuer.token_requests) == (2 if asked else 1)
    alone = orders_api.get("/orders", headers={"authorization": f"Bearer {revoked}"})
    assert alone.status_code == (401 if asked else 200)


def test_an_outage_of_keys_and_introspection_is_a_503_only_where_the_issuer_must_be_asked(
    orders_api: httpx2.Client, validated_by: str, issuer: Issuer
) -> None:
    with TokenManager(MemoryStore()) as manager:
        assert orders_api.get("/orders", auth=BearerAuth(reports(manager, issuer))).status_code == 200
        issuer.faulty = {"keys", "introspection"}
        issuer.outage()
        other = manager.credential(source(issuer, issuer.add_client("imports")))  # whose token nobody has seen before
        answered = orders_api.get("/orders", auth=BearerAuth(other))
    asked = validated_by == "introspection"
    assert answered.status_code == (503 if asked else 200)
    assert ("retry-after" in answered.headers) == asked


def reports(manager: TokenManager, issuer: Issuer) -> Credential:
    return manager.credential(source(issuer, issuer.client))


def source(issuer: Issuer, client: RegisteredClient) -> ClientCredentials:
    return ClientCredentials(issuer=issuer.url, client_id=client.client_id, client_secret=str(client.client_secret))


@contextlib.contextmanager
def served(
    path: Path, issuer: Issuer, folder: Path, leaks: LeakDetector, validated_by: str = "jwks"
) -> Iterator[httpx2.Client]:
    """A client of the program ``path``, which is running; what that printed must hold no secret."""
    log, jwk = folder / "log", folder / "jwk.json"
    jwk.write_text(json.dumps(issuer.keys.published[0]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    settings = {
        "AUTH_ISSUER": issuer.url,
        "AUTH_JWK_FILE": str(jwk),
        "ORDERS_API_SECRET": str(issuer.add_client("orders-api").client_secret),
        "ORDERS_JUDGED_BY": validated_by,
        "PORT": str(port),
    }
    with log.open("w") as output:
        process = subprocess.Popen([sys.executable, path], env=os.environ | settings, stdout=output, stderr=output)
    try:
        end = time.monotonic() + 20.0
        while not answers(port):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.05)
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            yield client
    finally:
        process.terminate()
        process.wait(10.0)
    leaks.assert_clean(log.read_text())


def answers(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0):
        return True
    return False
