"""A token that was verified is known again, until it ends, its key is withdrawn or it is revoked."""

import os

import pytest
from tests.resource_server.rejections import reason

import roomkey
from roomkey.jose.verification_key import check_signature
from roomkey.resource_server import validator as validator_module
from roomkey.resource_server.issuer import NOT_NAMED
from roomkey.resource_server.verified_tokens import VerifiedTokens


@pytest.fixture
def checks(monkeypatch) -> list[object]:
    """Every signature that was really looked at."""
    seen: list[object] = []

    def counted(compact, keys):
        seen.append(compact)
        return check_signature(compact, keys)

    monkeypatch.setattr(validator_module, "check_signature", counted)
    return seen


def test_a_token_seen_before_is_not_verified_again(issuer, validator, checks) -> None:
    token = issuer.token()
    first = validator.validate(token)
    assert validator.validate(token) is first
    assert len(checks) == 1


def test_every_byte_of_a_token_counts(issuer, validator, checks) -> None:  # validator 52
    token = issuer.token()
    validator.validate(token)
    other = "A" if token[-20] != "A" else "B"
    assert reason(lambda: validator.validate(token[:-20] + other + token[-19:])) == "bad_signature"
    assert reason(lambda: validator.validate(token[:40])) == "malformed"
    assert len(checks) == 2


def test_a_token_known_at_one_api_is_a_stranger_at_another(issuer, make_validator) -> None:  # validator 52
    token, keys = issuer.token(), roomkey.KeySet.static(issuer.keys.jwks())
    orders, billing = make_validator(keys=keys), make_validator(keys=keys, audience="billing-api")
    for _ in range(2):
        assert orders.validate(token).subject == "reports"
        assert reason(lambda: billing.validate(token)) == "wrong_audience"
        assert reason(lambda: make_validator(keys=keys, algorithms=["RS256"]).validate(token)) == (
            "algorithm_not_allowed"
        )


def test_a_known_token_ends_in_time(issuer, validator, clock) -> None:  # validator 52
    token = issuer.token(exp=int(clock.wall()) + 50)
    validator.validate(token)
    clock.advance(79.9)
    validator.validate(token)
    clock.advance(0.1)
    assert reason(lambda: validator.validate(token)) == "expired"


def test_a_known_token_is_not_valid_before_it_begins(issuer, make_validator, clock) -> None:  # validator 33
    strict = roomkey.TrustedIssuer(audience=issuer.audience, issued_in_future=False)
    validator = make_validator(issuer={issuer.url: strict}, audience=NOT_NAMED)
    ahead = int(clock.wall()) + 1000
    for name, expected in (("nbf", "not_yet_valid"), ("iat", "issued_in_future")):
        token = issuer.token(**{name: ahead}, exp=ahead + 1000)
        clock.step_wall(970.0)
        assert validator.validate(token).subject == "reports"
        clock.step_wall(-970.0)
        assert reason(lambda t=token: validator.validate(t)) == expected


def test_a_known_token_dies_with_its_key(issuer, validator, clock) -> None:  # validator 51
    issuer.lifetime = 10_000
    token = issuer.token()
    validator.validate(token)
    withdrawn = issuer.keys.signing.key_id
    issuer.keys.rotate()
    issuer.keys.withdraw(withdrawn)
    validator.validate(token)  # nobody has heard of it yet
    clock.advance(301.0)
    assert reason(lambda: validator.validate(token)) == "unknown_key"
    assert validator.validate(issuer.token()).subject == "reports"


def test_no_more_are_known_than_allowed(issuer, make_validator, checks) -> None:
    validator = make_validator(remembered=32)
    tokens = [issuer.token() for _ in range(100)]
    for token in tokens:
        validator.validate(token)
    assert len(validator._verified_tokens) <= 32
    validator.validate(tokens[-1])
    assert len(checks) == 100
    validator.validate(tokens[0])
    assert len(checks) == 101


def test_tokens_that_have_ended_make_room_first(issuer, make_validator, clock, checks) -> None:
    validator = make_validator(remembered=4)
    lasting = issuer.token(exp=int(clock.wall()) + 10_000)
    validator.validate(lasting)
    for _ in range(3):
        validator.validate(issuer.token(exp=int(clock.wall()) + 10))
    clock.advance(60.0)
    for _ in range(3):
        validator.validate(issuer.token())
    count = len(checks)
    validator.validate(lasting)
    assert len(checks) == count


def test_nothing_is_known_where_nothing_may_be(issuer, make_validator, checks) -> None:
    validator = make_validator(remembered=0)
    token = issuer.token()
    validator.validate(token)
    validator.validate(token)
    assert len(checks) == 2


def test_what_was_rejected_is_not_known(issuer, validator, checks) -> None:
    token = issuer.token(aud="other")
    for _ in range(2):
        assert reason(lambda: validator.validate(token)) == "wrong_audience"
    assert len(validator._verified_tokens) == 0


def test_the_claims_of_one_request_cannot_be_changed_for_the_next(issuer, validator) -> None:
    token = issuer.token(roles=["clerk"], address={"city": "Ulm", "lines": ["a"]})
    claims = validator.validate(token)
    for attempt in (
        lambda: setattr(claims, "roles", {"admin"}),
        lambda: delattr(claims, "scopes"),
        lambda: claims["roles"].append("admin"),
        lambda: claims["address"].update(city="Bonn"),
        lambda: claims["address"]["lines"].append("b"),
        lambda: claims.update(sub="admin"),
    ):
        with pytest.raises((AttributeError, TypeError)):
            attempt()
    copy = claims.as_dict()
    copy["address"]["lines"].append("b")
    assert copy["roles"] == ["clerk"]
    assert validator.validate(token)["address"]["lines"] == ("a",)


def test_a_child_process_knows_what_its_parent_knew(issuer, validator) -> None:
    token = issuer.token()
    validator.validate(token)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            answer = validator.validate(token).subject or ""
            validator.validate(issuer.token())  # and has locks of its own for what is new
        except BaseException as error:
            answer = repr(error)
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as pipe:
        assert pipe.read() == "reports"
    os.waitpid(child, 0)


@pytest.mark.slow
def test_a_lock_that_was_held_at_a_fork_is_free_in_the_child() -> None:
    known = VerifiedTokens(4)
    with known._lock:
        child = os.fork()
        if child == 0:
            os._exit(0 if known._lock.acquire(timeout=2.0) else 1)
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.slow
def test_its_repr_shows_no_claim_but_whose_it_is(issuer, validator) -> None:
    token = issuer.token(secret_claim="hush")
    validator.validate(token)
    shown = repr(next(iter(validator._verified_tokens._tokens.values())))
    assert "hush" not in shown
    assert isinstance(validator, roomkey.TokenValidator)
