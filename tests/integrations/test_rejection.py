"""When an API says no for good: the app's own predicate, the error that explains, and no token anywhere in it."""

import pytest

from roomkey.client.api_retry import Reason, RetryPolicy, token_rejected
from roomkey.errors import TokenRejected
from roomkey.integrations import CallOptions, CallReport
from roomkey.oauth.challenge import parse_challenges
from roomkey.oauth.service_account_token import ServiceAccountToken


def session_ended(response) -> bool:
    return any(error["code"] == "TOKEN_EXPIRED" for error in response.json().get("errors", ()))


def test_a_200_that_says_expired_is_healed_by_the_apps_predicate(sender, orders, api, issuer):  # client 47
    auth = sender.BearerAuth(orders, rejected=session_ended)
    assert sender.send(auth, "GET", api.url).extensions["roomkey"].action == "attached"
    api.error_in_body = True
    issuer.revoke_all()
    response = sender.send(auth, "POST", f"{api.url}/echo", content=b"soap")
    assert (response.status_code, response.json()["length"]) == (200, 4)
    assert response.extensions["roomkey"].action == "renewed"
    assert len(issuer.token_requests) == 2


def test_a_predicate_that_goes_on_rejecting_stops_after_one_retry(sender, orders, api, issuer):  # client 40, 47
    auth = sender.BearerAuth(orders, rejected=lambda response: True)
    answers = sender.send_all(auth, [("GET", api.url, {})] * 3)
    assert [answer.extensions["roomkey"].reason for answer in answers] == [
        "token_rejected_again",
        "circuit_open",
        "circuit_open",
    ]
    assert len(issuer.token_requests) == 2


def test_a_predicate_may_read_a_streamed_answer(sender, orders, api, issuer):  # client 47
    auth = sender.BearerAuth(orders, rejected=session_ended)
    orders.token()
    api.error_in_body = True
    issuer.revoke_all()
    made = {"event_hooks": {"response": []}}
    response = sender.send(auth, "GET", f"{api.url}/orders", client=made)
    assert response.extensions["roomkey"].attempts == 2


def test_a_predicate_is_not_asked_about_answers_to_others(sender, orders, api, elsewhere):  # client 44, 47
    asked = []
    auth = sender.BearerAuth(orders, rejected=lambda response: asked.append(response.url.port) or True)
    sender.send(auth, "GET", f"{api.url}/redirect", params={"to": elsewhere.url}, client={"follow_redirects": True})
    sender.send(auth, "GET", api.url, extensions={"roomkey": CallOptions(attach=False)})
    assert asked == []


def test_what_a_predicate_raises_goes_to_the_caller_and_closes_the_answer(sender, orders, api, leaks):  # client 47, 66
    answers = []

    def broken(response) -> bool:
        raise LookupError("no such field")

    hooks = {"event_hooks": {"response": [sender.hook(answers.append)]}}
    held = orders.token().value
    with pytest.raises(LookupError) as caught:
        sender.send(sender.BearerAuth(orders, rejected=broken), "GET", api.url, client=hooks)
    assert answers[0].is_closed
    assert orders.token().value == held
    leaks.assert_clean(caught.value)


def test_a_predicate_that_is_a_coroutine_function_is_rejected_at_once(sync_sender, orders):  # client 47
    async def later(response) -> bool:
        return True

    with pytest.raises(TypeError, match="plain function"):
        sync_sender.BearerAuth(orders, rejected=later)


@pytest.mark.slow
def test_a_second_refusal_raises_where_the_app_wants_that(sender, orders, api, leaks):  # client 40, 66
    answers = []
    hooks = {"event_hooks": {"response": [sender.hook(answers.append)]}}
    api.reject_all = True
    auth = sender.BearerAuth(orders, raise_on_rejection=True)
    with pytest.raises(TokenRejected) as caught:
        sender.send(auth, "GET", f"{api.url}/orders?private=1", client=hooks)
    error = caught.value
    assert (error.status, error.challenge, error.tried) == (
        401,
        "bearer invalid_token",
        ("sent", "renewed", "sent again"),
    )
    for hint in ("roomkey inspect", "audience", "clock", "scope"):
        assert hint in error.advice
    assert api.url in str(error)
    assert '"orders"' in str(error)
    assert "private" not in str(error)
    assert len(api.requests) == 2
    assert all(answer.is_closed for answer in answers)
    leaks.assert_clean(error, auth, CallReport("attached"))
    with pytest.raises(TokenRejected) as caught:
        sender.send(auth, "GET", api.url)
    assert caught.value.tried == ("sent",)
    assert len(api.requests) == 3


def test_a_healed_call_and_a_refusal_of_another_kind_raise_nothing(sender, orders, api, issuer):
    auth = sender.BearerAuth(orders, raise_on_rejection=True)
    sender.send(auth, "GET", api.url)
    issuer.revoke_all()
    assert sender.send(auth, "GET", api.url).status_code == 200
    api.forbid = True
    assert sender.send(auth, "GET", api.url).status_code == 403
    api.forbid = False
    issuer.revoke_all()
    unread = sender.send(auth, "POST", api.url, content=sender.generated(b"x"))
    assert unread.status_code == 401


def test_a_wider_scope_that_is_not_enough_raises_with_its_own_advice(sender, orders, api):  # client 43
    narrow = {"www-authenticate": 'Bearer error="insufficient_scope", scope="orders:write"'}
    api.answer_with(403, narrow, times=2)
    auth = sender.BearerAuth(orders, retry=RetryPolicy(wider_scopes="orders:write"), raise_on_rejection=True)
    with pytest.raises(TokenRejected, match="wider scope was not granted") as caught:
        sender.send(auth, "GET", api.url)
    assert caught.value.status == 403
    assert caught.value.challenge == "bearer insufficient_scope scope orders:write"
    assert len(api.requests) == 2


def test_an_app_token_that_is_rejected_raises_at_once(sender, manager, api, issuer, leaks):  # client 40
    app_token = issuer.issue()
    auth = sender.BearerAuth(manager.credential(ServiceAccountToken(app_token)), raise_on_rejection=True)
    assert sender.send(auth, "GET", api.url).status_code == 200
    issuer.revoke(app_token)
    with pytest.raises(TokenRejected, match="no other one") as caught:
        sender.send(auth, "GET", api.url)
    assert len(api.requests) == 2
    leaks.assert_clean(caught.value)


def test_nothing_that_bearer_auth_shows_or_logs_holds_a_token(sender, orders, api, issuer, leaks):  # client 66, 67
    auth = sender.BearerAuth(orders)
    response = sender.send(auth, "GET", api.url)
    issuer.revoke_all()
    healed = sender.send(auth, "GET", api.url)
    assert fingerprints(response, healed)
    leaks.assert_clean(auth, vars(auth), response.extensions["roomkey"], healed.extensions["roomkey"], orders)


def fingerprints(*responses) -> bool:
    return all(len(response.extensions["roomkey"].token) == 8 for response in responses)


def test_a_challenge_is_told_in_plain_words_only():  # client 66
    hostile = parse_challenges(
        ['Bearer error="invalid_token", scope="a b \x1b[31m", error_description="secret-in-text"', "Basic realm=x"] * 5
    )
    error = token_rejected(
        origin="https://orders.example",
        credential='"orders"',
        status=401,
        challenges=hostile,
        reason=Reason.SCOPE_AGAIN,
        attempts=2,
    )
    assert "secret-in-text" not in str(error)
    assert "\x1b" not in str(error)
    assert error.tried == ("sent", "asked for a wider scope", "sent again")
    assert error.challenge == "bearer invalid_token scope a b, basic, bearer invalid_token scope a b"
