"""APIs: what making one returns, who sees it, what changes with its scopes."""

import json

import pytest

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import (
    ChangeApi,
    CreateApi,
    DisableApi,
    EnableApi,
    GetApi,
    ListApis,
    RotateApiSecret,
)
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import (
    EnableServiceAccount,
    GetServiceAccount,
    ListAccountSecrets,
    RotateAccountSecret,
)
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.permissions import Role
from roomkey.authorization_server.unit_of_work import UnitOfWork, config_version

DEVELOPER = Actor(ActorKind.USER, "usr_d", "d", frozenset({Role.DEVELOPER.value}))


def test_a_new_api_has_an_account_of_its_own_that_may_only_introspect(acting):
    made = acting.api(description="Orders of our customers")
    assert made.api.scope_names == ("orders:read", "orders:write")
    assert (made.api.token_lifetime, made.api.token_format, made.api.algorithm) == (300, "jwt", "ES256")
    assert secret_format.is_well_formed(made.client_secret.value, secret_format.SecretKind.CLIENT_SECRET)
    account = acting(GetServiceAccount, made.api.client_id)
    assert (account.client_id, account.kind, account.grants, account.apis) == ("orders-api", "api", (), ())
    assert acting(GetApi, "orders-api") == made.api


def test_the_name_of_an_api_may_be_an_address(acting):
    made = acting.api("https://orders.example/v1")
    assert made.api.client_id.startswith("api_")
    assert acting(GetApi, "https://orders.example/v1").enabled


def test_a_taken_name_is_a_conflict_and_leaves_nothing_behind(acting):
    acting.api()
    with pytest.raises(Conflict):
        acting.api(needs_approval=True)
    acting.account("taken", apis=[])
    with pytest.raises(Conflict):
        acting.api("taken")
    assert not acting(GetApi, "orders-api").needs_approval
    with pytest.raises(NotFound):
        acting(GetApi, "taken")


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("audience", {"audience": "orders api"}),
        ("audience", {"audience": ""}),
        ("audience", {"audience": "a" * 201}),
        ("audience", {"audience": "or\u0501ers"}),
        ("scopes", {"scopes": []}),
        ("scopes.name", {"scopes": [{"name": "orders read"}]}),
        ("scopes.name", {"scopes": [{"name": '"'}]}),
        ("scopes.description", {"scopes": [{"name": "a", "description": "two\nlines"}]}),
        ("token_lifetime", {"token_lifetime": 3601}),
        ("token_lifetime", {"token_lifetime": 0}),
        ("longest_app_token", {"longest_app_token": 367 * 86_400}),
        ("token_format", {"token_format": "saml"}),
        ("algorithm", {"algorithm": "none"}),
        ("tenant", {"tenant": "nobody"}),
        ("description", {"description": "\x1b[2J"}),
    ],
)
def test_a_value_that_cannot_be_taken_names_its_field(acting, field, wrong):
    with pytest.raises(Invalid) as refused:
        acting(CreateApi, **({"audience": "orders-api", "scopes": [Scope("orders:read")]} | wrong))
    assert refused.value.field == field
    assert {event.subject for event in acting.events() if event.action == "api.created"} == {"roomkey-admin"}


def test_only_administrators_change_apis(acting):  # auth service 44
    acting.api()
    for act in (
        lambda: acting(CreateApi, audience="x", scopes=[Scope("a")], by=DEVELOPER),
        lambda: acting(ChangeApi, "orders-api", description="mine", by=DEVELOPER),
        lambda: acting(DisableApi, "orders-api", by=DEVELOPER),
        lambda: acting(RotateApiSecret, "orders-api", by=DEVELOPER),
        lambda: acting(ChangeApi, "orders-api", remove_scopes=["orders:read"], by=DEVELOPER),
        lambda: acting(GetApi, "orders-api", by=Actor(ActorKind.USER, "usr_n", "n")),
    ):
        with pytest.raises(NotAllowed):
            act()


def test_another_tenants_api_is_not_found_and_everybodys_cannot_be_changed(acting):  # auth service 44
    acting.tenant("acme", "globex")
    acting.api("shared")
    acting.api("theirs", tenant="globex")
    administrator = acting.user("ada", "administrator", tenant="acme")
    own = acting(CreateApi, audience="own", scopes=[Scope("a")], by=administrator)
    assert own.api.tenant == "acme"
    assert [api.audience for api in acting(ListApis, by=administrator).items] == ["own", "roomkey-admin", "shared"]
    for act in (GetApi, ChangeApi, DisableApi, RotateApiSecret):
        with pytest.raises(NotFound, match="There is no API"):
            acting(act, "theirs", by=administrator)
    with pytest.raises(NotAllowed):
        acting(ChangeApi, "shared", description="mine", by=administrator)
    with pytest.raises(Invalid):
        acting(CreateApi, audience="y", scopes=[Scope("a")], tenant="globex", by=administrator)


def test_a_scope_that_is_taken_away_leaves_every_account(acting):  # auth service 14
    acting.api()
    acting.account("both", "orders:read", "orders:write")
    acting.account("one", "orders:write")
    acting(ChangeApi, "orders-api", remove_scopes=["orders:write"])
    assert acting(GetApi, "orders-api").scope_names == ("orders:read",)
    assert acting(GetServiceAccount, "both").apis == (Access("orders-api", ("orders:read",)),)
    assert acting(GetServiceAccount, "one").apis == ()
    with pytest.raises(Invalid):
        acting(ChangeApi, "orders-api", remove_scopes=["orders:read"])  # the last one
    with pytest.raises(Invalid):
        acting(ChangeApi, "orders-api", remove_scopes=["orders:delete"])


def test_scopes_that_are_added_leave_accounts_as_they_are(acting):
    acting.api()
    acting.account("both", "orders:read", "orders:write")
    api = acting(
        ChangeApi, "orders-api", add_scopes=[Scope("orders:delete", "Delete orders."), Scope("orders:read", "See.")]
    ).api
    assert [(scope.name, scope.description) for scope in api.scopes] == [
        ("orders:delete", "Delete orders."),
        ("orders:read", "See."),
        ("orders:write", ""),
    ]
    assert acting(GetServiceAccount, "both").scopes_of("orders-api") == ("orders:read", "orders:write")


def test_a_disabled_api_takes_its_account_along_until_it_is_enabled(acting):
    acting.api()
    assert not acting(DisableApi, "orders-api").enabled
    assert not acting(GetServiceAccount, "orders-api").enabled
    with pytest.raises(Conflict):
        acting(EnableServiceAccount, "orders-api")
    assert acting(EnableApi, "orders-api").enabled
    assert acting(GetServiceAccount, "orders-api").enabled


def test_every_change_is_audited_with_before_and_after_and_counted(acting, small_service):  # auth service 48
    with small_service.look(Actor.console()) as uow:
        before = config_version(uow.connection)
    secret = acting.api().client_secret.value
    acting(ChangeApi, "orders-api", token_lifetime=600, needs_approval=True)
    events = acting.events()[-2:]
    assert [event.action for event in events] == ["api.created", "api.changed"]
    assert {event.actor for event in events} == {"console"}
    details = json.loads(events[1].details)
    assert (details["before"]["token_lifetime"], details["after"]["token_lifetime"]) == (300, 600)
    assert details["after"]["needs_approval"] is True
    assert not any(secret in str(event) for event in events)
    with small_service.look(Actor.console()) as uow:
        assert config_version(uow.connection) != before


def test_a_change_that_cannot_be_audited_does_not_happen(acting, monkeypatch):  # auth service 48
    acting.api()

    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr(UnitOfWork, "lock_audit_log", full)
    for act, named in ((ChangeApi, {"description": "new"}), (DisableApi, {}), (RotateApiSecret, {})):
        with pytest.raises(OSError, match="no space"):
            acting(act, "orders-api", **named)
    monkeypatch.undo()
    api = acting(GetApi, "orders-api")
    assert api.enabled
    assert api.description == ""
    assert len(acting(ListAccountSecrets, "orders-api").items) == 1


def test_the_services_own_api_stays_as_it_is_and_nobody_can_be_its_account(acting):  # auth service 6
    assert acting(ListAccountSecrets, "roomkey-admin").items == ()
    for act in (ChangeApi, DisableApi, RotateApiSecret):
        with pytest.raises(Conflict):
            acting(act, "roomkey-admin")
    with pytest.raises(Conflict):
        acting(RotateAccountSecret, "roomkey-admin")


def test_pages_follow_each_other_without_gaps_and_a_cursor_is_only_a_name(acting):  # auth service 47
    for number in range(7):
        acting.api(f"api-{number}")
    seen, after = [], None
    while True:
        page = acting(ListApis, after=after, limit=3)
        seen += [api.audience for api in page.items]
        after = page.after
        if after is None:
            break
    assert seen == [*(f"api-{number}" for number in range(7)), "roomkey-admin"]
    assert acting(ListApis, after="x' OR 1=1 --").items == ()
    assert [api.audience for api in acting(ListApis, search="i-6").items] == ["api-6"]
    assert acting(ListApis, search="%").items == ()
    for wrong in ({"limit": 0}, {"limit": 201}, {"after": "a\x00"}, {"after": "a" * 300}):
        with pytest.raises(Invalid):
            acting(ListApis, **wrong)
