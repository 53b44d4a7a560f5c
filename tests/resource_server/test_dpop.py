"""A token that is bound to a key is good for the holder of that key (RFC 9449)."""

import asyncio
from collections.abc import Callable, Sequence

import pytest
import trio
from tests.resource_server.dpop_api import API, ORIGIN, SECRET, URI
from tests.resource_server.rejections import reason

import roomkey
from roomkey.errors import ConfigurationError
from roomkey.testing import DPoPKey, FakeClock, Issuer


def test_a_bound_token_with_a_proof_for_each_request_is_valid(api: API) -> None:  # validator 45
    for scheme in ("DPoP", "dpop", "DPOP"):
        assert api.get(api.proof(), scheme=scheme).subject == "reports"


def test_a_bound_token_sent_as_bearer_is_rejected(api: API) -> None:  # validator 45
    for proofs in ((), (api.proof(),)):
        with pytest.raises(roomkey.InvalidToken) as caught:
            api.get(*proofs, scheme="Bearer")
        assert (caught.value.reason, caught.value.scheme) == ("bound_to_a_key", "DPoP")
    assert reason(lambda: api.validator.validate(api.token)) == "bound_to_a_key"


def test_a_token_that_is_bound_to_no_key_is_rejected_by_the_scheme_dpop(api: API) -> None:  # validator 45
    bearer = api.issuer.token()
    for _ in range(2):  # the second one is known already
        assert api.get(token=bearer, scheme="Bearer").subject == "reports"
        proof = api.key.proof("GET", URI, bearer)
        assert reason(lambda: api.get(proof, token=bearer)) == "bound_to_no_key"  # noqa: B023


def test_without_dpop_a_bound_token_is_rejected_however_it_comes(issuer: Issuer, validator) -> None:  # validator 45
    key = DPoPKey()
    token = issuer.token(cnf=key.confirmation)
    shown = roomkey.DPoPRequest([key.proof("GET", URI, token)], method="GET", path="/orders")
    assert reason(lambda: validator.authorize([f"Bearer {token}"], proof=shown)) == "bound_to_a_key"
    assert reason(lambda: validator.authorize([f"DPoP {token}"], proof=shown), roomkey.TokenMissing) == "other_scheme"
    with pytest.raises(ConfigurationError, match="dpop="):
        validator.validate(token, proof=shown)


def test_one_request_may_be_validated_more_than_once(api: API) -> None:
    presented = roomkey.DPoPRequest([api.proof()], method="GET", path="/orders")

    def validated(validator: roomkey.TokenValidator, token: str = api.token) -> roomkey.Claims:
        return validator.authorize([f"DPoP {token}"], proof=presented)

    another, stricter = api.made(), api.made(algorithms=["EdDSA"])
    for validator in (api.validator, api.validator, another, api.validator, another):  # each has a store of its own
        assert validated(validator).subject == "reports"
    assert reason(lambda: validated(stricter), roomkey.InvalidDPoPProof) == "algorithm_not_allowed"
    second = api.issuer.token(cnf=api.key.confirmation)
    assert reason(lambda: validated(api.validator, second), roomkey.InvalidDPoPProof) == "wrong_token"
    assert validated(api.validator)


@pytest.mark.parametrize("run", [asyncio.run, lambda coroutine: trio.run(lambda: coroutine)], ids=["asyncio", "trio"])
def test_it_is_the_same_on_an_event_loop(api: API, run) -> None:
    presented = roomkey.DPoPRequest([api.proof()], method="GET", path="/orders")
    again = roomkey.DPoPRequest(presented.headers, method="GET", path="/orders")
    assert run(api.validator.authorize_async([f"DPoP {api.token}"], proof=presented)).subject == "reports"
    with pytest.raises(roomkey.InvalidDPoPProof):
        run(api.validator.authorize_async([f"DPoP {api.token}"], proof=again))


@pytest.fixture
def introspecting(issuer: Issuer, clock: FakeClock) -> Callable[..., API]:
    def make(mode: str, cnf: dict[str, str] | None) -> API:
        account = issuer.add_client("orders-api", grants=())
        api = API(issuer, clock)
        api.validator = roomkey.TokenValidator(
            issuer=issuer.url,
            audience=issuer.audience,
            clock=clock,
            dpop=roomkey.DPoP(ORIGIN),
            introspection=roomkey.Introspection(
                client_id=account.client_id,
                client_secret=account.client_secret,
                mode=mode,  # type: ignore[arg-type]
            ),
        )
        bound = api.key.confirmation if cnf is None else cnf
        issuer.introspection_shape = lambda members: members | ({"cnf": bound} if bound else {})
        return api

    return make


def test_an_opaque_token_is_bound_by_what_the_auth_service_says(introspecting: Callable[..., API]) -> None:
    api = introspecting("local", None)
    api.issuer.opaque = True
    api.token = api.issuer.issue()
    assert api.get(api.proof()).subject == "reports"
    assert reason(lambda: api.get(scheme="Bearer")) == "bound_to_a_key"
    stranger = DPoPKey(clock=api.clock).proof("GET", URI, api.token)
    assert reason(lambda: api.get(stranger)) == "bound_to_a_key"


def test_a_token_that_both_bind_needs_one_proof_that_serves_both(introspecting: Callable[..., API]) -> None:
    api = introspecting("both", None)
    assert api.get(api.proof()).subject == "reports"
    other = introspecting("both", DPoPKey().confirmation)
    assert reason(lambda: other.get(other.proof())) == "bound_to_a_key"
    silent = introspecting("both", {})
    assert silent.get(silent.proof()).subject == "reports"
    assert reason(lambda: silent.get(scheme="Bearer")) == "bound_to_a_key"


@pytest.mark.parametrize(
    "origins",
    [
        (),
        "",
        "orders.example",
        "http://orders.example",
        "https://orders.example/v1",
        "https://orders.example?a",
        "https://me@orders.example",
        "https://orders.example#a",
        [URI],
    ],
)
def test_origins_are_origins(origins: str | Sequence[str]) -> None:
    with pytest.raises(ConfigurationError, match="origins="):
        roomkey.DPoP(origins)


@pytest.mark.parametrize(
    ("settings", "error", "match"),
    [
        ({"algorithms": ["ES256", "HS256"]}, ConfigurationError, "asymmetric"),
        ({"algorithms": ["none"]}, ValueError, "algorithms="),
        ({"algorithms": []}, ValueError, "algorithms="),
        ({"algorithms": "ES256"}, TypeError, "algorithms="),
        ({"lifetime": 0}, ValueError, "lifetime="),
        ({"lifetime": float("nan")}, TypeError, "lifetime="),
        ({"lifetime": float("inf")}, TypeError, "lifetime="),
        ({"lifetime": True}, TypeError, "lifetime="),
        ({"leeway": -1.0}, ValueError, "leeway="),
        ({"leeway": 301}, ValueError, "leeway="),
        ({"nonce_lifetime": 0.1}, ValueError, "nonce_lifetime="),
        ({"nonce_secret": "short"}, ConfigurationError, "nonce_secret="),
    ],
)
def test_settings_that_cannot_be_right_are_reported_at_once(settings, error, match) -> None:
    with pytest.raises(error, match=match):
        roomkey.DPoP(ORIGIN, **settings)
    with pytest.raises(TypeError, match="dpop="):
        roomkey.TokenValidator(issuer="https://auth.example", audience="a", dpop=ORIGIN)  # type: ignore[arg-type]


def test_an_api_may_take_fewer_algorithms(api_with: Callable[..., API]) -> None:
    api = api_with(algorithms=["EdDSA"])
    assert api.rejection(api.proof()) == "algorithm_not_allowed"


def test_nothing_shows_a_token_a_proof_or_a_secret(api: API) -> None:
    presented = roomkey.DPoPRequest([api.proof()], method="GET", path="/orders")
    shown = f"{presented} {roomkey.DPoP(ORIGIN, nonce_secret=SECRET)} {roomkey.MemoryReplayStore()} {api.key}"
    assert (
        shown == "DPoPRequest(GET '/orders') DPoP(https://orders.example) MemoryReplayStore(0 of 100000) DPoPKey(ES256)"
    )
