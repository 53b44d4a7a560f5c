"""One object validates every token right, whoever of the trusted issuers it comes from."""

import asyncio
import base64
import json
import logging
import threading
import traceback
from pathlib import Path

import pytest
import trio
from tests.resource_server.rejections import reason

import roomkey
from roomkey.jose.reasons import REASONS
from roomkey.testing import FakeClock, Issuer, attack_tokens
from roomkey.testing.issuer_keys import IssuerKeys


def static(keys: IssuerKeys) -> roomkey.KeySet:
    return roomkey.KeySet.static(keys.jwks())


def test_a_valid_token_becomes_its_claims(issuer, validator) -> None:
    claims = validator.validate(issuer.token(sub="alice", scope="orders:read orders:write", roles=["clerk"]))
    assert (claims.subject, claims.client_id, claims["iss"]) == ("alice", "reports", issuer.url)
    assert claims.scopes == {"orders:read", "orders:write"}
    assert claims.roles == {"clerk"}


def test_the_default_profile_takes_what_the_manager_of_this_issuer_gets(issuer, validator) -> None:
    assert validator.validate(issuer.issue()).client_id == "reports"


@pytest.mark.parametrize("remembered", [0, 100])
def test_every_attack_is_an_invalid_token_and_never_a_foreign_exception(  # validator 1-3, 17-38, 45, 46
    issuer, make_validator, remembered
) -> None:
    validator = make_validator(remembered=remembered)
    validator.validate(issuer.token())
    attacks = list(attack_tokens(issuer))
    assert len(attacks) > 100
    taken = []
    for attack in attacks * 2:  # what is rejected once is rejected again
        try:
            validator.validate(attack.token)
            taken.append(attack)
        except roomkey.InvalidToken as error:
            if error.reason not in REASONS:
                taken.append(attack)
    assert taken == []


@pytest.mark.parametrize("form", [None, 1, b"token", ["token"]])
def test_what_is_no_string_is_a_mistake_of_the_caller(validator, form) -> None:
    with pytest.raises(TypeError):
        validator.validate(form)


@pytest.mark.parametrize(
    ("change", "expected", "claim"),
    [
        ({"exp": None}, "claim_missing", "exp"),
        ({"exp": "9999999999"}, "claim_malformed", "exp"),
        ({"nbf": 1_800_000_000}, "not_yet_valid", "nbf"),
        ({"aud": "billing-api"}, "wrong_audience", "aud"),
        ({"aud": {"orders-api": 1}}, "claim_malformed", "aud"),
        ({"iss": ["x"]}, "claim_malformed", "iss"),
        ({"iss": "https://attacker.example"}, "wrong_issuer", "iss"),
        ({"scope": ["orders:read"]}, "claim_malformed", "scope"),
        ({"client_id": 7}, "claim_malformed", "client_id"),
        ({"jti": None}, "claim_missing", "jti"),
    ],
)
def test_the_error_names_the_claim(issuer, validator, change, expected, claim) -> None:  # validator 32, 35, 36, 38
    with pytest.raises(roomkey.InvalidToken) as caught:
        validator.validate(issuer.keys.sign(issuer_claims(issuer) | change if None not in change.values() else {
            name: value for name, value in (issuer_claims(issuer) | change).items() if value is not None
        }))  # fmt: skip
    assert (caught.value.reason, caught.value.claim) == (expected, claim)


def issuer_claims(issuer: Issuer) -> dict[str, object]:
    claims = issuer.keys.claims(issuer.token())
    assert claims is not None
    return claims


def test_a_token_ends_with_its_leeway(issuer, validator, clock: FakeClock) -> None:  # validator 32, 34
    token = issuer.token(exp=int(clock.wall()) + 60)
    clock.advance(89.0)
    validator.validate(token)
    clock.advance(1.0)
    assert reason(lambda: validator.validate(token)) == "expired"


@pytest.mark.parametrize("leeway", [-1, 301, float("nan"), float("inf"), "30", True])
def test_a_leeway_that_is_none_is_rejected(make_validator, leeway) -> None:  # validator 34
    with pytest.raises(ValueError, match="leeway"):
        make_validator(leeway=leeway)


def test_the_audience_must_be_named_or_given_up_on_purpose(issuer, make_validator, clock) -> None:  # validator 35
    with pytest.raises(TypeError, match="on purpose"):
        roomkey.TokenValidator(issuer=issuer.url)
    with pytest.raises(TypeError):
        roomkey.TrustedIssuer()
    with pytest.raises(ValueError, match="audiences"):
        make_validator(audience=[])
    assert make_validator(audience=None).validate(issuer.token(aud=None)).subject == "reports"
    assert make_validator(audience=["a", "orders-api"]).validate(issuer.token()).subject == "reports"


def test_an_unknown_issuer_is_rejected_before_anything_is_asked(issuer, validator) -> None:  # validator 37
    assert reason(lambda: validator.validate(issuer.token(iss="https://other.example"))) == "wrong_issuer"
    assert issuer.other_requests == []


def test_a_type_or_algorithm_that_is_not_taken_causes_no_request(issuer, validator, make_validator) -> None:
    assert reason(lambda: validator.validate(issuer.token(typ="JWT"))) == "wrong_type"
    only_rsa = make_validator(algorithms=["RS256"])
    assert reason(lambda: only_rsa.validate(issuer.token())) == "algorithm_not_allowed"
    assert issuer.other_requests == []


def test_the_keys_of_one_issuer_never_verify_a_token_of_another(clock) -> None:  # validator 37
    with Issuer(clock=clock) as one, Issuer(clock=clock) as two:
        one.keys.rotate("ES256", withdraw=True)
        two.keys.rotate("RS256", withdraw=True)
        settings = {server.url: roomkey.TrustedIssuer(audience="orders-api") for server in (one, two)}
        validator = roomkey.TokenValidator(issuer=settings, clock=clock)
        assert validator.validate(one.token())["iss"] == one.url
        assert validator.validate(two.token())["iss"] == two.url
        for signer, named in ((one, two), (two, one)):
            assert reason(lambda s=signer, n=named: validator.validate(s.token(iss=n.url))) in (
                "unknown_key",
                "bad_signature",
                "key_mismatch",
            )
        assert validator.issuers == (one.url, two.url)


def test_issuers_have_settings_of_their_own(issuer, clock) -> None:
    keys = static(issuer.keys)
    validator = roomkey.TokenValidator(
        issuer={
            "https://a.example": roomkey.TrustedIssuer(audience="a", keys=keys),
            "https://b.example": roomkey.TrustedIssuer(audience=None, keys=keys, profile="jwt", claims="entra"),
        },
        clock=clock,
    )
    assert validator.validate(issuer.token(iss="https://a.example", aud="a", scope="x")).scopes == {"x"}
    claims = validator.validate(
        issuer.token(iss="https://b.example", typ="JWT", scp="Orders.Read", tid="acme", azp="app-1")
    )
    assert (claims.scopes, claims.tenant, claims.client_id) == ({"Orders.Read"}, "acme", "app-1")
    assert reason(lambda: validator.validate(issuer.token(iss="https://a.example", aud="b"))) == "wrong_audience"
    assert reason(lambda: validator.validate(issuer.token(iss="https://a.example", aud="a", typ="JWT"))) == "wrong_type"


def test_wrong_settings_are_reported_at_once(issuer, make_validator) -> None:
    for settings in (
        {"profile": "at-jwt"},
        {"claims": "okta"},
        {"algorithms": ["HS256"]},  # validator 3
        {"issuer": {}},
        {"issuer": {issuer.url: roomkey.TrustedIssuer(audience=None)}},
        {"issuer": "http://auth.example"},
        {"issuer": "auth.example"},
    ):
        with pytest.raises(roomkey.ConfigurationError):
            make_validator(**settings)
    with pytest.raises(ValueError, match="algorithms"):
        make_validator(algorithms=["none"])  # validator 1


def test_a_shared_secret_works_where_it_is_given_in_code(make_validator, issuer, clock) -> None:  # validator 3, 6
    import hashlib
    import hmac

    secret = "s" * 32
    validator = make_validator(keys=roomkey.KeySet.static(roomkey.Secret(secret)))
    parts = ({"alg": "HS256", "typ": "at+jwt"}, issuer_claims(issuer))
    signed = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mac = base64.urlsafe_b64encode(hmac.digest(secret.encode(), signed, hashlib.sha256)).rstrip(b"=")
    assert validator.validate(f"{signed.decode()}.{mac.decode()}").subject == "reports"


def test_a_token_that_is_too_old_is_rejected_where_that_is_asked(issuer, clock) -> None:  # validator 33
    settings = roomkey.TrustedIssuer(audience="orders-api", longest_age=100.0, issued_in_future=False)
    validator = roomkey.TokenValidator(issuer={issuer.url: settings}, clock=clock)
    token = issuer.token()
    validator.validate(token)
    clock.advance(131.0)
    assert reason(lambda: validator.validate(token)) == "too_old"
    ahead = issuer.token(iat=int(clock.wall()) + 31)
    assert reason(lambda: validator.validate(ahead)) == "issued_in_future"


def test_an_outage_is_not_an_invalid_token(issuer, validator) -> None:  # validator 43
    issuer.faulty = {"metadata", "keys"}
    issuer.outage(503)
    with pytest.raises(roomkey.KeysUnavailable) as caught:
        validator.validate(issuer.token())
    assert isinstance(caught.value, roomkey.ValidationUnavailable)
    assert caught.value.status == 503


def test_two_hundred_cold_requests_cause_one_fetch(issuer, validator, asked) -> None:  # validator 47
    tokens = [issuer.token() for _ in range(100)]
    ready = threading.Barrier(100)
    failed: list[Exception] = []

    def call(token: str) -> None:
        ready.wait()
        try:
            validator.validate(token)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=call, args=(token,)) for token in tokens]
    for thread in threads:
        thread.start()

    async def tasks() -> None:
        await asyncio.gather(*(validator.validate_async(token) for token in tokens))

    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    assert failed == []
    assert asked("jwks") == 1


def test_asyncio_and_trio_get_the_same_answers(issuer, validator) -> None:
    good, bad = issuer.token(), issuer.token(aud="other")

    async def both() -> str:
        assert (await validator.validate_async(good)).subject == "reports"
        try:
            await validator.validate_async(bad)
        except roomkey.InvalidToken as error:
            return error.reason
        return "taken"

    assert asyncio.run(both()) == trio.run(both) == "wrong_audience"


def test_a_cold_validation_does_not_block_the_loop(issuer, validator) -> None:
    issuer.faulty, issuer.delay = {"keys"}, 0.2

    async def watch() -> int:
        task = asyncio.create_task(validator.validate_async(issuer.token()))
        ticks = 0
        while not task.done():
            await asyncio.sleep(0.005)
            ticks += 1
        assert (await task).subject == "reports"
        return ticks

    assert asyncio.run(watch()) > 5


def test_a_cancelled_caller_leaves_the_others_alone(issuer, validator, asked) -> None:
    issuer.faulty, issuer.delay = {"keys"}, 0.1

    async def two() -> None:
        first = asyncio.create_task(validator.validate_async(issuer.token()))
        second = asyncio.create_task(validator.validate_async(issuer.token()))
        await asyncio.sleep(0.02)
        first.cancel()
        assert (await second).subject == "reports"

    asyncio.run(two())
    assert asked("jwks") == 1


def test_neither_errors_nor_logs_show_the_token(issuer, validator, caplog) -> None:  # validator 28, 44
    caplog.set_level(logging.DEBUG)
    secrets = []
    for token in (issuer.token(exp=1), issuer.token(aud="x"), issuer.token()[:-8] + "AAAAAAAA", "opaque-token-of-mine"):
        secrets.append(token)
        for call in (validator.validate, lambda token: validator.authorize([f"Bearer {token}"])):
            with pytest.raises(roomkey.AccessError) as caught:
                call(token)
            report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
            source = str(Path(roomkey.__file__).parent)
            own = [frame for frame in report.stack if frame.filename.startswith(source)]
            assert own
            assert not any(token in str(value) for frame in own for value in (frame.locals or {}).values())
            assert token not in str(caught.value) + repr(caught.value)
    assert not any(token in caplog.text for token in secrets)


def test_the_name_of_a_key_is_neither_logged_nor_answered(issuer, validator, caplog) -> None:  # validator 19, 44
    caplog.set_level(logging.DEBUG)
    header = {"alg": "ES256", "typ": "at+jwt", "kid": "k\r\nX-Injected: 1"}
    token = issuer.keys.forge(header, issuer_claims(issuer))
    with pytest.raises(roomkey.InvalidToken) as caught:
        validator.authorize([f"Bearer {token}"])
    for debug in (True, False):
        assert "Injected" not in repr(roomkey.ErrorResponses(debug=debug).answer(caught.value))
    assert "Injected" not in caplog.text + repr(caught.value)


def test_an_outage_shows_no_token_that_was_valid_before(issuer, validator, clock) -> None:  # validator 44
    issuer.lifetime = 100_000
    token = issuer.token()
    validator.validate(token)
    issuer.faulty = {"metadata", "keys"}
    issuer.outage(503)
    clock.advance(10_000.0)
    calls = (validator.validate, lambda token: asyncio.run(validator.validate_async(token)))
    for call in (*calls, *calls):  # the first asks in vain, the others know of that
        with pytest.raises(roomkey.KeysUnavailable) as caught:
            call(token)
        report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        own = [frame for frame in report.stack if "/src/roomkey/" in frame.filename]
        assert own
        assert not any(token in str(value) for frame in own for value in (frame.locals or {}).values())


def test_its_repr_and_that_of_claims_show_no_token(issuer, validator) -> None:
    token = issuer.token(email="alice@example.org")
    shown = repr(validator.validate(token)) + repr(validator)
    assert "alice@example.org" not in shown
    assert token not in shown
