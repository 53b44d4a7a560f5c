"""Tokens that the auth service is asked about: rightly, rarely, and never in a storm."""

import asyncio
import base64
import gzip
import logging
import os
import threading
import time

import pytest
import trio
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tests.jose.key_server import eventually
from tests.resource_server.rejections import reason

import roomkey
from roomkey import Introspection
from roomkey.jose import KeySet
from roomkey.resource_server.introspector import Introspector
from roomkey.testing import Issuer
from roomkey.testing.issuer_keys import jwk_of


@pytest.fixture
def opaque(issuer: Issuer) -> str:
    """A token that says nothing by itself."""
    issuer.opaque = True
    token = issuer.issue(scope="orders:read")
    issuer.opaque = False
    return token


@pytest.fixture
def account(issuer: Issuer):
    """Settings of the API's own account."""
    client = issuer.add_client("orders-api", grants=())

    def settings(**more: object) -> Introspection:
        given = {"client_id": "orders-api", "client_secret": client.client_secret} | more
        return Introspection(**{name: value for name, value in given.items() if value is not None})

    return settings


@pytest.fixture
def introspected(make_validator, account):
    return lambda **settings: make_validator(introspection=account(**settings))


def unavailable(call) -> roomkey.IntrospectionUnavailable:
    with pytest.raises(roomkey.IntrospectionUnavailable) as caught:
        call()
    return caught.value


def engine_of(validator: roomkey.TokenValidator) -> Introspector:
    (engine,) = (issuer.introspector for issuer in validator._issuers.values())
    assert engine is not None
    return engine


def test_an_opaque_token_becomes_claims(introspected, opaque, issuer) -> None:
    claims = introspected().validate(opaque)
    assert (claims.subject, claims.client_id, claims.scopes) == ("reports", "reports", {"orders:read"})
    assert claims["iss"] == issuer.url


def test_the_question_is_a_post_by_the_apis_own_account(introspected, opaque, issuer) -> None:  # validator 53
    seen = []
    issuer.on_response = lambda request, _: seen.append(request)
    introspected().validate(opaque)
    asked = next(request for request in seen if request.path.endswith("/introspect"))
    assert asked.method == "POST"
    assert asked.query == ()
    assert base64.b64decode((asked.header("authorization") or "")[6:]).startswith(b"orders-api:")
    assert f"token={opaque}".encode() in asked.body


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_basic_raw", "client_secret_post"])
def test_it_proves_itself_by_each_method(introspected, opaque, issuer, method) -> None:
    issuer.basic_form_encoded = method != "client_secret_basic_raw"
    assert introspected(authentication=method).validate(opaque).subject == "reports"


def test_the_endpoint_may_be_named(introspected, opaque, issuer, asked) -> None:
    introspected(endpoint=issuer.introspection_endpoint).validate(opaque)
    assert asked("openid-configuration") + asked("oauth-authorization-server") == 0


@pytest.mark.parametrize(
    "settings",
    [{"client_id": ""}, {"client_secret": None}, {"mode": "remote"}, {"ttl": -1}, {"ttl": 3601}, {"timeout": 0},
     {"endpoint": "http://auth.example/introspect"}, {"authentication": "none"}, {"most": 0},
     {"authentication": roomkey.PrivateKeyJWT(private_key="x")}],
)  # fmt: skip
def test_settings_that_cannot_work_are_reported_at_once(account, settings) -> None:
    with pytest.raises((roomkey.ConfigurationError, TypeError)):
        account(**({"client_secret": ""} | settings if settings.get("client_secret", 1) is None else settings))


@pytest.mark.parametrize("active", ["true", 1, None, "false", 0, [True]])
def test_active_must_be_the_json_true(introspected, opaque, issuer, active) -> None:  # validator 53
    issuer.introspection_shape = lambda members: members | {"active": active}
    assert unavailable(lambda: introspected().validate(opaque)).reason == "malformed"


@pytest.mark.parametrize(
    "body",
    [b'{"active": false, "active": true, "aud": "orders-api"}', b"[]", b"active", b'{"active": true, "exp": NaN}',
     b'\xef\xbb\xbf{"active": true}', b"", b'{"active": true, "x": ' + b"[" * 100 + b"]" * 100 + b"}"],
)  # fmt: skip
def test_an_answer_that_is_not_strict_json_counts_for_nothing(introspected, opaque, issuer, body) -> None:
    issuer.faulty = {"introspection"}  # validator 30, 31
    issuer.answer_with(200, {}, body)
    assert unavailable(lambda: introspected().validate(opaque)).reason == "malformed"


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "https://other.example"}, "wrong_issuer"),
        ({"iss": ["x"]}, "claim_malformed"),
        ({"aud": "billing-api"}, "wrong_audience"),
        ({"aud": None}, "claim_missing"),
        ({"exp": 1}, "expired"),
        ({"exp": "9999999999"}, "claim_malformed"),
        ({"nbf": 9_999_999_999}, "not_yet_valid"),
        ({"token_type": "Refresh"}, "wrong_type"),
        ({"token_use": "refresh_token"}, "wrong_type"),
        ({"token_use": "id"}, "wrong_type"),
        ({"sub": 1}, "claim_malformed"),
        ({"jti": 1}, "claim_malformed"),
        ({"scope": ["admin"]}, "claim_malformed"),
        ({"cnf": {"jkt": "abc"}}, "bound_to_a_key"),
        ({"cnf": {"x5t#S256": "abc"}}, "bound_to_a_certificate"),
        ({"cnf": {"other": "abc"}}, "claim_malformed"),
    ],
)
def test_the_answer_itself_is_validated(introspected, opaque, issuer, change, expected) -> None:  # validator 53
    issuer.introspection_shape = lambda members: {
        name: value for name, value in (members | change).items() if value is not None
    }
    assert reason(lambda: introspected().validate(opaque)) == expected


def test_what_is_optional_may_be_absent(issuer, account, opaque, clock) -> None:
    issuer.introspection_shape = lambda members: {"active": members["active"], "sub": "x"}
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=None, introspection=account(), clock=clock)
    assert validator.validate(opaque).subject == "x"


def test_an_answer_counts_for_a_while_but_never_beyond_the_tokens_end(introspected, issuer, clock, asked) -> None:
    issuer.opaque = True  # validator 52
    short, long = issuer.issue(lifetime=10), issuer.issue(lifetime=1000)
    validator = introspected(ttl=60)
    validator.validate(long)
    validator.validate(short)
    clock.advance(9.0)
    validator.validate(long)
    validator.validate(short)
    assert asked("/introspect") == 2
    clock.advance(2.0)
    assert reason(lambda: validator.validate(short)) == "inactive"
    validator.validate(long)
    assert asked("/introspect") == 3
    clock.advance(50.0)
    validator.validate(long)
    assert asked("/introspect") == 4


def test_an_inactive_token_is_remembered_briefly(introspected, clock, asked) -> None:  # validator 52
    validator = introspected(inactive_ttl=5)
    for _ in range(20):
        assert reason(lambda: validator.validate("never-given-out")) == "inactive"
    assert asked("/introspect") == 1
    clock.advance(5.0)
    assert reason(lambda: validator.validate("never-given-out")) == "inactive"
    assert asked("/introspect") == 2


def test_tokens_with_the_same_beginning_are_not_mistaken(introspected, opaque) -> None:  # validator 52
    validator = introspected()
    validator.validate(opaque)
    for other in (opaque[:-1], opaque + "x", opaque[:20], opaque[:-1] + ("a" if opaque[-1] != "a" else "b")):
        assert reason(lambda token=other: validator.validate(token)) == "inactive"


def test_no_more_answers_are_kept_than_allowed_and_junk_drives_out_no_valid_token(introspected, issuer, asked) -> None:
    validator = introspected(most=3, inactive_ttl=3600)
    issuer.opaque = True
    good = [issuer.issue() for _ in range(3)]
    for token in good:
        validator.validate(token)
    for number in range(20):
        assert reason(lambda n=number: validator.validate(f"token-{n}")) == "inactive"
    before = asked("/introspect")
    for token in good:
        validator.validate(token)
    assert asked("/introspect") == before
    validator.validate(issuer.issue())
    engine = engine_of(validator)
    assert (len(engine._active), len(engine._others)) == (3, 3)


def test_a_remembered_token_needs_no_lock(introspected, opaque) -> None:
    validator = introspected()
    validator.validate(opaque)
    with engine_of(validator)._lock:
        assert validator.validate(opaque).subject == "reports"


def test_whoever_asks_afresh_takes_no_answer_from_before(introspected, opaque, issuer, asked) -> None:
    issuer.faulty, issuer.delay = {"introspection"}, 0.3
    validator, outcomes = introspected(), []
    early = threading.Thread(target=lambda: outcomes.append(validator.validate(opaque).subject))
    early.start()
    eventually(lambda: asked("/introspect") == 1)
    issuer.on_response = lambda *_: issuer.revoke(opaque)  # after the first answer was made, before it arrives
    assert reason(lambda: validator.validate(opaque, fresh=True)) == "inactive"
    early.join()
    assert outcomes == ["reports"]
    assert asked("/introspect") == 2


def test_those_who_ask_afresh_while_a_question_is_on_its_way_share_the_next_one(
    introspected, opaque, issuer, asked
) -> None:
    issuer.faulty, issuer.delay = {"introspection"}, 0.3
    validator = introspected()
    early = threading.Thread(target=lambda: validator.validate(opaque))
    early.start()
    eventually(lambda: asked("/introspect") == 1)
    late = [threading.Thread(target=lambda: validator.validate(opaque, fresh=True)) for _ in range(10)]
    for thread in late:
        thread.start()
    for thread in (early, *late):
        thread.join()
    assert asked("/introspect") == 2


def test_one_question_is_asked_for_all_who_have_the_same_token(introspected, opaque, issuer, asked) -> None:
    issuer.faulty, issuer.delay = {"introspection"}, 0.2
    validator = introspected()
    outcomes: list[object] = []
    threads = [threading.Thread(target=lambda: outcomes.append(validator.validate(opaque))) for _ in range(32)]
    for thread in threads:
        thread.start()

    async def tasks() -> None:
        outcomes.extend(await asyncio.gather(*(validator.validate_async(opaque) for _ in range(100))))

    asyncio.run(tasks())
    for thread in threads:
        thread.join()
    assert len(outcomes) == 132
    assert asked("/introspect") == 1


def test_trio_waits_too(introspected, opaque) -> None:
    async def ask() -> str | None:
        return (await introspected().validate_async(opaque)).subject

    assert trio.run(ask) == "reports"


@pytest.mark.parametrize(
    ("status", "expected"), [(503, "server_error"), (500, "server_error"), (429, "overloaded"), (307, "status_307")]
)
def test_an_outage_is_a_503_and_not_an_invalid_token(introspected, opaque, issuer, status, expected) -> None:
    issuer.faulty = {"introspection"}  # validator 43
    issuer.outage(status)
    error = unavailable(lambda: introspected().validate(opaque))
    assert (error.reason, error.status) == (expected, 503)
    assert error.retry_after >= 1.0


def test_a_redirect_is_not_followed(introspected, opaque, issuer) -> None:  # validator 53
    with Issuer() as other:
        issuer.faulty = {"introspection"}
        issuer.redirect_to(other.introspection_endpoint)
        unavailable(lambda: introspected().validate(opaque))
        assert other.other_requests == []


def test_an_account_that_is_rejected_is_an_outage_of_ours(introspected, issuer, caplog, monkeypatch, clock) -> None:
    monkeypatch.setenv("ORDERS_API_SECRET", "not the right one")
    validator = introspected(client_secret=roomkey.Secret.from_env("ORDERS_API_SECRET"))
    error = unavailable(lambda: validator.validate("a"))
    assert error.reason == "invalid_client"
    assert "'orders-api'" in caplog.text
    assert "ORDERS_API_SECRET" in caplog.text
    assert "ORDERS_API_SECRET" not in str(error)
    monkeypatch.delenv("ORDERS_API_SECRET")
    clock.advance(61.0)
    assert unavailable(lambda: validator.validate("b")).reason == "secret_unavailable"
    monkeypatch.setenv("ORDERS_API_SECRET", issuer.rotate_client_secret("orders-api"))
    clock.advance(61.0)
    assert reason(lambda: validator.validate("b")) == "inactive"


def test_an_outage_is_left_alone_for_a_while(introspected, issuer, clock, asked) -> None:
    validator = introspected()
    issuer.faulty = {"introspection"}
    issuer.outage(429, retry_after=30)
    for number in range(50):
        unavailable(lambda n=number: validator.validate(f"token-{n}"))
    assert asked("/introspect") == 1
    assert unavailable(lambda: validator.validate("one-more")).retry_after == pytest.approx(30.0)
    clock.advance(30.0)
    issuer.recover()
    assert reason(lambda: validator.validate("token-1")) == "inactive"
    assert asked("/introspect") == 2


def test_one_question_finds_out_whether_an_outage_is_over(introspected, issuer, clock, asked) -> None:
    validator = introspected()
    issuer.faulty = {"introspection"}
    issuer.outage(429, retry_after=30)
    unavailable(lambda: validator.validate("a"))
    clock.advance(30.0)
    issuer.recover()
    release = threading.Event()
    issuer.introspection_shape = lambda members: members if release.wait(20) else None
    probe = threading.Thread(target=lambda: reason(lambda: validator.validate("b")))
    probe.start()
    eventually(lambda: asked("/introspect") == 2)
    for number in range(10):
        unavailable(lambda n=number: validator.validate(f"token-{n}"))
    assert probe.is_alive()
    release.set()
    probe.join()
    assert reason(lambda: validator.validate("c")) == "inactive"
    assert asked("/introspect") == 3


def test_a_rejected_connection_stops_the_questions_at_once(introspected, issuer, clock) -> None:
    validator = introspected(endpoint=issuer.introspection_endpoint)
    issuer.unreachable()
    assert unavailable(lambda: validator.validate("a")).reason == "unreachable"
    issuer.recover()
    assert unavailable(lambda: validator.validate("b")).reason == "unreachable"
    clock.advance(1.0)
    assert reason(lambda: validator.validate("b")) == "inactive"


def test_a_token_that_breaks_the_auth_service_does_not_stop_the_questions_about_others(
    introspected, opaque, issuer, clock, asked
) -> None:
    validator = introspected(ttl=0)
    issuer.faulty = {"introspection"}
    for _ in range(8):
        issuer.answer_with(500)
        for fresh in (False, False, True):  # nobody asks about it again at once
            assert unavailable(lambda f=fresh: validator.validate("poison", fresh=f)).reason == "server_error"
        assert validator.validate(opaque).subject == "reports"
        clock.advance(1.0)
    assert asked("/introspect") == 16


def test_a_valid_answer_still_counts_where_a_fresh_question_stumbled(introspected, opaque, issuer, clock) -> None:
    validator = introspected(ttl=60)
    validator.validate(opaque)
    issuer.faulty = {"introspection"}
    issuer.answer_with(500)
    for _ in range(2):
        unavailable(lambda: validator.validate(opaque, fresh=True))
    assert validator.validate(opaque).subject == "reports"


def test_five_stumbles_in_a_row_are_no_tokens_fault(introspected, issuer, asked) -> None:
    validator = introspected()
    issuer.faulty = {"introspection"}
    issuer.outage(500)
    for number in range(20):
        unavailable(lambda n=number: validator.validate(f"token-{n}"))
    assert asked("/introspect") == 5


def test_questions_that_fail_together_are_one_step_of_the_back_off(introspected, issuer, clock) -> None:
    validator = introspected()
    issuer.faulty, issuer.delay = {"introspection"}, 0.2
    issuer.outage(429)
    errors = []
    threads = [
        threading.Thread(target=lambda n=number: errors.append(unavailable(lambda: validator.validate(f"token-{n}"))))
        for number in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {error.retry_after for error in errors} == {1.0}


def test_a_long_outage_is_asked_about_at_growing_distances_and_known_tokens_stay_valid(
    introspected, issuer, clock, asked
) -> None:
    issuer.opaque = True
    known = issuer.issue(lifetime=10_000)
    validator = introspected(ttl=3600)
    validator.validate(known)
    issuer.faulty = {"introspection"}
    issuer.outage(429)
    for _ in range(600):
        unavailable(lambda: validator.validate("token"))
        assert validator.validate(known).subject == "reports"
        clock.advance(1.0)
    assert 12 <= asked("/introspect") <= 20
    unavailable(lambda: validator.validate(known, fresh=True))
    issuer.recover()
    clock.advance(61.0)
    assert validator.validate(known, fresh=True).subject == "reports"


def test_retry_after_counts_for_five_minutes_at_most(introspected, issuer, clock) -> None:
    issuer.faulty = {"introspection"}
    issuer.outage(503, retry_after=10**9)
    assert unavailable(lambda: introspected().validate("a")).retry_after == pytest.approx(300.0)


def test_a_lost_connection_and_a_drip_are_no_answer(introspected, opaque, issuer) -> None:  # validator 43, 50
    issuer.faulty = {"introspection"}
    issuer.drop()
    assert unavailable(lambda: introspected().validate(opaque)).reason == "connection_lost"
    issuer.drip(0.2)
    began = time.monotonic()
    assert unavailable(lambda: introspected(timeout=0.3).validate(opaque)).reason == "timeout"
    assert time.monotonic() - began < 10.0


def test_an_answer_that_unpacks_to_megabytes_counts_for_nothing(introspected, opaque, issuer) -> None:  # validator 30
    issuer.faulty = {"introspection"}
    bomb = gzip.compress(b'{"active": true}' + b" " * 20_000_000)
    issuer.answer_with(200, {"content-encoding": "gzip"}, bomb)
    assert unavailable(lambda: introspected().validate(opaque)).reason == "answer_too_large"


def test_an_auth_service_that_hangs_holds_no_one_for_long(introspected, opaque, issuer) -> None:
    issuer.faulty = {"introspection"}
    issuer.hang()
    began = time.monotonic()
    unavailable(lambda: introspected(timeout=0.3).validate(opaque))
    assert time.monotonic() - began < 10.0
    issuer.recover()


def test_looking_for_the_endpoint_is_part_of_the_time(account, issuer, opaque) -> None:  # validator 50
    issuer.faulty, issuer.delay = {"metadata", "introspection"}, 0.7
    validator = roomkey.TokenValidator(issuer=issuer.url, audience=None, introspection=account(timeout=1.0))
    assert unavailable(lambda: validator.validate(opaque)).reason == "timeout"


def test_a_loop_gets_an_answer_once_there_are_threads_again(introspected, opaque, no_threads) -> None:
    validator = introspected(timeout=1.0)
    with pytest.raises(roomkey.IntrospectionUnavailable):
        asyncio.run(validator.validate_async(opaque))
    no_threads()
    assert asyncio.run(validator.validate_async(opaque)).subject == "reports"


def test_a_valid_answer_outlives_an_outage_for_its_time(introspected, opaque, issuer) -> None:
    validator = introspected()
    validator.validate(opaque)
    issuer.faulty = {"introspection"}
    issuer.outage()
    assert validator.validate(opaque).subject == "reports"


def test_an_oversized_answer_counts_for_nothing(introspected, opaque, issuer) -> None:
    issuer.introspection_shape = lambda members: members | {"x": "y" * 70_000}
    assert unavailable(lambda: introspected().validate(opaque)).reason == "answer_too_large"


class TestModes:
    """What happens to JWTs."""

    def test_introspect_asks_about_each_and_needs_no_keys(self, introspected, issuer, asked) -> None:
        validator = introspected(mode="introspect")
        token = issuer.token()
        assert validator.validate(token).subject == "reports"
        issuer.revoke(token)
        assert validator.validate(token).subject == "reports"  # for the time of the answer
        assert reason(lambda: validator.validate(token, fresh=True)) == "inactive"
        assert reason(lambda: validator.validate(token)) == "inactive"
        assert asked("/jwks") == 0

    def test_introspect_asks_no_one_about_the_token_of_an_unknown_issuer(self, introspected, issuer) -> None:
        validator = introspected(mode="introspect")
        assert reason(lambda: validator.validate(issuer.token(iss="https://x.example"))) == "wrong_issuer"
        assert reason(lambda: validator.validate(issuer.token(typ="JWT"))) == "wrong_type"
        assert issuer.other_requests == []

    def test_local_asks_only_when_reported_to(self, introspected, issuer, asked) -> None:
        validator = introspected(mode="local")
        token = issuer.token()
        validator.validate(token)
        assert asked("/introspect") == 0
        issuer.revoke(token)
        validator.validate(token)
        assert reason(lambda: validator.validate(token, fresh=True)) == "inactive"
        with pytest.raises(roomkey.InvalidToken):
            validator.authorize([f"Bearer {token}"], roomkey.Requirements(fresh=True))

    def test_both_look_at_the_signature_first(self, introspected, issuer, asked) -> None:
        validator = introspected(mode="both")
        token = issuer.token()
        assert reason(lambda: validator.validate(token[:-6] + "AAAAAA")) == "bad_signature"
        assert asked("/introspect") == 0
        for _ in range(3):
            assert validator.validate(token).subject == "reports"
        assert asked("/introspect") == 1
        issuer.revoke(token)
        assert reason(lambda: validator.validate(token, fresh=True)) == "inactive"

    def test_both_reject_during_an_outage(self, introspected, issuer) -> None:
        validator = introspected(mode="both")
        issuer.faulty = {"introspection"}
        issuer.outage()
        unavailable(lambda: validator.validate(issuer.token()))

    def test_an_answer_about_a_verified_token_needs_no_audience_but_must_not_name_another(
        self, introspected, issuer
    ) -> None:
        validator = introspected(mode="both", ttl=0)
        token = issuer.token()
        issuer.introspection_shape = lambda _: {"active": True}
        validator.validate(token)
        issuer.introspection_shape = lambda _: {"active": True, "aud": "billing-api"}
        assert reason(lambda: validator.validate(token)) == "wrong_audience"

    def test_a_binding_that_only_the_auth_service_knows_counts(self, introspected, issuer) -> None:  # validator 53
        validator = introspected(mode="both")
        issuer.introspection_shape = lambda members: members | {"cnf": {"x5t#S256": "abc"}}
        token = issuer.token()
        assert reason(lambda: validator.validate(token)) == "bound_to_a_certificate"
        assert reason(lambda: validator.validate(token)) == "bound_to_a_certificate"

    def test_fresh_without_anyone_to_ask_is_a_mistake_of_the_api(self, issuer, validator) -> None:
        with pytest.raises(roomkey.ConfigurationError, match="introspection"):
            validator.validate(issuer.token(), fresh=True)


def test_opaque_tokens_are_sent_to_no_one_where_several_could_be_asked(issuer, account, clock) -> None:
    one = roomkey.TrustedIssuer(audience=None, introspection=account())
    two = roomkey.TrustedIssuer(audience=None, introspection=account(endpoint=issuer.introspection_endpoint))
    validator = roomkey.TokenValidator(issuer={issuer.url: one, "https://b.example": two}, clock=clock)
    assert reason(lambda: validator.validate("opaque")) == "malformed"
    assert issuer.other_requests == []


@pytest.mark.parametrize("token", ["", "a b", "a\nb", "\u00e9", "a" * 16_385])
def test_what_no_header_could_carry_is_not_sent(introspected, issuer, token) -> None:
    assert reason(lambda: introspected().validate(token)) in ("malformed", "too_large")
    assert issuer.other_requests == []


def test_it_proves_itself_with_a_key_pair_anew_for_every_question(issuer, make_validator, opaque) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    issuer.add_client("pair", grants=(), keys=KeySet.static(jwk_of(key)))
    proof = roomkey.PrivateKeyJWT(private_key=pem)
    for endpoint in (None, issuer.introspection_endpoint):
        settings = Introspection(client_id="pair", authentication=proof, endpoint=endpoint)
        validator = make_validator(introspection=settings)
        for _ in range(2):  # the issuer takes an assertion once
            assert validator.validate(opaque, fresh=True).subject == "reports"
    stranger = make_validator(introspection=Introspection(client_id="orders-api", authentication=proof))
    assert unavailable(lambda: stranger.validate(opaque)).reason == "invalid_client"


def test_a_key_that_cannot_sign_is_an_outage_of_ours(make_validator, opaque, issuer, caplog) -> None:
    settings = Introspection(client_id="pair", authentication=roomkey.PrivateKeyJWT(private_key="no key"))
    error = unavailable(lambda: make_validator(introspection=settings).validate(opaque))
    assert error.reason == "configuration"
    assert "private_key" in caplog.text


def test_neither_token_nor_secret_is_shown(introspected, opaque, issuer, caplog, leaks) -> None:
    caplog.set_level(logging.DEBUG)
    validator = introspected()
    validator.validate(opaque)
    issuer.faulty = {"introspection"}
    issuer.outage(429)
    with pytest.raises(roomkey.IntrospectionUnavailable) as caught:
        validator.validate(opaque, fresh=True)
    frames, trace = [], caught.value.__traceback__
    while trace is not None:
        frames.append(repr(trace.tb_frame.f_locals))
        trace = trace.tb_next
    engine = engine_of(validator)
    shown = f"{caplog.text}{caught.value}{engine._active}{engine._others}{engine._outage}{frames[1:]}"
    assert not [secret for secret in issuer.secret_values if secret in shown]
    leaks.assert_clean()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_goes_on_with_what_is_remembered_and_asks_for_itself(introspected, opaque, issuer) -> None:
    issuer.opaque = True
    validator, other = introspected(), issuer.issue()
    validator.validate(opaque)
    with engine_of(validator)._lock:  # as another thread may hold it at the moment of the fork
        child = os.fork()
    if child == 0:
        try:
            good = validator.validate(opaque).subject == validator.validate(other).subject == "reports"
            os._exit(0 if good else 1)
        finally:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert validator.validate(other).subject == "reports"
