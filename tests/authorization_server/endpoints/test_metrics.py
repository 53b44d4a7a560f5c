"""``/metrics``: what Prometheus reads, and who may."""

import dataclasses
import re

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from tests.authorization_server.sample_tokens import insert_revoked_tokens

from roomkey import Secret
from roomkey.authorization_server.endpoints.metrics import Metrics
from roomkey.authorization_server.lists.deny_list import MAX_DENIED
from roomkey.authorization_server.server.middleware import middleware
from roomkey.authorization_server.service import Service

LINE = re.compile(r'(#.*|[a-z_]+(\{([a-z]+="[^"\n]*",?)+\})? -?[0-9.e+-]+)')


def _client(service: Service, *, address: str = "127.0.0.1", token: str | None = None) -> TestClient:
    async def issue(request: Request) -> PlainTextResponse:
        request.state.grant = "client_credentials"
        return PlainTextResponse("", 200 if request.path_params["client_id"] == "good" else 400)

    if token is not None:
        service.settings = dataclasses.replace(service.settings, metrics_token=Secret(token))
    routes = [
        Route("/metrics", Metrics(service)),
        Mount("/api/v1", routes=[Route("/clients/{client_id}", issue, methods=["GET", "POST"])]),
    ]
    app = Starlette(routes=routes, middleware=middleware(service.settings))
    return TestClient(app, client=(address, 1))


def test_it_counts_requests_by_template_method_and_status_and_tokens_by_grant(service: Service):
    client = _client(service)
    for _ in range(3):
        client.post("/api/v1/clients/good?secret=hunter2")
    client.request("HACK", "/api/v1/clients/good")
    client.post("/api/v1/clients/hunter2")
    client.get("/hunter2")
    page = client.get("/metrics")
    assert page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = page.text.splitlines()
    assert all(LINE.fullmatch(line) for line in lines), [line for line in lines if not LINE.fullmatch(line)]
    values = _values(page.text)
    route = "/api/v1/clients/{client_id}"
    assert values["roomkey_requests_total", ("POST", route, "200")] == 3
    assert values["roomkey_requests_total", ("POST", route, "400")] == 1
    assert values["roomkey_requests_total", ("other", route, "405")] == 1
    assert values["roomkey_requests_total", ("GET", "-", "404")] == 1
    assert values["roomkey_tokens_issued_total", ("client_credentials",)] == 3
    assert values["roomkey_request_seconds_bucket", ("+Inf", route)] == 5
    assert values["roomkey_request_seconds_count", (route,)] == 5
    assert values["roomkey_database_jobs_waiting", ("write",)] == 0
    assert values["roomkey_database_up", ()] == 1
    assert any(line.startswith("roomkey_signing_key_age_seconds{") and 'kid="' in line for line in lines)
    assert "hunter2" not in page.text


def _values(page: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples by name and by the values of their labels, in the order of the labels' names."""
    from prometheus_client.parser import text_string_to_metric_families

    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def test_it_tells_how_full_the_deny_list_is(service: Service):
    insert_revoked_tokens(service, 7)
    values = _values(_client(service).get("/metrics").text)
    assert values["roomkey_deny_list_tokens", ()] == 7
    assert values["roomkey_deny_list_most", ()] == MAX_DENIED


def test_without_a_token_it_answers_this_machine_alone(small_service: Service):
    assert _client(small_service).get("/metrics").status_code == 200
    assert _client(small_service, address="203.0.113.7").get("/metrics").status_code == 403
    assert _client(small_service, address="testclient").get("/metrics").status_code == 403


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Host", "Forwarded", "Via"])
def test_what_comes_through_a_proxy_of_this_machine_does_not_come_from_it(small_service: Service, name: str):
    assert _client(small_service).get("/metrics", headers={name: "127.0.0.1"}).status_code == 403


def test_with_a_token_it_answers_whoever_has_it(small_service: Service):
    client = _client(small_service, address="203.0.113.7", token="hunter2")
    for right in ("Bearer hunter2", "bearer hunter2", "Bearer  hunter2", "Bearer hunter2 "):
        assert client.get("/metrics", headers={"Authorization": right}).status_code == 200
    for wrong in (None, "Bearer hunter3", "hunter2", "Basic hunter2", "Bearer\thunter2", "Bearer ", "Bearer", ""):
        refused = client.get("/metrics", headers={} if wrong is None else {"Authorization": wrong})
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert "roomkey_" not in refused.text
    here = _client(small_service, token="hunter2")
    assert here.get("/metrics").status_code == 401


def test_it_answers_while_the_database_does_not(small_service: Service, monkeypatch):
    async def fails(*_: object) -> None:
        raise TimeoutError

    monkeypatch.setattr(small_service, "view", fails)
    page = _client(small_service).get("/metrics")
    assert page.status_code == 200
    assert "roomkey_database_up 0.0" in page.text
