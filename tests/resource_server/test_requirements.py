"""What a route asks of verified claims: names whole, everything else denied."""

import dataclasses
import logging

import pytest

import roomkey
from roomkey import Claims, Requirements

NOW = 1_700_000_000.0


def claims(**values: object) -> Claims:
    named = {name: values.pop(name) for name in ("scopes", "roles", "tenant") if name in values}
    return Claims(values, subject="alice", **named)  # type: ignore[arg-type]


def denied(requirements: Requirements, held: Claims, **request: object) -> roomkey.AccessDenied:
    with pytest.raises(roomkey.AccessDenied) as caught:
        requirements.check(held, now=NOW, **request)  # type: ignore[arg-type]
    assert caught.value.status == 403
    return caught.value


def test_all_scopes_must_be_there() -> None:
    wanted = Requirements(scopes="orders:read orders:write")
    wanted.check(claims(scopes=frozenset({"orders:read", "orders:write", "more"})), now=NOW)
    error = denied(wanted, claims(scopes=frozenset({"orders:read"})))
    assert (error.reason, error.scope) == ("scope_missing", "orders:read orders:write")


def test_one_of_several_scopes_is_enough_and_the_first_is_asked_for() -> None:
    wanted = Requirements(scopes=["a"], any_scope=["b", "c"])
    wanted.check(claims(scopes=frozenset({"a", "c"})), now=NOW)
    assert denied(wanted, claims(scopes=frozenset({"a"}))).scope == "a b"
    assert denied(wanted, claims(scopes=frozenset({"c"}))).scope == "a"


@pytest.mark.parametrize("held", ["admin2", "Admin", "admin:read", "a", ""])
def test_a_name_is_compared_whole(held) -> None:  # validator 38
    held_names = frozenset({held} - {""})
    assert denied(Requirements(scopes=["admin"]), claims(scopes=held_names)).reason == "scope_missing"
    assert denied(Requirements(any_scope=["admin"]), claims(scopes=held_names)).reason == "scope_missing"
    assert denied(Requirements(roles=["admin"]), claims(roles=held_names)).reason == "role_missing"
    assert denied(Requirements(any_role=["admin"]), claims(roles=held_names)).reason == "role_missing"


def test_no_scopes_are_not_all_scopes() -> None:  # validator 38
    denied(Requirements(scopes=["orders:read"]), claims(scopes=frozenset()))
    Requirements().check(claims(), now=NOW)


def test_a_role_may_have_spaces_and_is_not_split() -> None:
    Requirements(roles="order clerk").check(claims(roles=frozenset({"order clerk"})), now=NOW)
    denied(Requirements(roles="order clerk"), claims(roles=frozenset({"order", "clerk"})))


@pytest.mark.parametrize(
    ("held", "asked", "good"),
    [("acme", "acme", True), ("acme", "globex", False), ("acme", "", False), ("acme", None, False),
     (None, None, False), (None, "acme", False), ("", "", False), ("acme", "ACME", False)],
)  # fmt: skip
def test_the_tenant_of_the_token_is_that_of_the_request(held, asked, good) -> None:
    wanted = Requirements(tenant=True)
    if good:
        wanted.check(claims(tenant=held), now=NOW, tenant=asked)
    else:
        assert denied(wanted, claims(tenant=held), tenant=asked).reason == "wrong_tenant"


@pytest.mark.parametrize(
    ("expected", "value", "good"),
    [("eu", "eu", True), ("eu", "us", False), (1, True, False), (True, 1, False), (True, True, True), (1, 1.0, False),
     (None, None, True), (lambda value: value > 3, 4, True), (lambda value: value > 3, 3, False),
     (lambda value: value > 3, "x", False), (lambda value: "staff" in value, ["staff"], True)],
)  # fmt: skip
def test_claims_must_be_equal_or_please_a_function(expected, value, good) -> None:
    wanted = Requirements(claims={"region": expected})
    if good:
        wanted.check(claims(region=value), now=NOW)
    else:
        error = denied(wanted, claims(region=value))
        assert (error.reason, error.claim) == ("claim_not_met", "region")


def test_a_claim_that_is_absent_pleases_no_one() -> None:
    denied(Requirements(claims={"region": None}), claims())
    denied(Requirements(claims={"region": lambda _: True}), claims())


def test_a_function_that_raises_denies_and_its_error_is_not_shown(caplog) -> None:
    caplog.set_level(logging.DEBUG)
    denied(Requirements(claims={"region": lambda value: value["hush"]}), claims(region="hush-hush"))
    assert "TypeError" in caplog.text
    assert "hush-hush" not in caplog.text


@pytest.mark.parametrize(
    ("values", "reason"),
    [({"acr": "pwd", "auth_time": NOW}, "acr_not_met"), ({"auth_time": NOW}, "acr_not_met"),
     ({"acr": ["mfa"], "auth_time": NOW}, "acr_not_met"), ({"acr": "mfa"}, "auth_time_too_old"),
     ({"acr": "mfa", "auth_time": NOW - 331}, "auth_time_too_old"),
     ({"acr": "mfa", "auth_time": NOW + 31}, "auth_time_too_old"),
     ({"acr": "mfa", "auth_time": True}, "auth_time_too_old"), ({"acr": "mfa", "auth_time": "0"}, "auth_time_too_old")],
)  # fmt: skip
def test_a_weak_or_old_sign_in_must_be_done_again(values, reason) -> None:
    wanted = Requirements(acr=["mfa", "hwk"], max_age=300)
    wanted.check(claims(acr="hwk", auth_time=NOW - 300), now=NOW)
    with pytest.raises(roomkey.StepUpRequired) as caught:
        wanted.check(claims(**values), now=NOW)
    error = caught.value
    assert (error.reason, error.status, error.acr_values, error.max_age) == (reason, 401, "mfa hwk", 300)


@pytest.mark.parametrize(
    "settings",
    [{"any_scope": []}, {"any_role": ()}, {"acr": []}, {"scopes": [""]}, {"scopes": [1]}, {"roles": [" "]},
     {"scopes": ['a"b']}, {"scopes": ["a\r\nb"]}, {"any_scope": ""}, {"max_age": -1}, {"max_age": float("nan")}],
)  # fmt: skip
def test_requirements_that_no_one_could_mean_are_rejected(settings) -> None:
    with pytest.raises((ValueError, TypeError)):
        Requirements(**settings)


def test_authorize_does_all_of_it(issuer, validator) -> None:  # validator 39, 43
    token = issuer.token(scope="orders:read", tenant="acme")
    wanted = Requirements(scopes=["orders:read"], tenant=True)
    assert validator.authorize([f"Bearer {token}"], wanted, tenant="acme").tenant == "acme"
    for authorization, tenant, kind in (
        ([], "acme", roomkey.TokenMissing),
        ([f"Bearer {token}"] * 2, "acme", roomkey.InvalidRequest),
        ([f"Bearer {token[:-4]}AAAA"], "globex", roomkey.InvalidToken),  # a forged token never hears of tenants
        ([f"Bearer {token}"], "globex", roomkey.AccessDenied),
    ):
        with pytest.raises(kind):
            validator.authorize(authorization, wanted, tenant=tenant)


def test_what_could_never_be_met_is_reported_when_a_route_is_declared(validator) -> None:
    validator.check_requirements(Requirements(scopes=["a"]))
    with pytest.raises(roomkey.ConfigurationError, match="introspection"):
        validator.check_requirements(Requirements(fresh=True))


@pytest.mark.parametrize(
    "asked",
    [
        Requirements(),
        Requirements(
            scopes="a b",
            any_scope=["c"],
            roles="r",
            any_role=["s"],
            claims={"level": 3},
            acr=["mfa"],
            max_age=5,
            fresh=True,
        ),
    ],
    ids=["nothing", "all"],
)
def test_a_part_may_be_replaced_and_the_rest_stays(asked: Requirements) -> None:
    other = dataclasses.replace(asked, tenant=True)
    assert other != asked
    assert dataclasses.replace(other, tenant=False) == asked
    assert dataclasses.replace(other, any_scope=None, any_role=None, acr=None).any_scope is None
