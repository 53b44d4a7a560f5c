"""The acts on both databases: one walk through all of them."""

from sqlalchemy import select
from tests.authorization_server.accounts.conftest import Acting

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, DisableApi, EnableApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
    ListServiceAccounts,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.service_accounts.secrets import valid
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    CollectAppToken,
    RequestAppToken,
)
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.schema.accounts import account_secrets as secrets


def test_every_act_works_on_every_database(service, clock):
    acting = Acting(service)
    acting.tenant("acme")
    developer, approver = acting.user("dev", "developer"), acting.user("eve", "approver")
    acting.api(needs_approval=True, algorithm="HS256")
    acting(ChangeApi, "orders-api", algorithm="EdDSA", scopes=[Scope("orders:read"), Scope("orders:write")])
    acting(ChangeApi, "orders-api", add_scopes=[Scope("orders:delete")])
    acting.account("reports", "orders:read", "orders:delete", owner_id="usr_dev", roles=["exporter"])
    acting.account("others", tenant="acme")
    acting(RotateAccountSecret, "reports", overlap=60)
    acting(ChangeServiceAccount, "others", apis=[Access("orders-api", ("orders:write",))], owner_id="")
    asked = acting(
        RequestAppToken,
        client_id="reports",
        audience="orders-api",
        scopes=["orders:read"],
        lifetime=3600,
        by=developer,
    )
    acting(ApproveTokenRequest, asked.id, by=approver)
    collected = acting(CollectAppToken, asked.id, by=developer).app_token
    created = acting(
        CreateAppToken, client_id="reports", audience="orders-api", scopes=["orders:delete"], lifetime=3600
    ).app_token
    rotated = acting(RotateAppToken, collected.id, overlap=60).app_token
    assert acting(ChangeApi, "orders-api", remove_scopes=["orders:delete"]).ended_app_tokens == 1
    acting(RevokeAppToken, rotated.id)
    states = {one.id: one.state(service.now()) for one in acting(ListAppTokens, limit=50).items}
    assert states == {created.id: "revoked", collected.id: "replaced", rotated.id: "revoked"}
    first = acting(ListAppTokens, limit=1)
    assert {one.id for one in acting(ListAppTokens, after=first.after).items} == states.keys() - {first.items[0].id}
    acting(DisableApi, "orders-api")
    acting(EnableApi, "orders-api")
    acting(DisableServiceAccount, "reports")
    acting(EnableServiceAccount, "reports")
    assert [one.client_id for one in acting(ListServiceAccounts, search="r").items] == ["others", "reports"]
    clock.advance(60)
    with service.look(Actor.console()) as uow:
        live = select(secrets.c.client_id).where(secrets.c.client_id == "reports", valid(uow.now))
        assert len(uow.connection.execute(live).all()) == 1
        assert find_break(uow.connection) is None
