"""A proof carries the API's nonce where the API asks for one (RFC 9449 section 9)."""

from collections.abc import Callable

import pytest
from tests.resource_server.dpop_api import API, SECRET
from tests.resource_server.rejections import reason

import roomkey


def asked_nonce(api: API, **changes: object) -> str:
    with pytest.raises(roomkey.DPoPNonceRequired) as caught:
        api.get(api.proof(**changes))
    assert (caught.value.status, caught.value.code, caught.value.scheme) == (401, "use_dpop_nonce", "DPoP")
    return caught.value.nonce


def test_a_proof_is_made_again_with_the_nonce_of_the_api(api_with: Callable[..., API]) -> None:  # validator 45
    api = api_with(nonce_secret=SECRET)
    nonce = asked_nonce(api)
    assert api.get(api.proof(nonce=nonce))
    assert api.get(api.proof(nonce=nonce))  # a nonce serves many proofs, each of them once
    for wrong in ("", "x", nonce[:-1], nonce + "A", "\u00e9", nonce.swapcase()):
        assert asked_nonce(api, nonce=wrong) == nonce
    with pytest.raises(roomkey.InvalidDPoPProof):
        api.get(api.proof(nonce=1))


def test_a_nonce_ends(api_with: Callable[..., API]) -> None:  # validator 45
    api = api_with(nonce_secret=SECRET, nonce_lifetime=100.0)
    nonce = asked_nonce(api)
    api.clock.advance(100.0)
    assert api.get(api.proof(nonce=nonce))
    api.clock.advance(100.0)
    assert asked_nonce(api, nonce=nonce) != nonce


def test_processes_with_one_secret_take_each_others_nonces_and_others_do_not(api_with: Callable[..., API]) -> None:
    first, second = api_with(nonce_secret=SECRET), api_with(nonce_secret=roomkey.Secret(SECRET))
    nonce = asked_nonce(first)
    assert second.get(second.proof(nonce=nonce))
    rotated = api_with(nonce_secret=SECRET[::-1])
    fresh = asked_nonce(rotated, nonce=nonce)
    assert fresh != nonce
    assert rotated.get(rotated.proof(nonce=fresh))
    late = api_with(nonce_secret=SECRET, nonce_lifetime=100.0)
    early = asked_nonce(late)
    late.clock.step_wall(-100.0)
    assert late.get(late.proof(nonce=early))  # another machine's clock goes ahead


def test_a_wrong_proof_learns_no_nonce(api_with: Callable[..., API]) -> None:
    api = api_with(nonce_secret=SECRET)
    assert api.rejection(api.proof(htm="POST")) == "wrong_method"
    assert reason(lambda: api.get(scheme="Bearer")) == "bound_to_a_key"
