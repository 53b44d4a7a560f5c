"""The retry table: what is sent once more, what is dropped, and what goes to the caller as it is."""

import itertools

import pytest

from roomkey.client.api_retry import Action, Answered, Decision, Reason, RetryPolicy, Sent, decide
from roomkey.oauth.challenge import parse_challenges


def decision(
    status: int = 401,
    *challenges: str,
    policy: RetryPolicy | None = None,
    method: str = "GET",
    replayable: bool = True,
    ours: bool = True,
    attempt: int = 1,
    rejected: bool = False,
    scope: str | None = "orders:read",
) -> Decision:
    sent = Sent(method, replayable, ours, attempt, scope)
    return decide(policy or RetryPolicy(), sent, Answered(status, parse_challenges(challenges), rejected))


NARROW = 'Bearer error="insufficient_scope", scope="orders:write"'
WIDER = RetryPolicy(wider_scopes="orders:write")


@pytest.mark.parametrize(
    "challenges",
    [
        (),
        ("Bearer",),
        ('Bearer realm="api", error="invalid_token"',),
        ('BEARER ERROR="invalid_token", error_description="a, b=c"',),
        ('Basic realm="x", Bearer error="invalid_token"',),
        ('Basic realm="x"', 'Bearer error="invalid_token", error_description="expired, \\"really\\""'),
        ('Negotiate, Basic realm="a, b"',),
        ("nonsense ,,, =", "Bearer"),
    ],
)
def test_a_401_that_rejects_the_token_drops_it_and_sends_the_request_once_more(challenges):  # client 41, 45
    assert decision(401, *challenges) == Decision(Action.RENEW, Reason.REJECTED)


@pytest.mark.parametrize(
    "error", ["invalid_request", "expired_token", "ExpiredToken", "Invalid_Token", "use_dpop_nonce"]
)
def test_a_401_with_another_error_leads_to_a_renewal_and_leaves_the_token_until_it_came(error):
    decided = decision(401, f'Bearer error="{error}"')
    assert (decided.action, decided.reason, decided.certain) == (Action.RENEW, Reason.REJECTED, False)


def test_only_a_code_that_rejects_the_token_ends_it_for_good():
    assert decision(401, 'Bearer error="invalid_token"').certain
    assert not decision(401).certain
    assert not decision(401, "Bearer").certain


def test_a_403_that_names_a_scope_without_an_error_is_about_the_scope():
    named = 'Bearer scope="orders:write"'
    assert decision(403, named, policy=WIDER).action is Action.WIDEN
    assert decision(403, named) == Decision(Action.RETURN, Reason.SCOPE)
    assert decision(403, 'Bearer realm="orders"', policy=WIDER) == Decision(Action.RETURN, Reason.FORBIDDEN)


def test_one_challenge_that_says_invalid_token_is_enough_among_others():  # client 45
    assert decision(401, 'DPoP error="use_dpop_nonce", Bearer error="invalid_token"').action is Action.RENEW


def test_an_api_with_an_error_code_of_its_own_can_be_named():
    policy = RetryPolicy(rejecting_errors=["invalid_token", "session_expired"])
    assert decision(401, 'Bearer error="session_expired"', policy=policy).certain
    assert not decision(401, 'Bearer error="session_expired"').certain


def test_a_second_refusal_is_told_to_the_credential_but_never_sent_a_third_time():  # client 40
    assert decision(401, attempt=2) == Decision(Action.DROP, Reason.REJECTED_AGAIN)


def test_a_body_that_cannot_be_sent_again_drops_the_token_and_returns_the_401():  # client 41
    assert decision(401, method="POST", replayable=False) == Decision(Action.DROP, Reason.BODY)


def test_a_method_that_must_not_be_repeated_drops_the_token_and_returns_the_401():
    policy = RetryPolicy(methods=["get", "HEAD"])
    assert decision(401, method="POST", policy=policy) == Decision(Action.DROP, Reason.METHOD)
    assert decision(401, method="GET", policy=policy).action is Action.RENEW


def test_an_empty_collection_of_methods_turns_the_retry_off():
    assert decision(401, policy=RetryPolicy(methods=())) == Decision(Action.DROP, Reason.METHOD)


@pytest.mark.parametrize("status", [401, 403])
def test_a_request_that_did_not_carry_our_token_says_nothing_about_it(status):  # client 44
    assert decision(status, 'Bearer error="invalid_token"', ours=False) == Decision(Action.RETURN, Reason.NOT_OURS)


@pytest.mark.parametrize("status", [200, 204, 304, 400, 404, 407, 500, 503])
def test_other_statuses_are_none_of_our_business(status):  # client 44
    assert decision(status, 'Bearer error="invalid_token"', policy=WIDER) == Decision(Action.RETURN, Reason.FINE)


@pytest.mark.parametrize("ours", [True, False])
def test_a_success_is_a_success_no_matter_who_it_was_for(ours):
    assert decision(200, ours=ours) == Decision(Action.RETURN, Reason.FINE)


def test_a_plain_403_is_returned_and_the_token_kept():  # client 43
    assert decision(403) == Decision(Action.RETURN, Reason.FORBIDDEN)
    assert decision(403, "Bearer", policy=WIDER) == Decision(Action.RETURN, Reason.FORBIDDEN)


def test_an_api_that_answers_403_to_an_expired_token_can_be_declared():  # client 43
    policy = RetryPolicy(rejecting_statuses=(401, 403))
    assert decision(403, policy=policy) == Decision(Action.RENEW, Reason.REJECTED)
    assert decision(403, 'Bearer error="insufficient_scope"', policy=policy).action is Action.RETURN


def test_insufficient_scope_is_sent_again_only_with_a_scope_that_may_be_asked_for():  # client 43
    assert decision(403, NARROW) == Decision(Action.RETURN, Reason.SCOPE)
    assert decision(403, NARROW, policy=WIDER) == Decision(Action.WIDEN, Reason.SCOPE, "orders:read orders:write")
    assert decision(401, NARROW, policy=WIDER).action is Action.WIDEN
    assert decision(403, NARROW, policy=RetryPolicy(wider_scopes="invoices:write")).action is Action.RETURN


def test_a_wider_token_that_is_not_enough_either_is_returned():  # client 43
    held = "orders:read orders:write"
    assert decision(403, NARROW, policy=WIDER, attempt=2, scope=held) == Decision(Action.RETURN, Reason.SCOPE_AGAIN)


def test_an_api_that_asks_for_one_scope_after_another_is_not_followed():  # client 43
    policy = RetryPolicy(wider_scopes="orders:write admin")
    assert decision(403, NARROW, policy=policy, attempt=2, scope="admin") == Decision(Action.RETURN, Reason.SCOPE_AGAIN)


def test_only_the_challenge_that_complains_of_the_scope_names_it():  # client 43, 45
    policy = RetryPolicy(wider_scopes="orders:write admin")
    assert decision(403, 'DPoP scope="admin"', NARROW, policy=policy).scope == "orders:read orders:write"


def test_a_scope_that_was_asked_for_already_is_not_asked_for_again():  # client 43
    assert decision(403, NARROW, policy=WIDER, scope="orders:write orders:read").action is Action.RETURN


def test_a_wider_scope_never_drops_the_token_for_want_of_a_body_or_a_method():  # client 43
    assert decision(403, NARROW, policy=WIDER, replayable=False) == Decision(Action.RETURN, Reason.BODY)
    only_get = RetryPolicy(wider_scopes="orders:write", methods={"GET"})
    assert decision(403, NARROW, policy=only_get, method="POST") == Decision(Action.RETURN, Reason.METHOD)


def test_without_a_scope_in_the_challenge_everything_that_may_be_asked_for_is():  # client 43
    policy = RetryPolicy(wider_scopes="b a")
    assert decision(403, 'Bearer error="insufficient_scope"', policy=policy, scope=None).scope == "a b"
    assert decision(403, 'Bearer error="insufficient_scope"', policy=policy, scope="z a").scope == "a b z"


def test_more_than_what_may_be_asked_for_is_never_asked_for():  # client 43
    challenge = 'Bearer error="insufficient_scope", scope="orders:write admin"'
    assert decision(403, challenge, policy=WIDER) == Decision(Action.RETURN, Reason.SCOPE)


@pytest.mark.parametrize("status", [200, 500])
def test_what_the_apps_predicate_rejects_is_handled_as_a_401(status):  # client 47
    assert decision(status, rejected=True) == Decision(Action.RENEW, Reason.REJECTED)
    assert decision(status, rejected=True, attempt=2) == Decision(Action.DROP, Reason.REJECTED_AGAIN)
    assert decision(status, rejected=True, replayable=False) == Decision(Action.DROP, Reason.BODY)


def test_whatever_comes_there_is_never_a_third_attempt_and_never_a_retry_without_body_or_token():
    policy = RetryPolicy(rejecting_statuses={401, 403, 418}, wider_scopes="orders:write", methods={"GET", "POST"})
    errors = ("", 'Bearer error="invalid_token"', NARROW, 'Bearer error="x"')
    for status, error, method, replayable, ours, attempt, rejected in itertools.product(
        (200, 401, 403, 407, 418, 500), errors, ("GET", "DELETE"), (True, False), (True, False), (1, 2), (True, False)
    ):
        made = decision(
            status,
            error,
            policy=policy,
            method=method,
            replayable=replayable,
            ours=ours,
            attempt=attempt,
            rejected=rejected and ours,
        )
        if made.action in (Action.RENEW, Action.WIDEN):
            assert attempt == 1
            assert replayable
            assert ours
            assert method == "GET"
        if made.action in (Action.DROP, Action.RENEW):
            assert ours
        assert (made.scope is not None) == (made.action is Action.WIDEN)


@pytest.mark.parametrize("status", [200, 302, 407, 99, 600])
def test_a_status_that_cannot_mean_a_rejected_token_is_not_accepted(status):  # client 44
    with pytest.raises(ValueError, match="rejecting_statuses"):
        RetryPolicy(rejecting_statuses=(401, status))


def test_one_text_in_place_of_a_collection_is_an_error_and_not_its_letters():
    with pytest.raises(TypeError, match="methods"):
        RetryPolicy(methods="GET")
    with pytest.raises(TypeError, match="rejecting_errors"):
        RetryPolicy(rejecting_errors="invalid_token")
    with pytest.raises(TypeError, match="wider_scopes"):
        RetryPolicy(wider_scopes=["orders:write"])  # type: ignore[arg-type]


def test_policies_of_the_same_settings_are_equal_and_cannot_be_changed():
    one = RetryPolicy(rejecting_statuses=[403, 401], wider_scopes="b  a b", methods=["get"])
    assert one == RetryPolicy(rejecting_statuses={401, 403}, wider_scopes="a b", methods=("GET",))
    assert len({one, RetryPolicy(rejecting_statuses={401, 403}, wider_scopes="a b", methods=("GET",))}) == 1
    with pytest.raises(AttributeError):
        one.wider_scopes = "admin"  # type: ignore[misc]
