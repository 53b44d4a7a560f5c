"""The service on a port, and robots that ask its admin API with tokens from its own token endpoint."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.running_service import running_service

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock


@dataclass
class Robot:
    """A service account that asks: ``robot("GET", "/apis")`` is the answer."""

    http: httpx2.Client
    issuer: str
    token: str

    def __call__(self, method: str, path: str, body: Any = None, **query: Any) -> httpx2.Response:
        return self.http.request(
            method,
            f"{self.issuer}/api/v1{path}",
            json=body,
            params=query,
            headers={"Authorization": f"Bearer {self.token}"},
        )


@dataclass
class House:
    """A served service, and ways to act in it by hand."""

    service: Service
    acting: Acting
    http: httpx2.Client

    def robot(
        self,
        name: str = "robot",
        *roles: str,
        scopes: tuple[str, ...] = ("admin:read", "admin:write"),
        asks: str | None = None,
        tenant: str | None = None,
        **access: tuple[str, ...],
    ) -> Robot:
        """A robot with these roles of the service, and what it may use elsewhere: ``orders_api=("orders:read",)``."""
        elsewhere = [Access(audience.replace("_", "-"), has) for audience, has in access.items()]
        made = self.acting.account(
            name,
            apis=[Access("roomkey-admin", scopes), *elsewhere],
            roles=roles or ("administrator",),
            tenant=tenant,
        )
        answer = self.http.post(
            f"{self.service.settings.issuer}/oauth2/token",
            data={"grant_type": "client_credentials", "scope": asks or " ".join(scopes), "resource": "roomkey-admin"},
            auth=(name, made.client_secret.value),
        )
        assert answer.status_code == 200, answer.text
        return Robot(self.http, self.service.settings.issuer, answer.json()["access_token"])


@pytest.fixture
def house(tmp_path: Path, clock: FakeClock) -> Iterator[House]:
    with running_service(tmp_path / "service", clock) as service, httpx2.Client(timeout=30) as http:
        yield House(service, Acting(service), http)
