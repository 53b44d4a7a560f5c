"""Acts on accounts and tokens by two at once, on both databases: one after the other, or one of them not at all."""

from typing import Any

import pytest
from sqlalchemy import select
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.concurrent_acts import run_concurrently

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, DisableApi
from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    ListAccountSecrets,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    CollectAppToken,
    RequestAppToken,
    WithdrawTokenRequest,
)
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.errors import Conflict, ServiceError
from roomkey.authorization_server.schema import accounts as schema
from roomkey.authorization_server.schema.tokens import app_tokens as app_tokens_table
from roomkey.authorization_server.service import Service

ORDER: dict[str, Any] = {
    "client_id": "reports",
    "audience": "orders-api",
    "scopes": ["orders:read"],
    "lifetime": 3600,
}


@pytest.fixture
def acting(service: Service) -> Acting:
    """On both databases."""
    made = Acting(service)
    made.api()
    made.account()
    return made


def live_secrets(service: Service) -> int:
    with service.look(Actor.console()) as uow:
        mine = schema.account_secrets.c.client_id == "reports"
        return len(uow.connection.execute(select(schema.account_secrets).where(mine)).all())


def live_tokens(service: Service) -> list[str]:
    with service.look(Actor.console()) as uow:
        return [one.id for one in ListAppTokens(live=True)(uow).items]


def test_of_two_rotations_at_once_one_secret_is_left(service: Service, acting: Acting):
    run_concurrently(service, *[RotateAccountSecret("reports")] * 2)
    assert live_secrets(service) == 1


def test_two_rotations_with_overlap_at_once_leave_one_secret_without_an_end(service: Service, acting: Acting):
    run_concurrently(service, *[RotateAccountSecret("reports", overlap=60)] * 2)
    with service.look(Actor.console()) as uow:
        ends = sorted(str(one.expires_at) for one in ListAccountSecrets("reports")(uow).items)
    assert ends == sorted(["None", str(service.now() + 60)])


def test_of_two_rotations_of_one_app_token_at_once_one_succeeds(service: Service, acting: Acting):
    old = acting(CreateAppToken, **ORDER).app_token
    first, second = run_concurrently(service, *[RotateAppToken(old.id)] * 2)
    assert isinstance(second, Conflict)
    assert live_tokens(service) == [first.app_token.id]


def test_a_token_that_is_revoked_at_this_moment_has_no_successor(service: Service, acting: Acting):
    old = acting(CreateAppToken, **ORDER).app_token
    _, second = run_concurrently(service, RevokeAppToken(old.id), RotateAppToken(old.id))
    assert isinstance(second, Conflict)
    assert live_tokens(service) == []


@pytest.mark.parametrize(
    "end",
    [
        DisableServiceAccount("reports"),
        ChangeServiceAccount("reports", apis=[Access("orders-api", ("orders:write",))]),
        ChangeApi("orders-api", remove_scopes=["orders:read"]),
        DisableApi("orders-api"),
    ],
    ids=["account disabled", "scope taken from the account", "scope removed", "API disabled"],
)
def test_no_app_token_slips_past_what_ends_it(service: Service, acting: Acting, end: Any):
    _, made = run_concurrently(service, end, CreateAppToken(**ORDER))
    assert isinstance(made, ServiceError)
    assert live_tokens(service) == []


@pytest.mark.parametrize(
    "end",
    [
        DisableServiceAccount("reports"),
        ChangeServiceAccount("reports", apis=[Access("orders-api", ("orders:write",))]),
        ChangeApi("orders-api", remove_scopes=["orders:read"]),
    ],
    ids=["account disabled", "scope taken from the account", "scope removed"],
)
def test_a_token_that_is_being_made_ends_with_what_it_was_made_for(service: Service, acting: Acting, end: Any):
    made, ended = run_concurrently(service, CreateAppToken(**ORDER), end)
    assert made.app_token.id
    assert not isinstance(ended, Exception), ended
    assert live_tokens(service) == []


def test_a_token_is_collected_once(service: Service, acting: Acting):
    developer = acting.user("dev", "developer")
    acting(ChangeServiceAccount, "reports", owner_id="usr_dev")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    collect = CollectAppToken(asked.id)
    _, second = run_concurrently(service, collect, collect, by=(developer, developer))
    assert isinstance(second, Conflict)
    assert len(live_tokens(service)) == 1


def test_a_request_is_approved_or_withdrawn_and_never_both(service: Service, acting: Acting):
    developer, approver = acting.user("dev", "developer"), acting.user("eve", "approver")
    asked = acting(RequestAppToken, **ORDER, by=developer)
    _, second = run_concurrently(
        service,
        WithdrawTokenRequest(asked.id),
        ApproveTokenRequest(asked.id),
        by=(developer, approver),
    )
    assert isinstance(second, Conflict)


def test_tokens_that_are_made_at_once_have_different_places_in_the_status_list(service: Service, acting: Acting):
    run_concurrently(service, *[CreateAppToken(**ORDER)] * 2)
    with service.look(Actor.console()) as uow:
        places = uow.connection.scalars(select(app_tokens_table.c.status_index)).all()
        assert sorted(places) == [0, 1]
        assert find_break(uow.connection) is None
