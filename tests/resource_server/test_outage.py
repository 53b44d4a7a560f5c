"""Floods and outages at the API: what is known stays quick and good."""

import json

import pytest
from tests.resource_server.rejections import reason

import roomkey
from roomkey.jose import KeySetLimits, base64url
from roomkey.jose.compact import Header


@pytest.mark.slow
def test_ten_thousand_unknown_keys_cause_one_fetch_per_cooldown(  # validator 47
    issuer, validator, clock, asked
) -> None:
    good = issuer.token()
    validator.validate(good)
    claims = json.dumps(issuer.keys.claims(good)).encode()
    tail = issuer.keys.forge({"alg": "ES256", "typ": "at+jwt", "kid": "0"}, claims).partition(".")[2]
    for number in range(10_000):
        header = json.dumps({"alg": "ES256", "typ": "at+jwt", "kid": f"random-{number}"}).encode()
        token = f"{base64url.encode(header).decode()}.{tail}"
        assert reason(lambda t=token: validator.validate(t)) == "unknown_key"
        if number % 1000 == 0:
            assert validator.validate(good).subject == "reports"
    assert asked("/jwks") == 2  # the first fetch, and the one that the first unknown name is worth
    clock.advance(31.0)
    assert reason(lambda: validator.validate(token)) == "unknown_key"
    assert asked("/jwks") == 3


@pytest.mark.parametrize("remembered", [0, 100])
def test_no_request_is_rejected_while_the_issuer_is_down_for_longer_than_its_keys_live(  # validator 48
    issuer, make_validator, clock, remembered
) -> None:
    issuer.lifetime = 100_000
    validator = make_validator(remembered=remembered)
    validator.validate(issuer.token())
    issuer.faulty = {"keys", "metadata"}
    issuer.outage(503)
    tokens = [issuer.token() for _ in range(5)]
    for _ in range(40):
        clock.advance(60.0)
        for token in tokens:
            assert validator.validate(token).subject == "reports"
    clock.advance(4_000.0)
    with pytest.raises(roomkey.KeysUnavailable):
        validator.validate(tokens[0])
    issuer.recover()
    clock.advance(60.0)
    assert validator.validate(tokens[0]).subject == "reports"


def test_discovery_is_part_of_the_time_that_a_fetch_may_take(issuer) -> None:  # validator 50
    issuer.faulty, issuer.delay = {"metadata", "keys"}, 0.7
    keys = roomkey.KeySet.discover(issuer.url, limits=KeySetLimits(fetch=1.0))
    with pytest.raises(roomkey.KeysUnavailable) as caught:
        keys.find(Header("ES256", issuer.keys.signing.key_id))
    assert caught.value.reason == "timeout"


def test_a_new_key_is_taken_at_once_and_causes_one_fetch(issuer, validator, asked) -> None:  # validator 51
    validator.validate(issuer.token())
    issuer.keys.rotate()
    for _ in range(10):
        assert validator.validate(issuer.token()).subject == "reports"
    assert asked("/jwks") == 2
