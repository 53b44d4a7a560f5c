"""The exact-path table: paths are served as they are written, or not at all; no router or exception handler around."""

import json
import logging

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from tests.authorization_server.oauth_service import FORM, error_of

from roomkey.authorization_server.server.access_log import ACCESS
from roomkey.authorization_server.web.endpoint import Endpoint, ExactPaths
from roomkey.authorization_server.web.request_response import RawResponse

JWKS = "/oauth2/jwks"


@pytest.fixture
def logged(caplog):
    """The fields of each line of the access log."""
    caplog.set_level(logging.INFO, ACCESS.name)
    return lambda: [record.fields for record in caplog.records if record.name == ACCESS.name]


@pytest.mark.parametrize(
    ("path", "allowed"),
    [
        ("/oauth2/token", "POST"),
        ("/oauth2/introspect", "POST"),
        ("/oauth2/revoke", "POST"),
        ("/oauth2/held-keys", "POST"),
        (JWKS, "GET, HEAD"),
        ("/oauth2/deny-list", "GET, HEAD"),
        ("/oauth2/status-list", "GET, HEAD"),
        ("/.well-known/oauth-authorization-server", "GET, HEAD"),
        ("/.well-known/openid-configuration", "GET, HEAD"),
    ],
)
def test_another_method_is_answered_405_with_allow_and_logged_with_its_route(oauth, logged, path, allowed):
    methods = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
    for method in methods:
        answer = oauth.ask(method, path)
        assert (answer.status_code == 405) is (method not in allowed.split(", ")), method
        if answer.status_code == 405:
            assert (answer.headers["allow"], answer.headers["content-length"], answer.content) == (allowed, "0", b"")
            assert answer.headers["cache-control"] == "no-store"
        line = logged()[-1]
        assert (line["route"], line["method"], line["status"]) == (path, method, answer.status_code)
        assert line["request_id"] == answer.headers["x-request-id"]
    assert len(logged()) == len(methods)


@pytest.mark.parametrize(
    "path",
    [
        "/oauth2/jwks/",
        "//oauth2/jwks",
        "/oauth2//jwks",
        "/OAuth2/jwks",
        "/oauth2/JWKS",
        "/oauth2/jwks%0a",
        "/oauth2/jwks%00",
        "/oauth2/jwks;x",
        "/oauth2/jwks%3Fx",
        "/oauth2",
        "/oauth2/",
    ],
)
def test_an_unknown_path_is_answered_404_and_not_logged(oauth, logged, path):
    answer = oauth.ask("GET", oauth.service.settings.issuer + path)
    assert answer.status_code == 404
    assert [(line["route"], line["status"]) for line in logged()] == [("-", 404)]


def test_the_query_is_no_part_of_the_path(oauth):
    assert oauth.ask("GET", JWKS + "?x=1").json() == oauth.ask("GET", JWKS).json()
    assert error_of(oauth.ask("POST", "/oauth2/token?x=1", content=b"a=1", headers=FORM)) == (400, "invalid_request")


def test_all_other_paths_are_the_routers(oauth, logged):
    assert oauth.ask("GET", "/health").status_code == 200
    assert oauth.ask("GET", "/oauth2/authorize").headers["content-type"].startswith("text/html")
    assert [line["route"] for line in logged()] == ["/health", "/oauth2/authorize"]


def test_a_condition_that_holds_is_answered_without_a_body_and_its_length(oauth):
    """A cache would take the length for that of the document (RFC 9110 section 8.6)."""
    etag = oauth.ask("GET", JWKS).headers["etag"]
    answer = oauth.ask("GET", JWKS, headers={"if-none-match": etag})
    assert (answer.status_code, answer.content) == (304, b"")
    assert "content-length" not in answer.headers


@pytest.mark.parametrize(
    ("prefix", "path", "status"),
    [
        ("/auth", "/auth/oauth2/jwks", 200),
        ("/auth/v1", "/auth/v1/oauth2/jwks", 200),
        ("/oauth2", "/oauth2/oauth2/jwks", 200),
        ("/auth", "/oauth2/jwks", 200),  # a proxy took the prefix off, and told so
        ("/auth", "/authoauth2/jwks", 404),
        ("/auth", "/auth/auth/oauth2/jwks", 404),
        ("/auth", "/auth", 404),
    ],
)
def test_a_prefix_is_no_part_of_the_path(oauth, prefix, path, status):
    async def asked() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=oauth.app, root_path=prefix)
        async with httpx2.AsyncClient(transport=transport, base_url="http://a") as http:
            return await http.get(path)

    assert oauth.run(asked()).status_code == status


def test_a_mounted_service_is_served_and_logged_with_where_it_is(oauth, logged):
    outer = Starlette(routes=[Mount("/auth", app=oauth.app)])

    async def asked(path: str) -> int:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=outer), base_url="http://a") as http:
            return (await http.get(path)).status_code

    assert [oauth.run(asked(path)) for path in ("/auth/oauth2/jwks", "/oauth2/jwks")] == [200, 404]
    assert [line["route"] for line in logged()] == ["/auth/oauth2/jwks"]


def test_a_failure_outside_of_the_endpoints_own_care_is_answered_all_the_same(oauth, logged, caplog):  # auth service 58
    sent = []

    async def receive():
        raise OSError("hunter2")

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/oauth2/token", "query_string": b""}
    oauth.run(oauth.app(scope | {"headers": [(b"host", b"a")]}, receive, send))
    assert sent[0]["status"] == 500
    assert json.loads(sent[1]["body"])["error"] == "server_error"
    assert [(line["route"], line["status"]) for line in logged()] == [("/oauth2/token", 500)]
    assert "hunter2" not in caplog.text


def test_what_is_no_request_goes_on(oauth):
    passed = []

    async def app(scope, receive, send):
        passed.append(scope["type"])

    async def nothing(request):
        return RawResponse(200)

    table = ExactPaths(app, [Route("/a", Endpoint(nothing, methods=frozenset({"GET"})))])
    for kind in ("lifespan", "websocket"):
        oauth.run(table({"type": kind, "path": "/a"}, None, None))
    assert passed == ["lifespan", "websocket"]
