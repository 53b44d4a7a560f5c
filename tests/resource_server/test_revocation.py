"""Revoked tokens are rejected by lists at hand, without a call for each request."""

import asyncio
import os
import time
import zlib

import pytest
import trio
from hypothesis import given
from hypothesis import strategies as some
from tests.jose.key_server import eventually
from tests.resource_server.rejections import reason

import roomkey
from roomkey import DenyList, ListPolicy, StatusLists
from roomkey.jose import base64url
from roomkey.jose.compact import Header
from roomkey.resource_server.status_list import LARGEST_INFLATED, Statuses, read_reference, read_status_list
from roomkey.testing import Issuer

URI = "https://auth.example/status/1"
KINDS = ("deny_list", "status_list")


@pytest.fixture(params=KINDS)
def kind(request) -> str:
    return request.param


@pytest.fixture
def follow(issuer: Issuer, make_validator, kind):
    """A validator that follows one kind of list of the issuer, whose tokens live long."""
    issuer.lifetime = 100_000
    issuer.status_claims = kind == "status_list"

    def make(**policy: object) -> roomkey.TokenValidator:
        rules = ListPolicy(**policy)  # type: ignore[arg-type]
        if kind == "deny_list":
            return make_validator(deny_list=DenyList(url=issuer.lists.deny_list_url, policy=rules))
        return make_validator(status_lists=StatusLists(policy=rules))

    return make


@pytest.fixture
def end(kind) -> str:
    """How the address of the list ends."""
    return kind.replace("_", "-")


def unknown(call) -> roomkey.RevocationUnknown:
    with pytest.raises(roomkey.RevocationUnknown) as caught:
        call()
    return caught.value


def test_a_revoked_token_is_rejected_and_others_are_not(follow, issuer) -> None:
    validator = follow()
    revoked, good = issuer.token(), issuer.token()
    issuer.revoke(revoked)
    assert reason(lambda: validator.validate(revoked)) == "revoked"
    assert validator.validate(good).subject == "reports"


def test_a_token_known_as_valid_is_rejected_once_a_newer_list_is_there(follow, issuer, clock, asked, end) -> None:
    validator = follow(every=30.0)
    token = issuer.token()
    for _ in range(100):
        validator.validate(token)
    assert asked(end) == 1
    issuer.revoke(token)
    validator.validate(token)  # the price of not asking about each
    clock.advance(31.0)
    validator.validate(token)  # the list is asked for in the background meanwhile
    eventually(lambda: asked(end) == 2 and rejected(validator, token))
    assert reason(lambda: validator.validate(token)) == "revoked"


def rejected(validator: roomkey.TokenValidator, token: str) -> bool:
    try:
        validator.validate(token)
    except roomkey.InvalidToken:
        return True
    return False


def test_after_a_quiet_time_the_first_token_waits_for_a_newer_list(follow, issuer, clock) -> None:
    validator = follow(every=30.0)
    token = issuer.token()
    validator.validate(token)
    issuer.revoke(token)
    clock.advance(61.0)
    assert reason(lambda: validator.validate(token)) == "revoked"


def test_nothing_is_asked_while_no_token_comes(follow, issuer, clock, asked, end) -> None:
    validator = follow(every=1.0)
    validator.validate(issuer.token())
    clock.advance(500.0)
    assert asked(end) == 1


def test_one_fetch_for_all_who_come_at_once(follow, issuer, asked, end, kind) -> None:
    validator = follow()
    issuer.faulty, issuer.delay = {kind}, 0.1
    tokens = [issuer.token() for _ in range(50)]

    async def tasks() -> None:
        await asyncio.gather(*(validator.validate_async(token) for token in tokens))

    asyncio.run(tasks())
    assert asked(end) == 1


def test_trio_waits_too(follow, issuer) -> None:
    validator = follow()

    async def ask() -> str | None:
        return (await validator.validate_async(issuer.token())).subject

    assert trio.run(ask) == "reports"


def test_a_loop_gets_a_list_once_there_are_threads_again(follow, issuer, no_threads) -> None:
    validator, token = follow(fetch=1.0), issuer.token()
    next(iter(validator._issuers.values())).keys.find(Header("ES256", issuer.keys.signing.key_id))
    with pytest.raises(roomkey.RevocationUnknown):
        asyncio.run(validator.validate_async(token))
    no_threads()
    assert asyncio.run(validator.validate_async(token)).subject == "reports"


def test_a_published_list_is_no_access_token(issuer, make_validator, clock, kind) -> None:  # validator 23
    now = int(clock.wall())
    claims = {"iss": issuer.url, "sub": URI, "iat": now, "exp": now + 600}
    validator = make_validator(audience=None, profile="jwt")
    assert validator.validate(issuer.keys.sign(claims, typ="JWT")).subject == URI
    published = issuer.keys.sign(claims, typ=f"{kind.replace('_', '')}+jwt")
    assert reason(lambda: validator.validate(published)) == "wrong_type"


def test_without_any_list_tokens_are_rejected_as_an_outage(follow, issuer, kind, clock, asked, end) -> None:
    validator = follow()
    issuer.faulty = {kind}
    issuer.outage(503, retry_after=20)
    error = unknown(lambda: validator.validate(issuer.token()))
    assert (error.status, error.reason) == (503, "bad_status")
    assert error.retry_after == pytest.approx(20.0)
    unknown(lambda: validator.validate(issuer.token()))
    assert asked(end) == 1
    clock.advance(20.0)
    issuer.recover()
    assert validator.validate(issuer.token()).subject == "reports"


def test_without_any_list_tokens_are_accepted_where_that_was_chosen(follow, issuer, kind, asked, end) -> None:
    validator = follow(stale="accept")
    issuer.faulty = {kind}
    issuer.outage()
    for _ in range(5):
        assert validator.validate(issuer.token()).subject == "reports"
    assert asked(end) == 1


def test_a_list_is_used_on_through_an_outage_until_it_is_stale(follow, issuer, kind, clock) -> None:
    issuer.lists.lifetime = 10_000
    validator = follow(every=30.0, staleness=300.0)
    good, revoked = issuer.token(), issuer.token()
    issuer.revoke(revoked)
    validator.validate(good)
    issuer.faulty = {kind}
    issuer.outage()
    for _ in range(9):
        clock.advance(33.0)
        assert validator.validate(good).subject == "reports"
        assert reason(lambda: validator.validate(revoked)) == "revoked"
    clock.advance(33.0)
    unknown(lambda: validator.validate(good))
    issuer.recover()
    clock.advance(61.0)
    assert validator.validate(good).subject == "reports"


def test_a_stale_list_lets_tokens_pass_where_that_was_chosen(follow, issuer, kind, clock) -> None:
    validator = follow(every=30.0, staleness=60.0, stale="accept")
    token = issuer.token()
    issuer.revoke(token)
    assert reason(lambda: validator.validate(token)) == "revoked"
    issuer.faulty = {kind}
    issuer.outage()
    clock.advance(61.0)
    assert validator.validate(token).subject == "reports"


def test_a_list_is_not_used_beyond_its_own_end(follow, issuer, kind, clock) -> None:
    issuer.lists.lifetime = 40.0
    validator = follow(every=30.0, staleness=600.0)
    token = issuer.token()
    validator.validate(token)
    issuer.faulty = {kind}
    issuer.outage()
    clock.advance(69.0)
    validator.validate(token)
    clock.advance(2.0)
    unknown(lambda: validator.validate(token))


def test_the_list_says_itself_how_soon_to_look_again(follow, issuer, clock, asked, end) -> None:
    issuer.lists.ttl = 5
    validator = follow(every=30.0)
    token = issuer.token()
    validator.validate(token)
    clock.advance(6.0)
    validator.validate(token)
    eventually(lambda: asked(end) == 2)


def test_an_unchanged_list_is_confirmed_by_its_etag(follow, issuer, clock, asked, end) -> None:
    issuer.lists.etag = '"v1"'
    validator = follow(every=30.0, staleness=60.0)
    token = issuer.token()
    validator.validate(token)
    issuer.revoke(token)
    clock.advance(61.0)
    validator.validate(token)  # the issuer has said that nothing changed
    assert asked(end) == 2
    issuer.lists.etag = '"v2"'
    clock.advance(61.0)
    assert reason(lambda: validator.validate(token)) == "revoked"


def test_a_list_that_has_ended_is_not_confirmed(follow, issuer, clock) -> None:
    issuer.lists.etag, issuer.lists.lifetime = '"v1"', 40.0
    validator = follow(every=30.0)
    token = issuer.token()
    validator.validate(token)
    issuer.revoke(token)
    clock.advance(71.0)
    assert reason(lambda: validator.validate(token)) == "revoked"


def test_a_list_whose_key_was_withdrawn_is_not_confirmed(follow, issuer, clock) -> None:
    issuer.lists.etag, issuer.lists.lifetime = '"v1"', 100_000.0
    validator = follow(every=30.0)
    validator.validate(issuer.token())
    issuer.keys.rotate(withdraw=True)
    clock.advance(400.0)
    token = issuer.token()
    issuer.revoke(token)
    assert reason(lambda: validator.validate(token)) == "revoked"


def test_an_answer_that_confirms_what_no_one_has_is_an_outage(follow, issuer, kind) -> None:
    issuer.faulty = {kind}
    issuer.answer_with(304, {"etag": '"v1"'})
    assert unknown(lambda: follow().validate(issuer.token())).reason == "bad_status"


def test_an_older_list_never_replaces_a_newer_one(follow, issuer, kind, clock) -> None:  # validator 51
    validator = follow(every=30.0)
    token = issuer.token()
    older = getattr(issuer.lists, kind)()
    clock.advance(5.0)
    issuer.revoke(token)
    assert reason(lambda: validator.validate(token)) == "revoked"
    issuer.faulty = {kind}
    issuer.answer_with(200, {}, older.encode())
    clock.advance(61.0)
    assert reason(lambda: validator.validate(token)) == "revoked"


FORGERIES = {
    "signed by a stranger": lambda issuer, claims, typ: Issuer().keys,
    "of another type": "JWT",
    "an access token": "at+jwt",
    "of another issuer": {"iss": "https://other.example"},
    "without a date": {"iat": None},
    "from the future": {"iat": 1_700_000_100},
    "ended": {"exp": 1_600_000_000},
    "dates that are texts": {"iat": "1700000000"},
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_list_that_is_not_to_be_trusted_is_no_list(follow, issuer, kind, name) -> None:
    change = FORGERIES[name]
    typ = {"deny_list": "denylist+jwt", "status_list": "statuslist+jwt"}[kind]
    claims = issuer.keys.claims(getattr(issuer.lists, kind)())
    keys = issuer.keys
    if callable(change):
        with Issuer() as stranger:
            stranger.keys.rotate("RS256")
            keys = stranger.keys
    elif isinstance(change, str):
        typ = change
    else:
        claims = {name: value for name, value in (claims | change).items() if value is not None}
    issuer.faulty = {kind}
    issuer.answer_with(200, {}, keys.sign(claims, typ=typ).encode())
    unknown(lambda: follow().validate(issuer.token()))


def test_a_list_that_was_changed_after_it_was_signed_is_no_list(follow, issuer, kind) -> None:
    head, _, signature = getattr(issuer.lists, kind)().rpartition(".")
    issuer.faulty = {kind}
    issuer.answer_with(200, {}, f"{head}.{signature[:-8]}AAAAAAAA".encode())
    assert unknown(lambda: follow().validate(issuer.token())).reason == "malformed"


def test_a_list_is_signed_with_an_algorithm_that_is_taken(issuer, make_validator, kind) -> None:  # validator 4
    issuer.status_claims = kind == "status_list"
    settings = {"deny_list": DenyList(url=issuer.lists.deny_list_url), "status_lists": StatusLists()}
    validator = make_validator(algorithms=["ES256"], **settings)
    assert validator.validate(issuer.token(status=issuer.lists.reserve())).subject == "reports"
    other = make_validator(algorithms=["ES256"], **settings)
    token = issuer.token(status=issuer.lists.reserve())
    issuer.keys.rotate("RS256")
    assert unknown(lambda: other.validate(token)).reason == "malformed"


@pytest.mark.parametrize("body", [b"", b"<html>", b"a.b.c", b"\xff" * 10, b"x" * 1_100_000])
def test_nonsense_is_no_list(follow, issuer, kind, body) -> None:  # validator 50
    issuer.faulty = {kind}
    issuer.answer_with(200, {}, body)
    unknown(lambda: follow().validate(issuer.token()))


def test_a_list_larger_than_any_token_is_read(follow, issuer, kind) -> None:
    tokens = [issuer.token() for _ in range(600)]
    for token in tokens[::2]:
        issuer.revoke(token)
    issuer.lists.bits = 8
    validator = follow()
    assert len(getattr(issuer.lists, kind)()) > (16_384 if kind == "deny_list" else 0)
    assert [rejected(validator, token) for token in tokens] == [True, False] * 300


def test_a_child_process_follows_lists_by_itself(follow, issuer, clock) -> None:
    validator = follow(every=30.0)
    token = issuer.token()
    validator.validate(token)
    issuer.revoke(token)
    clock.advance(61.0)
    child = os.fork()
    if child == 0:
        try:
            validator.validate(token)
        except roomkey.InvalidToken as error:
            os._exit(0 if error.reason == "revoked" else 1)
        except BaseException:
            os._exit(2)
        os._exit(3)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_an_untrusted_list_replaces_none(follow, issuer, kind, clock) -> None:
    validator = follow(every=30.0)
    good, revoked = issuer.token(), issuer.token()
    issuer.revoke(revoked)
    assert reason(lambda: validator.validate(revoked)) == "revoked"
    issuer.faulty = {kind}
    issuer.answer_with(200, {}, b"<html>Sign in</html>")
    clock.advance(61.0)
    assert reason(lambda: validator.validate(revoked)) == "revoked"
    assert validator.validate(good).subject == "reports"


def test_a_redirect_is_not_followed(follow, issuer, kind) -> None:  # validator 49
    issuer.faulty = {kind}
    issuer.redirect_to(issuer.origin + "/elsewhere")
    assert unknown(lambda: follow().validate(issuer.token())).reason == "bad_status"
    assert ("GET", "/elsewhere") not in issuer.other_requests


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_slow_list_ends_with_the_total_time(follow, issuer, kind, fault) -> None:  # validator 50
    issuer.faulty = {kind}
    issuer.hang() if fault == "hang" else issuer.drip(0.2)
    began = time.monotonic()
    assert unknown(lambda: follow(fetch=0.3).validate(issuer.token())).reason == "timeout"
    assert time.monotonic() - began < 10.0


def test_a_long_outage_is_asked_about_at_growing_distances(follow, issuer, kind, clock, asked, end) -> None:
    validator, token = follow(), issuer.token()
    issuer.faulty = {kind}
    issuer.outage(500)
    for _ in range(600):
        unknown(lambda: validator.validate(token))
        clock.advance(1.0)
    assert 12 <= asked(end) <= 20


def test_an_outage_of_the_lists_keys_is_one_of_the_list(follow, issuer, clock) -> None:  # validator 37
    validator, token = follow(every=30.0), issuer.token()
    validator.validate(token)
    issuer.keys.rotate(withdraw=True)
    issuer.faulty = {"keys"}
    issuer.outage()
    clock.advance(61.0)
    assert validator.validate(token).subject == "reports"  # the key is looked for in vain, and the old list counts
    issuer.recover()
    clock.advance(61.0)
    assert validator.validate(issuer.token()).subject == "reports"


def test_a_fresh_list_needs_no_lock(follow, issuer, kind) -> None:
    validator, token = follow(), issuer.token()
    validator.validate(token)
    (validating,) = validator._issuers.values()
    lists = validating.revocation
    followed = lists.deny_list if kind == "deny_list" else lists._status_lists._lists[issuer.lists.status_list_uri]
    with followed._document._lock:
        assert validator.validate(token).subject == "reports"


class TestDenyLists:
    """Those of a token's own name."""

    def test_tokens_are_denied_by_name_and_not_by_their_bytes(self, issuer, make_validator) -> None:  # validator 24
        n = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
        validator = make_validator(deny_list=DenyList(url=issuer.lists.deny_list_url))
        token = issuer.token()
        head, _, tail = token.rpartition(".")
        raw = base64url.decode(tail.encode())
        assert raw is not None
        twin = raw[:32] + (n - int.from_bytes(raw[32:])).to_bytes(32)
        other = f"{head}.{base64url.encode(twin).decode()}"
        assert make_validator().validate(other)["jti"] == make_validator().validate(token)["jti"]
        issuer.revoke(token)
        assert reason(lambda: validator.validate(token)) == "revoked"
        assert reason(lambda: validator.validate(other)) == "revoked"

    def test_a_token_that_no_one_could_revoke_is_rejected(self, issuer, make_validator) -> None:
        validator = make_validator(profile="jwt", deny_list=DenyList(url=issuer.lists.deny_list_url))
        assert reason(lambda: validator.validate(issuer.token(jti=None))) == "claim_missing"

    @pytest.mark.parametrize("url", ["http://auth.example/deny", "ftp://auth.example", "/deny"])
    def test_a_url_that_must_not_be_asked_is_rejected(self, url) -> None:  # validator 49
        with pytest.raises(roomkey.ConfigurationError):
            DenyList(url=url)

    @pytest.mark.parametrize("jti", [["a"], {"a": "soon"}, None, "a"])
    def test_a_list_of_the_wrong_form_is_no_list(self, issuer, make_validator, jti) -> None:
        validator = make_validator(deny_list=DenyList(url=issuer.lists.deny_list_url))
        claims = issuer.keys.claims(issuer.lists.deny_list()) | {"jti": jti}
        issuer.faulty = {"deny_list"}
        issuer.answer_with(200, {}, issuer.keys.sign(claims, typ="denylist+jwt").encode())
        unknown(lambda: validator.validate(issuer.token()))


class TestStatusLists:
    """draft-ietf-oauth-status-list."""

    @pytest.mark.parametrize("bits", [1, 2, 4, 8])
    def test_statuses_of_each_size_are_found(self, issuer, make_validator, bits) -> None:
        issuer.status_claims, issuer.lists.bits = True, bits
        tokens = [issuer.token() for _ in range(20)]
        for token in tokens[3::4]:
            issuer.revoke(token)
        validator = make_validator(status_lists=StatusLists())
        assert [rejected(validator, token) for token in tokens] == [number % 4 == 3 for number in range(20)]

    def test_a_suspended_token_is_rejected(self, issuer, make_validator) -> None:
        issuer.status_claims, issuer.lists.bits = True, 2
        token = issuer.token()
        issuer.lists.suspended.add(0)
        assert reason(lambda: make_validator(status_lists=StatusLists()).validate(token)) == "revoked"

    def test_an_index_beyond_the_list_is_rejected(self, issuer, make_validator) -> None:
        status = {"status_list": {"idx": 4096, "uri": issuer.lists.status_list_uri}}
        validator = make_validator(status_lists=StatusLists())
        assert reason(lambda: validator.validate(issuer.token(status=status))) == "claim_malformed"

    def test_a_place_that_the_list_does_not_have_yet_is_looked_for_once(
        self, issuer, make_validator, clock, asked
    ) -> None:
        issuer.status_claims, issuer.lifetime = True, 100_000
        validator = make_validator(status_lists=StatusLists(policy=ListPolicy(every=30.0)))
        validator.validate(issuer.token())
        tokens = [issuer.token() for _ in range(20)]
        issuer.revoke(tokens[18])
        assert validator.validate(tokens[19]).subject == "reports"  # the list has grown
        assert reason(lambda: validator.validate(tokens[18])) == "revoked"
        far = issuer.token(status={"status_list": {"idx": 4096, "uri": issuer.lists.status_list_uri}})
        for _ in range(20):
            assert reason(lambda: validator.validate(far)) == "claim_malformed"
        assert asked("/status-list") == 2
        issuer.faulty = {"status_list"}
        issuer.outage()
        clock.advance(31.0)
        assert unknown(lambda: validator.validate(far)).reason == "bad_status"

    def test_a_token_without_a_status_passes_unless_one_is_required(self, issuer, make_validator) -> None:
        assert make_validator(status_lists=StatusLists()).validate(issuer.token()).subject == "reports"
        strict = make_validator(status_lists=StatusLists(required=True))
        assert reason(lambda: strict.validate(issuer.token())) == "claim_missing"
        other = issuer.token(status={"identifier_list": {}})
        assert make_validator(status_lists=StatusLists()).validate(other).subject == "reports"

    @pytest.mark.parametrize(
        "status",
        [1, [], {"status_list": 1}, {"status_list": {"idx": 1}}, {"status_list": {"uri": URI}},
         {"status_list": {"idx": -1, "uri": URI}}, {"status_list": {"idx": True, "uri": URI}},
         {"status_list": {"idx": "1", "uri": URI}}, {"status_list": {"idx": 1, "uri": "ftp://a.example/x"}},
         {"status_list": {"idx": 1, "uri": "http://169.254.169.254/latest"}},
         {"status_list": {"idx": 1, "uri": "file:///etc/passwd"}}],
    )  # fmt: skip
    def test_a_reference_of_the_wrong_form_is_an_invalid_token(  # validator 49
        self, issuer, make_validator, status
    ) -> None:
        validator = make_validator(status_lists=StatusLists())
        assert reason(lambda: validator.validate(issuer.token(status=status))) == "claim_malformed"

    def test_an_issuer_elsewhere_cannot_point_to_loopback(self) -> None:  # validator 49
        claims = {"status": {"status_list": {"idx": 1, "uri": "http://127.0.0.1/status"}}}
        with pytest.raises(roomkey.InvalidToken):
            read_reference(claims, required=False, issuer="https://auth.example")
        assert read_reference(claims, required=False, issuer="http://127.0.0.1:8400") is not None

    def test_no_more_lists_are_kept_than_allowed(self, issuer, make_validator) -> None:
        validator = make_validator(status_lists=StatusLists(most=2))
        for number in range(6):
            uri = f"{issuer.url}/oauth2/status-list?{number}"
            token = issuer.token(status={"status_list": {"idx": 0, "uri": uri}})
            unknown(lambda t=token: validator.validate(t))  # its sub is another address
        (validating,) = validator._issuers.values()
        assert len(validating.revocation._status_lists._lists) == 2

    @pytest.mark.parametrize(
        "status_list",
        [None, [], {}, {"bits": 3, "lst": "eJwDAAAAAAE"}, {"bits": True, "lst": "eJwDAAAAAAE"}, {"bits": 1, "lst": 1},
         {"bits": 1, "lst": "!!"}, {"bits": 1, "lst": "AAAA"}, {"bits": "1", "lst": "eJwDAAAAAAE"},
         {"bits": 1, "lst": base64url.encode(zlib.compress(b"\0" * 10)[:-2]).decode()},
         {"bits": 1, "lst": base64url.encode(zlib.compress(b"\0") + b"more").decode()},
         {"bits": 1, "lst": base64url.encode(zlib.compress(bytes(LARGEST_INFLATED + 1))).decode()}],
    )  # fmt: skip
    def test_a_list_of_the_wrong_form_or_a_bomb_is_no_list(self, status_list) -> None:  # validator 50
        with pytest.raises(roomkey.InvalidToken):
            read_status_list({"sub": URI, "status_list": status_list}, URI)

    def test_a_list_of_another_url_is_no_list(self) -> None:
        good = {"bits": 1, "lst": base64url.encode(zlib.compress(b"\1")).decode()}
        assert read_status_list({"sub": URI, "status_list": good}, URI).at(0) == 1
        for sub in (URI + "/", None, [URI]):
            with pytest.raises(roomkey.InvalidToken):
                read_status_list({"sub": sub, "status_list": good}, URI)

    def test_the_example_of_the_draft(self) -> None:
        statuses = Statuses(1, bytes([0xB9, 0xA3]))
        assert [statuses.at(index) for index in range(17)] == [1, 0, 0, 1, 1, 1, 0, 1, 1, 1, 0, 0, 0, 1, 0, 1, None]

    @given(some.sampled_from([1, 2, 4, 8]), some.lists(some.integers(0, 255), max_size=40))
    def test_what_is_packed_is_found(self, bits, values) -> None:
        values = [value % (1 << bits) for value in values]
        packed = bytearray(-(-len(values) * bits // 8))
        for index, value in enumerate(values):
            packed[index * bits // 8] |= value << (index * bits % 8)
        assert [Statuses(bits, bytes(packed)).at(index) for index in range(len(values))] == values


@pytest.mark.parametrize(
    "settings",
    [{"every": 0.0}, {"every": 100.0, "staleness": 10.0}, {"stale": "maybe"}, {"fetch": 0.0},
     {"staleness": float("inf")}],
)  # fmt: skip
def test_a_policy_that_cannot_work_is_reported_at_once(settings) -> None:
    with pytest.raises(roomkey.ConfigurationError):
        ListPolicy(**settings)


def test_the_old_name_of_a_policy_works_and_warns() -> None:
    with pytest.warns(DeprecationWarning, match="reject"):
        assert ListPolicy(stale="refuse") == ListPolicy(stale="reject")  # type: ignore[arg-type]
