"""A token that a certified OpenID server revoked, at an API that asks the server about every token (RFC 7662)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx2
import pytest
from tests.interop.oidc_provider import OPAQUE_ORDERS, Client, OIDCProvider
from tests.interop.sources import Sources

import roomkey
from roomkey.clock import SystemClock
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.testing.loopback import LoopbackRequest, LoopbackResponse, LoopbackServer, json_response


class IntrospectingAPI(LoopbackServer):
    """An API that takes what its OpenID server calls active; ``statuses`` are its answers so far."""

    def __init__(self, provider: OIDCProvider) -> None:
        super().__init__(self._answer, SystemClock().wall)
        self.statuses: list[int] = []
        self._provider = provider
        self._client = provider.register()

    def _answer(self, request: LoopbackRequest) -> LoopbackResponse:
        token = (request.header("authorization") or "").removeprefix("Bearer ")
        known = self._provider.introspect(self._client, token)
        if known["active"] and (known["aud"], known["scope"]) == ("orders-api", "orders:read"):
            answer = json_response({"orders": []})
        else:
            answer = json_response({}, 401, ("www-authenticate", 'Bearer realm="orders", error="invalid_token"'))
        self.statuses.append(answer.status)
        return answer


@pytest.fixture
def orders_api(oidc_provider: OIDCProvider) -> Iterator[IntrospectingAPI]:
    with IntrospectingAPI(oidc_provider) as running:
        yield running
    assert running.failures == []


@pytest.fixture
def orders(manager: roomkey.TokenManager, sources: Sources) -> roomkey.Credential:
    return manager.credential(sources.app(resource=OPAQUE_ORDERS))


def test_a_revoked_token_is_healed_by_one_retry_with_a_new_one(
    oidc_provider: OIDCProvider, client: Client, orders: roomkey.Credential, orders_api: IntrospectingAPI
) -> None:
    with httpx2.Client(base_url=orders_api.origin, auth=BearerAuth(orders)) as http:
        assert http.get("/orders").status_code == 200
        oidc_provider.revoke(client, orders.token().value)
        assert http.get("/orders").status_code == 200
        assert http.get("/orders").status_code == 200
    assert orders_api.statuses == [200, 401, 200, 200]
    assert oidc_provider.grants(client) == ["client_credentials"] * 2


def test_20_calls_with_one_revoked_token_cause_one_token_request(
    oidc_provider: OIDCProvider, client: Client, orders: roomkey.Credential, orders_api: IntrospectingAPI
) -> None:  # client 39
    oidc_provider.revoke(client, orders.token().value)
    with (
        httpx2.Client(base_url=orders_api.origin, auth=BearerAuth(orders)) as http,
        ThreadPoolExecutor(20) as pool,
    ):
        assert [answer.status_code for answer in pool.map(lambda _: http.get("/orders"), range(20))] == [200] * 20
    assert oidc_provider.grants(client) == ["client_credentials"] * 2
