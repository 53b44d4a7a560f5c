"""The acts on both databases: one walk through all of them."""

from sqlalchemy import select
from tests.authorization_server.accounts.conftest import Acting

from roomkey.authorization_server.accounts import account_secrets, apis, app_tokens, service_accounts, token_requests
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.api import Scope
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.schema.accounts import account_secrets as secrets


def test_every_act_works_on_every_database(service, clock):
    acting = Acting(service)
    acting.tenant("acme")
    developer, approver = acting.user("dev", "developer"), acting.user("eve", "approver")
    acting.api(needs_approval=True, algorithm="HS256")
    acting(apis.change, "orders-api", algorithm="EdDSA", scopes=[Scope("orders:read"), Scope("orders:write")])
    acting(apis.add_scopes, "orders-api", [Scope("orders:delete")])
    acting.account("reports", "orders:read", "orders:delete", owner_id="usr_dev", roles=["exporter"])
    acting.account("others", tenant="acme")
    acting(account_secrets.rotate, "reports", overlap=60)
    acting(service_accounts.change, "others", apis=[Access("orders-api", ("orders:write",))], owner_id="")
    asked = acting(
        token_requests.request,
        client_id="reports",
        audience="orders-api",
        scopes=["orders:read"],
        lifetime=3600,
        by=developer,
    )
    acting(token_requests.approve, asked.id, by=approver)
    collected = acting(token_requests.collect, asked.id, by=developer).app_token
    created = acting(
        app_tokens.create, client_id="reports", audience="orders-api", scopes=["orders:delete"], lifetime=3600
    ).app_token
    rotated = acting(app_tokens.rotate, collected.id, overlap=60).app_token
    assert acting(apis.remove_scopes, "orders-api", ["orders:delete"]).ended_app_tokens == 1
    acting(app_tokens.revoke, rotated.id)
    states = {one.id: one.state(service.now()) for one in acting(app_tokens.find, limit=50).items}
    assert states == {created.id: "revoked", collected.id: "replaced", rotated.id: "revoked"}
    first = acting(app_tokens.find, limit=1)
    assert {one.id for one in acting(app_tokens.find, after=first.after).items} == states.keys() - {first.items[0].id}
    acting(apis.disable, "orders-api")
    acting(apis.enable, "orders-api")
    acting(service_accounts.disable, "reports")
    acting(service_accounts.enable, "reports")
    assert [one.client_id for one in acting(service_accounts.find, search="r").items] == ["others", "reports"]
    clock.advance(60)
    with service.look(Actor.console()) as uow:
        live = select(secrets.c.client_id).where(secrets.c.client_id == "reports", account_secrets.live(uow.now))
        assert len(uow.connection.execute(live).all()) == 1
        assert find_break(uow.connection) is None
