"""Flask's decorator against a real issuer, which is asked where a view wants a fresh answer."""

from collections.abc import Callable

import flask
import pytest

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.integrations.flask import BearerToken
from roomkey.testing import Issuer


@pytest.fixture
def get(issuer: Issuer) -> Callable[[str, str], int]:
    """The status of one request with a token: ``/orders`` trusts a good signature, ``/payments`` asks."""
    account = issuer.add_client("orders-api", grants=())
    introspection = roomkey.Introspection(
        client_id=account.client_id, client_secret=account.client_secret, mode="local"
    )
    auth = BearerToken(roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience, introspection=introspection))
    app = flask.Flask(__name__)

    @app.get("/orders")
    @auth.require(scopes=["orders:read"])
    def orders() -> str:
        return str(flask.g.claims.subject)

    @app.get("/payments")
    @auth.require(scopes=["orders:read"], fresh=True)
    def payments() -> str:
        return str(flask.g.claims.subject)

    def answered(path: str, token: str) -> int:
        return app.test_client().get(path, headers={"Authorization": f"Bearer {token}"}).status_code

    return answered


def asked(issuer: Issuer) -> int:
    return sum(path.endswith("/introspect") for _, path in issuer.other_requests)


def test_a_view_that_wants_a_fresh_answer_asks_the_issuer_every_time(
    get: Callable[[str, str], int], issuer: Issuer
) -> None:
    token = issuer.token()
    assert [get("/orders", token), asked(issuer)] == [200, 0]
    assert [get("/payments", token), asked(issuer)] == [200, 1]
    assert [get("/payments", token), asked(issuer)] == [200, 2]
    issuer.revoke(token)
    assert [get("/payments", token), asked(issuer)] == [401, 3]
    assert [get("/orders", token), asked(issuer)] == [200, 3]


def test_an_issuer_that_cannot_be_asked_is_a_503_for_those_views_alone(
    get: Callable[[str, str], int], issuer: Issuer
) -> None:
    token = issuer.token()
    assert get("/orders", token) == 200
    issuer.faulty = {"introspection"}
    issuer.outage()
    assert get("/payments", token) == 503
    assert get("/orders", token) == 200


def test_a_view_that_wants_an_answer_no_one_can_give_is_reported_when_it_is_declared(issuer: Issuer) -> None:
    auth = BearerToken(roomkey.TokenValidator(issuer=issuer.url, audience=issuer.audience))
    with pytest.raises(ConfigurationError, match="introspection="):
        auth.require(fresh=True)
