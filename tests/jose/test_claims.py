"""What a verified token must say to be good here and now."""

import contextlib
import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import roomkey
from roomkey.jose.claims import (
    REQUIRED_OF_ACCESS_TOKENS,
    ClaimRules,
    check_audience,
    check_claims,
    check_issuer,
    check_type,
    read_scopes,
    read_string,
)
from roomkey.jose.reasons import REASONS, invalid_token

NOW = 1_700_000_000.0
ISSUER = "https://auth.example"
RULES = ClaimRules(issuer=ISSUER, audiences=frozenset({"orders-api"}), required=REQUIRED_OF_ACCESS_TOKENS, leeway=30.0)
CLAIMS = {
    "iss": ISSUER,
    "aud": "orders-api",
    "sub": "alice",
    "client_id": "reports",
    "jti": "one",
    "iat": NOW - 10,
    "exp": NOW + 300,
}


def verdict(rules: ClaimRules = RULES, typ: str | None = "at+jwt", now: float = NOW, **changes: Any) -> tuple[str, str]:
    """Reason and claim at fault; "" and "" where the claims are good. A claim that is changed to ... is left out."""
    claims = {name: value for name, value in (CLAIMS | changes).items() if value is not ...}
    try:
        check_type(typ, access_tokens_only=rules.access_tokens_only)
        check_claims(claims, rules, now=now)
    except roomkey.InvalidToken as error:
        return error.reason, str(error.claim)
    return "", ""


GOOD = ("", "")


def test_a_right_token_is_valid() -> None:
    assert verdict() == GOOD
    assert verdict(exp=int(NOW) + 1, iat=NOW - 0.5, nbf=NOW, aud=["other", "orders-api"]) == GOOD


@pytest.mark.parametrize(
    "value",
    [
        True,
        False,
        "9999999999",
        " 99 ",
        "٩٩٩٩٩٩٩٩٩٩",
        "",
        [],
        {},
        [9_999_999_999],
        None,
        10**50,
        253_402_300_800,
        math.nan,
        math.inf,
        -math.inf,
        -1,
        -0.001,
    ],
    ids=repr,
)
@pytest.mark.parametrize("name", ["exp", "iat"])  # fmt: skip
def test_times_are_numbers_of_seconds(name: str, value: object) -> None:  # validator 32, 33
    assert verdict(**{name: value}) == ("claim_malformed", name)


@pytest.mark.parametrize("value", [True, "0", None, [], math.nan, math.inf, 10**50], ids=repr)
def test_nbf_is_a_number_too(value: object) -> None:  # validator 32
    assert verdict(nbf=value) == ("claim_malformed", "nbf")


def test_a_negative_nbf_is_just_the_past() -> None:  # validator 33
    assert verdict(nbf=-1) == GOOD
    assert verdict(nbf=-(10**9)) == GOOD


def test_a_token_ends_at_exp_plus_leeway() -> None:  # validator 32
    assert verdict(exp=NOW - 29.9) == GOOD
    assert verdict(exp=NOW - 30.0) == ("expired", "exp")
    assert verdict(ClaimRules(issuer=ISSUER, audiences=None, leeway=0), exp=NOW) == ("expired", "exp")
    assert verdict(exp=...) == ("claim_missing", "exp")
    assert verdict(exp=0) == ("expired", "exp")
    assert verdict(exp=253_402_300_799) == GOOD


def test_a_token_begins_at_nbf_less_leeway() -> None:  # validator 33
    assert verdict(nbf=NOW + 30.0) == GOOD
    assert verdict(nbf=NOW + 30.1) == ("not_yet_valid", "nbf")


def test_an_iat_ahead_is_rejected_by_policy_only() -> None:  # validator 33
    strict = ClaimRules(issuer=ISSUER, audiences=None, issued_in_future=False)
    assert verdict(iat=NOW + 1_000) == GOOD
    assert verdict(strict, iat=NOW + 30) == GOOD
    assert verdict(strict, iat=NOW + 31) == ("issued_in_future", "iat")


def test_a_token_can_be_too_old_though_it_has_not_ended() -> None:  # validator 33
    young = ClaimRules(issuer=ISSUER, audiences=None, longest_age=60.0, leeway=0.0)
    assert verdict(young, iat=NOW - 59.9) == GOOD
    assert verdict(young, iat=NOW - 60.0) == ("too_old", "iat")
    assert verdict(young, iat=...) == ("claim_missing", "iat")


@pytest.mark.parametrize("leeway", [-1.0, 300.1, math.nan, math.inf, True, "30", None], ids=repr)
def test_the_leeway_is_capped(leeway: Any) -> None:  # validator 34
    with pytest.raises(ValueError, match="leeway"):
        ClaimRules(issuer=ISSUER, audiences=None, leeway=leeway)
    assert 0.0 <= ClaimRules(issuer=ISSUER, audiences=None).leeway <= 60.0


@pytest.mark.parametrize(
    "wrong", [{"issuer": ""}, {"issuer": None}, {"audiences": frozenset()}, {"audiences": "orders-api"},
              {"audiences": frozenset({""})}, {"longest_age": 0}, {"longest_age": math.nan}, {"longest_age": "1"}],
    ids=repr,
)  # fmt: skip
def test_rules_that_make_no_sense_are_rejected(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        ClaimRules(**{"issuer": ISSUER, "audiences": None} | wrong)


@pytest.mark.parametrize(
    ("aud", "reason"),
    [
        ("orders-api/", "wrong_audience"),
        ("Orders-API", "wrong_audience"),
        ("orders", "wrong_audience"),
        ("orders-api2", "wrong_audience"),
        (" orders-api", "wrong_audience"),
        ("orders-api other", "wrong_audience"),
        (["other"], "wrong_audience"),
        ("", "claim_malformed"),
        ([], "wrong_audience"),
        ({"orders-api": 1}, "claim_malformed"),
        ([["orders-api"]], "claim_malformed"),
        (["orders-api", 1], "claim_malformed"),
        (["orders-api", None], "claim_malformed"),
        (["orders-api", ""], "claim_malformed"),
        (None, "claim_malformed"),
        (True, "claim_malformed"),
        (..., "claim_missing"),
    ],
    ids=repr,
)
def test_the_audience_is_one_of_ours_letter_for_letter(aud: object, reason: str) -> None:  # validator 35
    assert verdict(aud=aud) == (reason, "aud")


def test_without_audiences_on_purpose_only_the_form_counts() -> None:  # validator 35
    check_audience({}, None)
    check_audience({"aud": ["anything"]}, None)
    with pytest.raises(roomkey.InvalidToken):
        check_audience({"aud": {}}, None)


@pytest.mark.parametrize(
    ("iss", "reason"),
    [
        (ISSUER + "/", "wrong_issuer"),
        (ISSUER.upper(), "wrong_issuer"),
        ("https://auth.example.evil.example", "wrong_issuer"),
        ("https://auth", "wrong_issuer"),
        ("", "wrong_issuer"),
        ([ISSUER], "claim_malformed"),
        ([ISSUER, "https://evil.example"], "claim_malformed"),
        ({ISSUER: 1}, "claim_malformed"),
        (None, "claim_malformed"),
        (..., "claim_missing"),
    ],
    ids=repr,
)
def test_the_issuer_is_ours_letter_for_letter(iss: object, reason: str) -> None:  # validator 36
    assert verdict(iss=iss) == (reason, "iss")
    with pytest.raises(roomkey.InvalidToken):
        check_issuer({} if iss is ... else {"iss": iss}, ISSUER)


@pytest.mark.parametrize("typ", ["at+jwt", "AT+JWT", "application/at+jwt", "Application/At+Jwt"])
def test_an_access_token_says_that_it_is_one(typ: str) -> None:  # validator 23
    assert verdict(typ=typ) == GOOD


@pytest.mark.parametrize("typ", [None, "", "JWT", "jwt", "at+jwt ", "at", "application/jwt", "text/at+jwt", "id+jwt"])
def test_another_type_is_taken_only_on_purpose(typ: str | None) -> None:  # validator 23
    assert verdict(typ=typ) == ("wrong_type", "typ")
    check_type(typ, access_tokens_only=False)


@pytest.mark.parametrize(
    "typ",
    [
        "dpop+jwt",
        "DPoP+JWT",
        "logout+jwt",
        "application/secevent+jwt",
        "statuslist+jwt",
        "denylist+jwt",
        "token-introspection+jwt",
    ],
)
def test_some_types_are_never_access_tokens(typ: str) -> None:  # validator 23
    for only in (True, False):
        with pytest.raises(roomkey.InvalidToken):
            check_type(typ, access_tokens_only=only)


@pytest.mark.parametrize("name", ["sub", "jti", "client_id"])
@pytest.mark.parametrize("value", [1, None, True, ["alice"], {"alice": 1}], ids=repr)
def test_names_are_strings(name: str, value: object) -> None:  # validator 38
    assert verdict(ClaimRules(issuer=ISSUER, audiences=None), **{name: value}) == ("claim_malformed", name)
    assert verdict(**{name: ...}) == ("claim_missing", name)
    assert read_string({name: "alice"}, name) == "alice"


@pytest.mark.parametrize(
    ("scope", "scopes"),
    [
        ("admin2", {"admin2"}),
        ("orders:read  orders:write ", {"orders:read", "orders:write"}),
        ("https://api.example/.default", {"https://api.example/.default"}),
        ("", set()),
        (" ", set()),
    ],
)
def test_scopes_are_strings_with_spaces_between_them(scope: str, scopes: set[str]) -> None:  # validator 38
    assert read_scopes({"scope": scope}) == scopes
    assert read_scopes({}) == frozenset()
    assert "admin" not in read_scopes({"scope": scope})


@pytest.mark.parametrize(
    "scope", [None, 1, True, {"a": 1}, ["a"], "a\tb", "a\nb", 'a"b', "a\\b", "é", "a\u00a0b", "a\0"]
)
def test_scopes_of_another_form_are_rejected(scope: object) -> None:  # validator 38
    with pytest.raises(roomkey.InvalidToken) as caught:
        read_scopes({"scope": scope})
    assert (caught.value.reason, caught.value.claim) == ("claim_malformed", "scope")


def test_a_list_of_scopes_is_taken_only_on_purpose() -> None:  # validator 38
    assert read_scopes({"scp": ["a", "b"]}, "scp", lists=True) == {"a", "b"}
    for wrong in (["a b"], ["a", 1], [["a"]], ["a\n"]):
        with pytest.raises(roomkey.InvalidToken):
            read_scopes({"scp": wrong}, "scp", lists=True)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([*CLAIMS, "nbf", "scope"]), json_values, st.none() | st.text(max_size=12))
def test_no_claim_causes_another_error(name: str, value: object, typ: str | None) -> None:  # validator 2
    claims = {name: value}
    for rules in (RULES, ClaimRules(issuer=ISSUER, audiences=None, access_tokens_only=False, longest_age=5.0)):
        with contextlib.suppress(roomkey.InvalidToken):
            check_type(typ, access_tokens_only=rules.access_tokens_only)
        with contextlib.suppress(roomkey.InvalidToken):
            check_claims(CLAIMS | claims, rules, now=NOW)
        with contextlib.suppress(roomkey.InvalidToken):
            read_scopes(claims, lists=True)


def test_every_reason_has_a_sentence_that_may_be_shown() -> None:  # validator 43
    for reason, sentence in REASONS.items():
        error = invalid_token(reason, "exp")
        assert (error.code, error.reason, error.claim, str(error)) == ("invalid_token", reason, "exp", sentence)
        assert re.fullmatch(r"[ -~]+\.", sentence)
        assert not set(sentence) & set('"\\')
