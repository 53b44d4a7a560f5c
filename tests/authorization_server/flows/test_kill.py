"""kill -9 in the middle of many requests: what was answered is there after the restart."""

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
import pytest
from tests.authorization_server.flows.processes import auth_service
from tests.authorization_server.flows.test_flows import PASSWORD

pytestmark = pytest.mark.slow

REQUESTS, THREADS = 1000, 8


def test_every_token_that_was_answered_is_known_after_kill_9(tmp_path: Path) -> None:
    data = tmp_path / "data"
    with auth_service(data) as service:
        api = service.admin("api", "create", "orders-api", "--scopes", "orders:read")
        grants = "client_credentials,password,refresh_token"
        order = "service-account", "create", "reports", "--apis", "orders-api", "--scopes", "orders:read"
        account = service.admin(*order, "--grants", grants)
        service.admin("user", "create", "alice", "--password-stdin", stdin=PASSWORD)
        reports, port = ("reports", account["client_secret"]), int(service.issuer.rpartition(":")[2])
        form = {"grant_type": "password", "username": "alice", "password": PASSWORD, "scope": "orders:read"}
        refresh_token = httpx2.post(f"{service.issuer}/oauth2/token", data=form, auth=reports).json()["refresh_token"]
        answered: list[str] = []
        latest = [refresh_token]
        enough = threading.Event()

        def ask() -> None:
            with httpx2.Client(base_url=service.issuer, auth=reports) as http, contextlib.suppress(httpx2.HTTPError):
                for _ in range(REQUESTS // THREADS):
                    form = {"grant_type": "client_credentials", "scope": "orders:read"}
                    answered.append(http.post("/oauth2/token", data=form).raise_for_status().json()["access_token"])
                    if len(answered) >= REQUESTS // 2:
                        enough.set()

        def renew() -> None:
            with httpx2.Client(base_url=service.issuer, auth=reports) as http, contextlib.suppress(httpx2.HTTPError):
                while not enough.is_set():
                    form = {"grant_type": "refresh_token", "refresh_token": latest[-1]}
                    latest.append(http.post("/oauth2/token", data=form).raise_for_status().json()["refresh_token"])

        with ThreadPoolExecutor(THREADS + 1) as threads:
            for _ in range(THREADS):
                threads.submit(ask)
            threads.submit(renew)
            assert enough.wait(60)
            service.kill()
    assert REQUESTS // 2 <= len(answered) < REQUESTS
    with auth_service(data, port) as again, httpx2.Client(base_url=again.issuer) as http:
        orders_api = ("orders-api", api["client_secret"])
        for token in answered:
            assert http.post("/oauth2/introspect", data={"token": token}, auth=orders_api).json()["active"]
        form = {"grant_type": "refresh_token", "refresh_token": latest[-1]}
        assert http.post("/oauth2/token", data=form, auth=reports).status_code == 200
        assert again.admin("audit", "verify")
