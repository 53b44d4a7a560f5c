"""An app behind a proxy that takes a prefix away (root path, SCRIPT_NAME): all is where its routes say."""

from collections.abc import Iterator

import pytest
from tests.integrations.protected.protected_app import PROGRAMS, ProtectedApp
from tests.jose.key_server import KeyServer

from roomkey.testing import DPoPKey, Issuer

pytestmark = pytest.mark.slow


@pytest.fixture(params=PROGRAMS)
def prefixed(request: pytest.FixtureRequest, issuer: Issuer, second: KeyServer) -> Iterator[ProtectedApp]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SERVED_BY", "asgi" if request.param == "django-asgi" else "wsgi")
        environment.setenv("ROOT_PATH", "/shop")
        running = ProtectedApp(request.param, issuer, second.origin)
    yield running
    assert running.stop() == 0


def test_public_routes_metadata_and_proofs_are_where_they_were(prefixed: ProtectedApp) -> None:
    assert prefixed.get("/health").status == 200
    described = prefixed.get("/.well-known/oauth-protected-resource")
    assert (described.status, described.json["resource"]) == (200, "https://orders.example")
    assert prefixed.get("/orders").status == 401
    assert prefixed.get("/orders", prefixed.bearer()).status == 200

    key = DPoPKey()
    token = prefixed.token(cnf=key.confirmation)
    url = "https://orders.example/shop/orders"  # as the client knows it
    nonce = prefixed.get("/orders", f"DPoP {token}", dpop=[key.proof("GET", url, token)]).headers["dpop-nonce"]
    for claimed, status in ((url, 200), ("https://orders.example/orders", 401)):
        proof = key.proof("GET", claimed, token, nonce=nonce)
        assert prefixed.get("/orders", f"DPoP {token}", dpop=[proof]).status == status, claimed
