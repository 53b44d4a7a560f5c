"""Token requests: four eyes where the API or the account wants them, and a token that is collected once."""

import threading

import pytest

from roomkey.authorization_server.accounts.apis.commands import ChangeApi
from roomkey.authorization_server.accounts.app_tokens.commands import ListAppTokens
from roomkey.authorization_server.accounts.service_accounts.commands import ChangeServiceAccount, DisableServiceAccount
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    CollectAppToken,
    GetTokenRequest,
    ListTokenRequests,
    RefuseTokenRequest,
    RequestAppToken,
    WithdrawTokenRequest,
)
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound

DAY = 86_400
ORDER = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 30 * DAY}


@pytest.fixture
def developer(acting):
    acting.api(needs_approval=True)
    actor = acting.user("dev", "developer")
    acting.account(owner_id="usr_dev")
    return actor


@pytest.fixture
def approver(acting):
    return acting.user("eve", "approver")


def test_what_needs_approval_waits_until_somebody_else_agrees(acting, developer, approver, small_service, clock):
    asked = acting(RequestAppToken, **ORDER, note="nightly", by=developer)
    assert (asked.state, asked.requested_by) == ("pending", "usr_dev")
    with pytest.raises(Conflict, match="pending"):
        acting(CollectAppToken, asked.id, by=developer)
    clock.advance(60)
    agreed = acting(ApproveTokenRequest, asked.id, answer="fine", by=approver)
    assert (agreed.state, agreed.decided_by, agreed.answer) == ("approved", "usr_eve", "fine")
    clock.advance(60)
    made = acting(CollectAppToken, asked.id, by=developer)
    assert made.app_token.owner_id == "usr_dev"
    assert made.app_token.expires_at == small_service.now() + 30 * DAY
    collected = acting(GetTokenRequest, asked.id, by=developer)
    assert (collected.state, collected.app_token_id) == ("collected", made.app_token.id)
    actions = [event.action for event in acting.events()[-3:]]
    assert actions == ["token_request.made", "token_request.approved", "app_token.collected"]


def test_nobody_decides_on_a_request_of_their_own_whatever_their_roles(acting, developer):  # auth service 45
    both = Actor(ActorKind.USER, "usr_dev", "dev", frozenset({"developer", "approver", "administrator"}))
    asked = acting(RequestAppToken, **ORDER, by=both)
    assert asked.state == "pending"
    for act in (ApproveTokenRequest, RefuseTokenRequest):
        with pytest.raises(NotAllowed, match="their own"):
            acting(act, asked.id, by=both)
    assert acting(ApproveTokenRequest, asked.id).decided_by is None  # whoever holds the machine


def test_the_own_account_at_an_api_without_approval_needs_nobody(acting, developer):
    acting(ChangeApi, "orders-api", needs_approval=False)
    asked = acting(RequestAppToken, **ORDER, by=developer)
    assert asked.state == "approved"
    assert acting(CollectAppToken, asked.id, by=developer).token.reveal()


def test_an_account_that_is_somebody_elses_needs_approval_anywhere(acting, developer):
    acting(ChangeApi, "orders-api", needs_approval=False)
    acting.account("others")
    asked = acting(RequestAppToken, **(ORDER | {"client_id": "others"}), by=developer)
    assert asked.state == "pending"


def test_a_token_is_collected_once_by_whoever_asked(acting, developer, approver):
    asked = acting(RequestAppToken, **ORDER, by=developer)
    acting(ApproveTokenRequest, asked.id, by=approver)
    for by in (approver, Actor.console(), acting.user("ada", "administrator")):
        with pytest.raises(NotAllowed):
            acting(CollectAppToken, asked.id, by=by)
    done: list[object] = []

    def collect() -> None:
        try:
            done.append(acting(CollectAppToken, asked.id, by=developer))
        except Conflict as error:
            done.append(error)

    threads = [threading.Thread(target=collect) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(type(one).__name__ for one in done) == ["Conflict"] * 3 + ["CreatedAppToken"]
    assert len(acting(ListAppTokens).items) == 1


def test_an_approval_that_is_never_used_ends_after_a_week(acting, developer, approver, clock):
    asked = acting(RequestAppToken, **ORDER, by=developer)
    agreed = acting(ApproveTokenRequest, asked.id, by=approver)
    clock.advance(7 * DAY - 1)
    assert agreed.collectable(int(clock.wall()))
    clock.advance(1)
    assert not agreed.collectable(int(clock.wall()))
    with pytest.raises(Conflict, match="ask again"):
        acting(CollectAppToken, asked.id, by=developer)


def test_what_was_agreed_to_must_still_be_allowed_when_it_is_collected(acting, developer, approver):
    asked = acting(RequestAppToken, **ORDER, by=developer)
    acting(ApproveTokenRequest, asked.id, by=approver)
    acting(ChangeServiceAccount, "reports", apis=[])
    with pytest.raises(Invalid):
        acting(CollectAppToken, asked.id, by=developer)
    acting(DisableServiceAccount, "reports")
    with pytest.raises(Conflict):
        acting(CollectAppToken, asked.id, by=developer)
    assert acting(GetTokenRequest, asked.id, by=developer).state == "approved"


def test_a_request_that_was_refused_or_withdrawn_stays_so(acting, developer, approver):
    refused = acting(RequestAppToken, **ORDER, by=developer)
    acting(RefuseTokenRequest, refused.id, answer="too long", by=approver)
    withdrawn = acting(RequestAppToken, **ORDER, by=developer)
    acting(WithdrawTokenRequest, withdrawn.id, by=developer)
    for id_ in (refused.id, withdrawn.id):
        for act, by in (
            (ApproveTokenRequest, approver),
            (RefuseTokenRequest, approver),
            (WithdrawTokenRequest, developer),
            (CollectAppToken, developer),
        ):
            with pytest.raises(Conflict):
                acting(act, id_, by=by)


def test_only_people_ask_and_only_approvers_decide(acting, developer, approver):  # auth service 44
    robot = Actor(ActorKind.SERVICE_ACCOUNT, "reports", "reports", frozenset({"administrator"}))
    asked = acting(RequestAppToken, **ORDER, by=developer)
    for by in (approver, robot, Actor.console()):
        with pytest.raises(NotAllowed):
            acting(RequestAppToken, **ORDER, by=by)
    for by in (robot, acting.user("aud", "auditor"), acting.user("nobody")):
        with pytest.raises(NotAllowed):
            acting(ApproveTokenRequest, asked.id, by=by)


def test_people_see_their_own_requests_and_approvers_those_of_their_tenant(
    acting, developer, approver
):  # auth service 44
    acting.tenant("acme")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    stranger = acting.user("mal", "developer")
    elsewhere = acting.user("zoe", "approver", tenant="acme")
    assert [one.id for one in acting(ListTokenRequests, by=developer).items] == [asked.id]
    assert [one.id for one in acting(ListTokenRequests, state="pending", by=approver).items] == [asked.id]
    assert acting(ListTokenRequests, own=True, by=approver).items == ()
    for by in (stranger, elsewhere):
        assert acting(ListTokenRequests, by=by).items == ()
        with pytest.raises(NotFound):
            acting(GetTokenRequest, asked.id, by=by)
    with pytest.raises(NotFound):
        acting(ApproveTokenRequest, asked.id, by=elsewhere)
    with pytest.raises(NotFound):
        acting(WithdrawTokenRequest, asked.id, by=stranger)
    with pytest.raises(Invalid):
        acting(ListTokenRequests, state="lost", by=approver)


def test_nobody_asks_for_more_than_the_account_or_they_themselves_may_have(acting, developer):  # auth service 45
    narrow = acting.user("narrow", "developer", scopes="orders:write")
    acting.account("admin", roles=["administrator"], owner_id="usr_dev")
    for by, wrong, error in (
        (developer, {"scopes": ["orders:write"]}, Invalid),
        (developer, {"lifetime": 91 * DAY}, Invalid),
        (developer, {"note": "a\nb"}, Invalid),
        (narrow, {}, NotAllowed),
        (developer, {"client_id": "admin"}, NotAllowed),
    ):
        with pytest.raises(error):
            acting(RequestAppToken, **(ORDER | wrong), by=by)
