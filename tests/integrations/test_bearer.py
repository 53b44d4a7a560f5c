"""BearerAuth: the token goes along, a refusal is healed once, and what was done is told."""

import time

import anyio
import pytest

import roomkey
from roomkey.client.api_retry import RetryPolicy
from roomkey.errors import TokenUnavailable
from roomkey.integrations import CallReport
from roomkey.secret import fingerprint
from roomkey.testing import ProtectedAPI


def report(response) -> CallReport:
    return response.extensions["roomkey"]


def mark(credential) -> str:
    return fingerprint(credential.token().value)


def test_every_sender_sends_the_token(sender, orders, api):  # client 48
    """An auth class with only one of the two flows silently sends no token through the other client."""
    response = sender.send(sender.BearerAuth(orders), "GET", f"{api.url}/orders")
    assert response.status_code == 200
    assert api.requests[0].carried(orders.token().value)
    assert report(response) == CallReport("attached", "", 1, mark(orders))


def test_one_token_serves_all_requests_of_all_clients(sender, orders, api, issuer):
    auth = sender.BearerAuth(orders)
    sender.send_all(auth, [("GET", f"{api.url}/{number}", {}) for number in range(3)])
    sender.send(auth, "GET", api.url)
    assert [request.status for request in api.requests] == [200] * 4
    assert len(issuer.token_requests) == 1


def test_a_revoked_token_is_healed_by_one_retry(sender, orders, api, issuer):  # client 38
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", api.url)
    first = orders.token().value
    issuer.revoke(first)
    response = sender.send(auth, "GET", f"{api.url}/orders")
    assert response.status_code == 200
    assert [request.status for request in api.requests] == [200, 401, 200]
    assert api.requests[1].carried(first)
    assert api.requests[2].carried(orders.token().value)
    assert len(issuer.token_requests) == 2
    assert report(response) == CallReport("renewed", "token_rejected", 2, mark(orders))


def test_a_401_without_any_challenge_is_healed_too(sender, orders, api, issuer):  # client 41
    api.challenge = False
    sender.send(sender.BearerAuth(orders), "GET", api.url)
    issuer.revoke_all()
    assert sender.send(sender.BearerAuth(orders), "GET", api.url).status_code == 200


def test_a_late_401_for_an_older_token_sends_the_newer_one_without_a_fetch(sender, orders, api, issuer):  # client 38
    auth = sender.BearerAuth(orders)
    old = orders.token().value
    issuer.revoke(old)

    def another_was_faster(response) -> None:
        if response.status_code == 401:
            orders.refresh()

    hooks = {"event_hooks": {"response": [sender.hook(another_was_faster)]}}
    assert sender.send(auth, "GET", api.url, client=hooks).status_code == 200
    assert len(issuer.token_requests) == 2


def test_twenty_401s_at_once_for_one_revoked_token_cause_one_refresh(sender, orders, api, issuer):  # client 39
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", api.url)
    issuer.revoke_all()
    issuer.delay = 0.1
    answers = sender.send_together(auth, 20, "GET", f"{api.url}/orders")
    assert [answer.status_code for answer in answers] == [200] * 20
    assert len(issuer.token_requests) == 2


def test_a_new_token_that_is_rejected_too_is_returned_and_causes_no_storm(sender, orders, api, issuer):  # client 40
    auth = sender.BearerAuth(orders)
    api.reject_all = True
    answers = sender.send_all(auth, [("GET", api.url, {})] * 4)
    assert [answer.status_code for answer in answers] == [401] * 4
    assert len(issuer.token_requests) == 2
    assert len(api.requests) == 5
    assert report(answers[0]) == CallReport("returned", "token_rejected_again", 2, mark(orders))
    assert report(answers[3]) == CallReport("returned", "circuit_open", 1, mark(orders))


def test_an_api_that_rejects_everything_does_not_spoil_the_others(sender, orders, api, issuer):  # client 40
    with ProtectedAPI(issuer) as other:
        other.reject_all = True
        auth = sender.BearerAuth(orders, origins=[api.url, other.url])
        assert sender.send(auth, "GET", other.url).status_code == 401
        issuer.revoke_all()
        assert sender.send(auth, "GET", api.url).status_code == 200


def test_a_source_that_gives_the_rejected_token_again_is_not_sent_again(sender, orders, api, issuer):  # client 30, 40
    issuer.same_token = True
    api.reject_all = True
    response = sender.send(sender.BearerAuth(orders), "GET", api.url)
    assert response.status_code == 401
    assert len(api.requests) == 1
    assert report(response).reason == "no_other_token"


def test_a_401_in_other_words_leads_to_one_renewal(sender, orders, api, issuer):
    api.reject_all = True
    api.challenge = 'Bearer error="token_expired"'
    response = sender.send(sender.BearerAuth(orders), "GET", api.url)
    assert (response.status_code, report(response).reason) == (401, "token_rejected_again")
    assert (len(api.requests), len(issuer.token_requests)) == (2, 2)


@pytest.mark.parametrize("challenge", ["Bearer", 'Bearer error="whatever"'])
def test_a_bare_401_keeps_the_token_while_no_other_one_can_be_had(sender, orders, api, issuer, challenge):
    held = orders.token().value
    api.reject_all, api.challenge = True, challenge
    issuer.answer_with(503, times=50)
    auth = sender.BearerAuth(orders)
    for _ in range(3):
        response = sender.send(auth, "GET", api.url)
        assert response.status_code == 401
        assert orders.token().value == held
    api.reject_all = False
    assert sender.send(auth, "GET", api.url).status_code == 200


def test_an_invalid_token_is_gone_although_no_other_one_can_be_had(sender, orders, api, issuer):
    orders.token()
    api.reject_all, api.challenge = True, 'Bearer error="invalid_token"'
    issuer.answer_with(503, times=50)
    with pytest.raises(roomkey.TokenUnavailable):
        sender.send(sender.BearerAuth(orders), "GET", api.url)


def test_a_token_that_the_api_has_accepted_is_renewed_however_often_it_is_revoked(sender, orders, api, issuer):
    auth, revoked = sender.BearerAuth(orders), set[str]()
    api.rejects = revoked.__contains__
    for revocations in range(1, 5):
        assert sender.send(auth, "GET", api.url).status_code == 200
        revoked.add(orders.token().value)
        assert sender.send(auth, "GET", api.url).status_code == 200
        assert len(issuer.token_requests) == 1 + revocations


def test_a_plain_403_is_returned_untouched_and_the_token_kept(sender, orders, api, issuer):  # client 43
    api.forbid = True
    held = orders.token().value
    response = sender.send(sender.BearerAuth(orders), "GET", api.url)
    assert (response.status_code, response.json()) == (403, {"error": "forbidden"})
    assert report(response) == CallReport("returned", "forbidden", 1, fingerprint(held))
    assert orders.token().value == held
    assert len(api.requests) == len(issuer.token_requests) == 1


def test_an_api_that_answers_403_to_an_expired_token_can_be_declared(sender, orders, api, issuer):  # client 43
    api.rejection_status = 403
    auth = sender.BearerAuth(orders, retry=RetryPolicy(rejecting_statuses=(401, 403)))
    sender.send(auth, "GET", api.url)
    issuer.revoke_all()
    assert sender.send(auth, "GET", api.url).status_code == 200


def test_a_wider_scope_is_asked_for_once_where_the_app_allows_it(sender, orders, api, issuer):  # client 43
    auth = sender.BearerAuth(orders, retry=RetryPolicy(wider_scopes="orders:write"))
    held = orders.token().value
    response = sender.send(auth, "GET", f"{api.url}/scoped/orders:write")
    assert response.status_code == 200
    assert response.json()["scope"].split() == ["orders:read", "orders:write"]
    assert (report(response).action, report(response).attempts) == ("widened", 2)
    assert orders.token().value == held
    assert len(issuer.token_requests) == 2


def test_a_wider_token_that_is_rejected_is_dropped_in_its_turn(sender, orders, api, issuer):  # client 40, 43
    auth = sender.BearerAuth(orders, retry=RetryPolicy(wider_scopes="orders:write"))
    held = orders.token().value
    issuer.revoke(orders.with_scope("orders:read orders:write").token().value)
    url = f"{api.url}/scoped/orders:write"
    assert [answer.status_code for answer in sender.send_all(auth, [("GET", url, {})] * 2)] == [401, 200]
    assert orders.token().value == held
    assert len(issuer.token_requests) == 3


def test_a_wider_scope_is_never_asked_for_without_leave(sender, orders, api, issuer):  # client 43
    response = sender.send(sender.BearerAuth(orders), "GET", f"{api.url}/scoped/orders:write")
    assert (response.status_code, report(response).reason) == (403, "insufficient_scope")
    assert len(api.requests) == len(issuer.token_requests) == 1


def test_several_challenges_with_commas_in_their_texts_are_understood(sender, orders, api, issuer):  # client 45
    api.challenge = 'Basic realm="a, b", BEARER error_description="a, b=c", error="invalid_token"'
    sender.send(sender.BearerAuth(orders), "GET", api.url)
    issuer.revoke_all()
    assert sender.send(sender.BearerAuth(orders), "GET", api.url).status_code == 200


def test_hooks_and_history_see_both_answers(sender, orders, api, issuer):  # client 42
    seen = []
    hooks = {"event_hooks": {"response": [sender.hook(lambda response: seen.append(response.status_code))]}}
    auth = sender.BearerAuth(orders)
    orders.token()
    issuer.revoke_all()
    response = sender.send(auth, "GET", api.url, client=hooks)
    assert seen == [401, 200]
    assert [earlier.status_code for earlier in response.history] == [401]
    assert response.history[0].json() == {"error": "unauthorized"}


def test_the_first_answer_is_drained_before_a_token_is_fetched(sender, orders, api, issuer):  # client 7, 42
    answers, closed = [], []

    def while_fetching(members):
        closed.extend(answer.is_closed for answer in answers)
        return members

    orders.token()
    issuer.revoke_all()
    issuer.shape = while_fetching
    one_connection = {
        "event_hooks": {"response": [sender.hook(answers.append)]},
        "limits": sender.library.Limits(max_connections=1),
    }
    assert sender.send(sender.BearerAuth(orders), "GET", api.url, client=one_connection).status_code == 200
    assert closed == [True]


def test_streamed_answers_stay_streams(sender, orders, api, issuer):
    auth = sender.BearerAuth(orders)
    response, pieces = sender.stream(auth, "GET", f"{api.url}/drip?seconds=0.005")
    assert response.status_code == 200
    assert len(pieces) > 1
    issuer.revoke_all()
    response, pieces = sender.stream(auth, "GET", f"{api.url}/drip?seconds=0.005")
    assert (response.status_code, report(response).action) == (200, "renewed")
    assert len(pieces) > 1


def test_without_a_token_nothing_is_sent(sender, orders, api, issuer):  # client 24
    issuer.outage(503)
    with pytest.raises(TokenUnavailable):
        sender.send(sender.BearerAuth(orders), "GET", api.url)
    assert api.requests == []


def test_an_outage_after_a_401_is_reported_as_what_it_is(sender, orders, api, issuer):  # client 24
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", api.url)
    issuer.revoke_all()
    issuer.outage(503)
    with pytest.raises(TokenUnavailable):
        sender.send(auth, "GET", api.url)
    assert [request.had_token for request in api.requests] == [True, True]


def test_a_stale_token_is_sent_while_the_endpoint_is_down(sender, manager, source, api, issuer):  # client 23
    issuer.lifetime = 2.0
    orders = manager.credential(source, context="short")
    auth = sender.BearerAuth(orders)
    sender.send(auth, "GET", api.url)
    issuer.outage(503)
    time.sleep(1.62)
    assert sender.send(auth, "GET", api.url).status_code == 200


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
@pytest.mark.parametrize("library", ["httpx2", "httpx"])
def test_a_slow_token_endpoint_never_blocks_the_event_loop(library, loop, orders, api, issuer):  # client 2
    import importlib

    client_library = importlib.import_module(library)
    auth = importlib.import_module(f"roomkey.integrations.{library}").BearerAuth(orders)
    issuer.delay = 0.6
    ticks = 0

    async def main() -> int:
        async with (
            client_library.AsyncClient(auth=auth, verify=False, trust_env=False) as client,
            anyio.create_task_group() as tasks,
        ):

            async def tick() -> None:
                nonlocal ticks
                while True:
                    await anyio.sleep(0.01)
                    ticks += 1

            tasks.start_soon(tick)
            response = await client.get(api.url)
            tasks.cancel_scope.cancel()
        return response.status_code

    assert anyio.run(main, backend=loop) == 200
    assert ticks > 20


def test_an_auth_object_of_the_other_library_is_rejected_and_nothing_sent(orders, api):
    """httpx2 takes no httpx.Auth, nor the reverse; neither may fall back to sending the request bare."""
    import httpx
    import httpx2

    from roomkey.integrations.httpx import BearerAuth as HttpxAuth
    from roomkey.integrations.httpx2 import BearerAuth as Httpx2Auth

    with pytest.raises(TypeError, match="BearerAuth for httpx:"):
        httpx2.get(api.url, auth=HttpxAuth(orders), trust_env=False)
    with pytest.raises(TypeError, match="BearerAuth for httpx2:"):
        httpx.get(api.url, auth=Httpx2Auth(orders), trust_env=False)  # type: ignore[arg-type]
    assert api.requests == []


def test_the_librarys_own_flow_method_never_sends_a_bare_request(sync_sender, orders, api):
    """A class that wraps another and calls its auth_flow would otherwise send no token."""
    library = sync_sender.library
    auth = sync_sender.BearerAuth(orders)

    class Wrapper(library.Auth):
        def auth_flow(self, request):
            yield from auth.auth_flow(request)

    with pytest.raises(TypeError, match="sync_auth_flow or async_auth_flow"):
        sync_sender.send(Wrapper(), "GET", api.url)
    assert api.requests == []


def test_the_users_client_and_its_settings_stay_as_they_are(sync_sender, orders, api, issuer):  # client 69
    library = sync_sender.library
    auth = sync_sender.BearerAuth(orders)
    hooks = {"request": [lambda _: None], "response": []}
    with library.Client(
        auth=auth, headers={"X-Own": "1"}, timeout=3.5, verify=False, trust_env=False, event_hooks=hooks
    ) as client:
        before = (dict(client.headers), client.timeout, client.event_hooks, client.auth, dict(client.cookies))
        client.get(api.url)
        issuer.revoke_all()
        client.get(api.url)
        assert (dict(client.headers), client.timeout, client.event_hooks, client.auth, dict(client.cookies)) == before
        assert client.auth is auth


def test_an_authorization_header_of_the_client_is_replaced_as_by_any_auth_class(sender, orders, api):
    own = {"headers": {"Authorization": "Bearer something-old"}}
    assert sender.send(sender.BearerAuth(orders), "GET", api.url, client=own).status_code == 200
    assert api.requests[0].carried(orders.token().value)


def test_a_request_object_may_be_sent_again_later(sync_sender, orders, api, issuer):
    with sync_sender.library.Client(auth=sync_sender.BearerAuth(orders), trust_env=False) as client:
        request = client.build_request("GET", api.url)
        client.send(request)
        orders.refresh()
        client.send(request)
    assert api.requests[1].carried(orders.token().value)


def test_what_is_not_a_credential_or_a_policy_is_named_at_once(sync_sender, orders, manager):
    for wrong in (manager, "a-token-of-24-characters", None):
        with pytest.raises(TypeError, match="takes a Credential") as caught:
            sync_sender.BearerAuth(wrong)
        assert "a-token" not in str(caught.value)
    with pytest.raises(TypeError, match="RetryPolicy"):
        sync_sender.BearerAuth(orders, retry=3)


def test_a_widened_token_is_the_one_that_the_next_requests_begin_with(sender, orders, api, issuer):
    api.required_scope = "orders:write"
    auth = sender.BearerAuth(orders, retry=RetryPolicy(wider_scopes="orders:write"))
    for _ in range(5):
        assert sender.send(auth, "GET", api.url).status_code == 200
    assert [request.status for request in api.requests].count(403) == 1
    assert len(issuer.token_requests) == 2


def test_a_wider_scope_that_is_not_granted_gives_back_the_403(sender, orders, api, issuer):
    api.required_scope = "orders:write"
    orders.token()
    issuer.answer_with(400, body={"error": "invalid_scope"})
    response = sender.send(sender.BearerAuth(orders, retry=RetryPolicy(wider_scopes="orders:write")), "GET", api.url)
    assert (response.status_code, report(response).reason) == (403, "insufficient_scope")
