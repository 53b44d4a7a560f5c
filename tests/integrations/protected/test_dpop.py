"""Tokens that are bound to a key, in every framework: the same proofs, the same answers (validator 45)."""

from collections.abc import Callable

import pytest
from tests.integrations.protected.protected_app import Answered, ProtectedApp
from tests.integrations.protected.test_protected_apps import INVALID, METADATA, REALM
from websockets.sync.client import connect

from roomkey.oauth.challenge import parse_challenges
from roomkey.testing import DPoPKey

pytestmark = pytest.mark.slow

ORIGIN = "https://orders.example"
OFFERED = 'algs="ES256"'


class Caller:
    """A client with a key, a token that is bound to it, and the API's nonce."""

    def __init__(self, app: ProtectedApp) -> None:
        self.app, self.key = app, DPoPKey()
        self.token = app.token(cnf=self.key.confirmation)
        self.nonce: str | None = None
        self.nonce = self.get("/orders").headers["dpop-nonce"]

    def proof(self, path: str, method: str = "GET", **changes: object) -> str:
        return self.key.proof(method, ORIGIN + path, self.token, **({"nonce": self.nonce} | changes))

    def get(self, path: str, *proofs: str, scheme: str = "DPoP", **request: str) -> Answered:
        """A request with these proofs, or with a right one where there is none."""
        shown = proofs or (self.proof(path, request.get("method", "GET")),)
        return self.app.get(path, f"{scheme} {self.token}", dpop=shown, **request)


@pytest.fixture
def caller(app: ProtectedApp) -> Caller:
    return Caller(app)


def rejected(answered: Answered, error: str) -> bool:
    """Whether an answer is the 401 with this error, and its one challenge that of DPoP."""
    (challenge,) = parse_challenges([answered.challenge or ""])
    assert (answered.status, answered.error) == (401, error), answered.body
    assert answered.headers["cache-control"] == "no-store"
    found = [challenge.parameter(name) for name in ("realm", "error", "algs")]
    return challenge.scheme == "dpop" and found == ["orders", error, "ES256"]


def test_a_bound_token_with_its_proof_brings_its_claims_to_the_route(caller: Caller) -> None:
    for scheme in ("DPoP", "dpop"):
        answered = caller.get("/orders", scheme=scheme)
        assert answered.status == 200, answered.body
        assert answered.json == {"subject": "alice", "client_id": "reports", "scopes": ["orders:read"]}
    assert caller.get("/orders?page=2#top", caller.proof("/orders")).status == 200
    assert caller.get("/tenants/acme/orders").status == 403


def test_a_proof_without_the_nonce_of_the_api_gets_one(caller: Caller) -> None:
    for wrong in (None, "x"):
        answered = caller.get("/orders", caller.proof("/orders", nonce=wrong))
        assert rejected(answered, "use_dpop_nonce")
        assert answered.headers["dpop-nonce"] == caller.nonce


def test_a_bound_token_sent_as_bearer_is_rejected(caller: Caller) -> None:
    answered = caller.get("/orders", scheme="Bearer")
    assert rejected(answered, "invalid_token")
    assert answered.challenge == f'DPoP {REALM}, {INVALID}, {METADATA}, algs="ES256"'
    assert rejected(caller.app.get("/orders", f"Bearer {caller.token}"), "invalid_token")


def test_a_bearer_token_sent_by_dpop_is_rejected(caller: Caller) -> None:
    caller.token = caller.app.token()
    assert rejected(caller.get("/orders"), "invalid_token")
    assert caller.get("/orders", scheme="Bearer").status == 200


def test_a_proof_is_valid_once(caller: Caller) -> None:
    proof = caller.proof("/orders")
    assert caller.get("/orders", proof).status == 200
    assert rejected(caller.get("/orders", proof), "invalid_dpop_proof")


def test_a_proof_is_valid_for_its_own_request_alone(caller: Caller) -> None:
    posted = caller.proof("/orders", "POST")
    assert rejected(caller.get("/orders", posted), "invalid_dpop_proof")
    assert rejected(caller.get("/orders", caller.proof("/admin")), "invalid_dpop_proof")
    assert rejected(
        caller.get("/orders", caller.proof("/orders", htu=f"{caller.app.url}/orders")), "invalid_dpop_proof"
    )
    for nonce in (caller.nonce, None):
        stranger = DPoPKey().proof("GET", f"{ORIGIN}/orders", caller.token, nonce=nonce)
        assert rejected(caller.get("/orders", stranger), "invalid_token")
    caller.token = caller.app.token(cnf=caller.key.confirmation, scope="orders:write")
    assert caller.get("/orders", method="POST", body="one", kind="text/plain").json == {"received": "one"}


@pytest.mark.parametrize("host", ["elsewhere.example", "orders.example:8443"])
def test_what_a_request_says_of_its_host_counts_for_nothing(caller: Caller, host: str) -> None:
    elsewhere = caller.proof("/orders", htu=f"https://{host}/orders")
    shown = {"X-Forwarded-Host": host, "X-Forwarded-Proto": "https", "Forwarded": f"host={host};proto=https"}
    assert rejected(caller.get("/orders", elsewhere, more=shown), "invalid_dpop_proof")
    assert caller.get("/orders", caller.proof("/orders"), more=shown).status == 200


def test_none_two_and_broken_proofs_are_rejected(caller: Caller) -> None:
    proof = caller.proof("/orders")
    assert rejected(caller.app.get("/orders", f"DPoP {caller.token}"), "invalid_dpop_proof")
    for shown in ([proof, proof], [proof, ""], ["", proof], [f"{proof},{proof}"], [""], ["x"], ["a.b.c"], [proof] * 30):
        assert rejected(caller.get("/orders", *shown), "invalid_dpop_proof"), shown
    assert rejected(caller.get("/orders", "A" * 20_000), "invalid_dpop_proof")
    assert caller.get("/orders", proof).status == 200


def test_a_malformed_header_of_the_scheme_is_a_400(caller: Caller) -> None:  # validator 40, 41
    bound = f"DPoP {caller.token}"
    for values in (
        (bound, bound),
        (f"{bound}, {bound}",),
        (f"Bearer x, {bound}",),
        ("DPoP",),
        ("DPoP ",),
        (f"{bound} x",),
    ):
        answered = caller.app.get("/orders", *values, dpop=[caller.proof("/orders")])
        assert (answered.status, answered.error) == (400, "invalid_request"), values
    elsewhere = caller.get("/orders?access_token=x", caller.proof("/orders"))
    assert (elsewhere.status, elsewhere.error) == (400, "invalid_request")


def test_a_path_with_escapes_is_one_and_the_same_however_it_is_written(caller: Caller) -> None:
    for path, htu in (("/tenants/caf%C3%A9/orders", "/tenants/caf%c3%a9/orders"), ("/tenants/a%20b/orders", None)):
        caller.token = caller.app.token(cnf=caller.key.confirmation, tenant="caf\u00e9" if htu else "a b")
        assert caller.get(path, caller.proof(htu or path)).status == 200


@pytest.mark.parametrize("name", ["asgi", "fastapi"])
def test_a_websocket_is_opened_with_a_proof_for_its_get(app_named: Callable[[str], ProtectedApp], name: str) -> None:
    caller = Caller(app_named(name))
    headers = {"Authorization": f"DPoP {caller.token}", "DPoP": caller.proof("/ws")}
    url = caller.app.url.replace("http", "ws") + "/ws"
    with connect(url, additional_headers=headers, proxy=None) as websocket:
        assert "alice" in str(websocket.recv())
