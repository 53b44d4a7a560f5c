"""Nobody gets more than they have (auth service 45): by a name, a rotation, an old approval, a shared secret."""

import dataclasses

import pytest
from tests.authorization_server.accounts.conftest import Acting

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi
from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    GetAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    GetServiceAccount,
    ListServiceAccounts,
)
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    CollectAppToken,
    GetTokenRequest,
    ListTokenRequests,
    RequestAppToken,
    WithdrawTokenRequest,
)
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.identity import sessions, users
from roomkey.authorization_server.identity.commands import CreateUser, DeleteUser, DisableUser, ListUsers
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.server.backup import back_up
from roomkey.authorization_server.settings import DAY

ORDER = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": DAY}


def test_no_account_has_a_name_that_stands_for_a_person_in_tokens(acting: Acting):  # RFC 9068 section 5
    acting.api()
    boss = acting(CreateUser, username="boss", roles=["administrator"])
    with pytest.raises(Invalid):
        acting.account(boss.id, by=acting.user("dev", "developer"))


def test_an_account_of_another_tenant_with_the_name_of_a_user_is_not_that_user(acting: Acting):
    acting.tenant("acme")
    boss = acting(CreateUser, username="boss", roles=["administrator"])
    acting(CreateUser, username="deputy", roles=["administrator"])
    with acting.service.unit_of_work(boss.actor()) as uow:
        session = sessions.begin(uow, boss, stage=Stage.FULL).session
    robot = Actor(ActorKind.SERVICE_ACCOUNT, boss.id, boss.id, frozenset({"administrator"}), "acme")
    for act in (users.get, DisableUser, DeleteUser, sessions.list_sessions):
        with pytest.raises(NotFound):
            acting(act, boss.id, by=robot)
    with pytest.raises(NotFound):
        acting(sessions.revoke, session.id, by=robot)


def test_an_approved_token_for_an_account_of_somebody_else_is_not_renewed_for_ever(acting: Acting, clock):
    acting.api()
    acting.account()
    developer, approver = acting.user("dev", "developer"), acting.user("eve", "approver")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    assert asked.state == "pending"
    acting(ApproveTokenRequest, asked.id, by=approver)
    token = acting(CollectAppToken, asked.id, by=developer).app_token
    clock.advance(3600)
    renewed = acting(RotateAppToken, token.id, lifetime=30 * DAY, by=developer).app_token
    assert renewed.expires_at == token.expires_at


def test_a_request_that_needed_no_approval_needs_one_once_the_account_is_somebody_elses(acting: Acting):
    acting.api()
    developer = acting.user("dev", "developer")
    acting.account(by=developer)
    asked = acting(RequestAppToken, **ORDER, by=developer)
    assert asked.state == "approved"
    acting(ChangeServiceAccount, "reports", owner_id="")
    with pytest.raises(Conflict, match="approval"):
        acting(CollectAppToken, asked.id, by=developer)


def test_a_request_that_needed_no_approval_needs_one_once_the_api_wants_it(acting: Acting):
    acting.api()
    developer = acting.user("dev", "developer")
    acting.account(by=developer)
    asked = acting(RequestAppToken, **ORDER, by=developer)
    acting(ChangeApi, "orders-api", needs_approval=True)
    with pytest.raises(Conflict, match="approval"):
        acting(CollectAppToken, asked.id, by=developer)


def test_what_somebody_agreed_to_on_the_console_can_be_collected_though_the_account_is_not_ones_own(acting: Acting):
    acting.api(needs_approval=True)
    acting.account()
    developer = acting.user("dev", "developer")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    acting(ApproveTokenRequest, asked.id)
    assert acting(CollectAppToken, asked.id, by=developer).app_token.owner_id == "usr_dev"


def test_a_service_account_is_told_no_shared_secret_of_an_api_that_it_may_not_use(acting: Acting):
    acting.api()
    acting.account("robot", "orders:read", roles=["administrator"])
    robot = Actor(ActorKind.SERVICE_ACCOUNT, "robot", "robot", frozenset({"administrator"}))
    with pytest.raises(NotAllowed):
        acting(ChangeApi, "orders-api", algorithm="HS256", by=robot)
    acting(ChangeServiceAccount, "robot", apis=[Access("orders-api", ("orders:read", "orders:write"))])
    assert acting(ChangeApi, "orders-api", algorithm="HS256", by=robot).shared_secret is not None


def test_an_administrator_of_one_tenant_backs_up_nothing_of_the_others(acting: Acting, tmp_path):
    acting.tenant("acme")
    actor = acting.user("ann", "administrator", tenant="acme")
    with pytest.raises(NotAllowed):
        back_up(acting.service, actor, tmp_path / "copy.db")


def test_nobody_sees_the_things_of_another_tenant_by_a_cursor(acting: Acting):  # auth service 44, 47
    acting.tenant("acme", "other")
    acting.api()
    for tenant in ("acme", "other"):
        acting.account(f"{tenant}-app", tenant=tenant)
        acting(CreateAppToken, **ORDER | {"client_id": f"{tenant}-app"})
        acting(CreateUser, username=f"{tenant}-user", tenant=tenant)
    ann = acting.user("ann", "administrator", tenant="acme")
    (other,) = acting(ListAppTokens, client_id="other-app").items
    for cursor in (None, f"{other.created_at + 1}.", f"{other.created_at}.", "999999999999.x"):
        seen = acting(ListAppTokens, after=cursor, by=ann).items
        assert {one.tenant for one in seen} <= {"acme"}
        assert acting(ListTokenRequests, after=cursor, by=ann).items == ()
    assert [one.client_id for one in acting(ListServiceAccounts, after="a", by=ann).items] == ["acme-app"]
    assert acting(ListServiceAccounts, tenant="other", by=ann).items == ()
    assert {one.tenant for one in acting(ListUsers, by=ann).items} == {"acme"}
    for act, id_ in ((GetAppToken, other.id), (RevokeAppToken, other.id), (RotateAppToken, other.id)):
        with pytest.raises(NotFound):
            acting(act, id_, by=ann)
    for act in (GetServiceAccount, DisableServiceAccount, ChangeServiceAccount):
        with pytest.raises(NotFound):
            acting(act, "other-app", by=ann)


def test_an_old_answer_to_whoever_sees_no_more_is_not_found(acting: Acting):
    acting.api()
    acting.account()
    developer = acting.user("dev", "developer")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    other = dataclasses.replace(developer, id="usr_other")
    for act in (GetTokenRequest, WithdrawTokenRequest, CollectAppToken):
        with pytest.raises(NotFound):
            acting(act, asked.id, by=other)
