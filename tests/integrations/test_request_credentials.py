"""A request is one request, however many parts of an application judge it, and its path is the whole one."""

import io
from typing import Any

import anyio
import flask
import pytest
from django.conf import settings
from django.core.handlers.asgi import ASGIRequest
from django.test.utils import override_settings
from fastapi import Depends, FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

import roomkey
from roomkey.integrations.asgi import BearerTokenMiddleware
from roomkey.integrations.django import authorize
from roomkey.integrations.fastapi import BearerToken
from roomkey.integrations.flask import BearerToken as FlaskBearerToken
from roomkey.integrations.request_credentials import RequestCredentials
from roomkey.testing import DPoPKey, Issuer

ORIGIN = "https://orders.example"


@pytest.fixture
def validator(issuer: Issuer) -> roomkey.TokenValidator:
    return roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience, dpop=roomkey.DPoP(ORIGIN))


@pytest.fixture
def key() -> DPoPKey:
    return DPoPKey()


@pytest.fixture
def token(issuer: Issuer, key: DPoPKey) -> str:
    return issuer.token(cnf=key.confirmation)


def http_scope(path: str, headers: dict[str, str], root_path: str = "") -> dict[str, Any]:
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {
        "type": "http",
        "method": "GET",
        "path": path,
        "root_path": root_path,
        "query_string": b"",
        "headers": encoded,
    }


def test_a_middleware_a_mounted_application_and_its_dependencies_spend_one_proof_once(
    validator: roomkey.TokenValidator, key: DPoPKey, token: str
) -> None:
    auth = BearerToken(validator)
    inner = FastAPI(dependencies=[Depends(auth)])
    inner.get("/orders", dependencies=[Depends(auth.require(scopes=["orders:read"])), Depends(auth.require())])(
        lambda: None
    )
    app = BearerTokenMiddleware(Starlette(routes=[Mount("/v1", inner)]), validator)

    def status(proof: str) -> int:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        anyio.run(app, http_scope("/v1/orders", {"Authorization": f"DPoP {token}", "DPoP": proof}), receive, send)
        return int(sent[0]["status"])

    proof = key.proof("GET", f"{ORIGIN}/v1/orders", token)
    assert [status(proof), status(proof)] == [200, 401]
    assert status(key.proof("GET", f"{ORIGIN}/orders", token)) == 401


def test_flask_below_a_prefix_is_addressed_with_it_and_validates_a_request_once_or_more(
    validator: roomkey.TokenValidator, key: DPoPKey, token: str
) -> None:
    auth, app = FlaskBearerToken(validator), flask.Flask(__name__)
    app.before_request(auth.require()(lambda: None))
    app.get("/orders")(auth.require(scopes=["orders:read"])(lambda: "seen"))

    def status(path: str, proof: str) -> int:
        headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
        return app.test_client().get("/orders", base_url=f"http://localhost{path}", headers=headers).status_code

    proof = key.proof("GET", f"{ORIGIN}/v1/orders", token)
    with app.app_context():  # one that outlives the requests in it
        assert [status("/v1", proof), status("/v1", proof)] == [200, 401]
    assert status("/v1", key.proof("GET", f"{ORIGIN}/orders", token)) == 401
    assert status("", key.proof("GET", f"{ORIGIN}/orders", token)) == 200


def test_django_below_a_prefix_is_addressed_with_it_and_validates_a_request_once_or_more(
    validator: roomkey.TokenValidator, key: DPoPKey, token: str
) -> None:
    if not settings.configured:
        settings.configure()
    proof = key.proof("GET", f"{ORIGIN}/v1/orders", token)
    scope = http_scope("/v1/orders", {"Authorization": f"DPoP {token}", "DPoP": proof}, root_path="/v1")
    with override_settings(ROOMKEY={"VALIDATOR": validator}):
        request = ASGIRequest(scope, io.BytesIO())
        for _ in range(2):
            assert isinstance(authorize(request, roomkey.Requirements()), roomkey.Claims)
        assert isinstance(authorize(ASGIRequest(scope, io.BytesIO()), roomkey.Requirements()), roomkey.InvalidDPoPProof)


def test_its_repr_shows_nothing(token: str) -> None:
    assert repr(RequestCredentials([f"Bearer {token}"], f"access_token={token}")) == "RequestCredentials(…)"
