"""Service accounts: who makes and changes them, what they may ask for, how they end."""

import json

import pytest
from sqlalchemy import insert, select

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import RotateApiSecret
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    CreateServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
    GetServiceAccount,
    ListAccountSecrets,
    ListServiceAccounts,
    RotateAccountSecret,
)
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.schema.tokens import access_tokens, token_families
from roomkey.testing import IssuerKeys

READ = Access("orders-api", ("orders:read",))
BOTH = Access("orders-api", ("orders:read", "orders:write"))


def _public(**others) -> str:
    return json.dumps(IssuerKeys().jwks()["keys"][0] | others)


def test_a_new_account_is_what_was_asked_for_with_a_secret_to_show_once(acting):
    acting.api()
    made = acting.account(description="Nightly reports", roles=["exporter"], grants=["client_credentials", "password"])
    account = acting(GetServiceAccount, "reports")
    assert account == made.service_account
    assert (account.kind, account.enabled, account.roles) == ("app", True, ("exporter",))
    assert account.grants == ("client_credentials", "password")
    assert account.apis == (READ,)
    assert made.client_secret.value not in repr(made)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [
        ("client_id", {"client_id": "Reports"}),
        ("client_id", {"client_id": "re ports"}),
        ("client_id", {"client_id": ""}),
        ("client_id", {"client_id": "\uff52eports"}),
        ("apis", {"apis": [Access("unknown", ("a",))]}),
        ("apis", {"apis": [READ, READ]}),
        ("scopes", {"apis": [Access("orders-api", ())]}),
        ("scopes", {"apis": [Access("orders-api", ("orders:delete",))]}),
        ("default_scopes", {"apis": [Access("orders-api", ("orders:read",), ("orders:write",))]}),
        ("tenant", {"tenant": "nobody"}),
        ("owner_id", {"owner_id": "usr_nobody"}),
        ("grants", {"grants": ["implicit"]}),
        ("grants", {"authentication": "none"}),
        ("authentication", {"authentication": "tls_client_auth"}),
        ("jwks", {"jwks": "{}"}),
        ("jwks", {"authentication": "private_key_jwt"}),
        ("redirect_uris", {"grants": ["authorization_code"]}),
        ("redirect_uris", {"redirect_uris": ["https://app.example/cb"]}),
        ("roles", {"roles": ["two words"]}),
    ],
)
def test_a_value_that_cannot_be_taken_names_its_field_and_makes_nothing(acting, field, wrong):
    acting.api()
    with pytest.raises(Invalid) as refused:
        acting(CreateServiceAccount, **({"client_id": "reports", "apis": [READ]} | wrong))
    assert refused.value.field == field
    assert acting(ListServiceAccounts).items == ()


@pytest.mark.parametrize(
    ("uri", "native", "good"),
    [
        ("https://app.example/cb?x=1", False, True),
        ("http://127.0.0.1:8080/cb", False, True),
        ("com.example.app:/cb", True, True),
        ("com.example.app:/cb", False, False),
        ("http://app.example/cb", True, False),
        ("https://app.example/cb#", False, False),
        ("https://app.example/cb#x", False, False),
        ("https://user@app.example/cb", False, False),
        ("https://app.example\\@evil.example/", False, False),
        ("https://app.ex\u0430mple/cb", False, False),
        ("https://app.example/c b", False, False),
        ("https://app.example/cb\n", False, False),
        ("javascript:alert(1)", True, False),
        ("https:///cb", False, False),
        ("/cb", False, False),
    ],
)
def test_redirect_uris_are_exact_addresses_of_ones_own(acting, uri, native, good):  # auth service 28
    named = {"grants": ["authorization_code"], "redirect_uris": [uri], "native": native, "authentication": "none"}
    acting.api()
    if good:
        assert acting.account(**named).service_account.redirect_uris == (uri,)
    else:
        with pytest.raises(Invalid):
            acting.account(**named)


def test_an_account_with_keys_has_no_secret_to_fall_back_to(acting):  # auth service 5
    acting.api()
    made = acting.account(authentication="private_key_jwt", jwks=_public(kid="one"))
    assert made.client_secret is None
    assert made.service_account.key_ids == ("one",)
    with pytest.raises(Conflict):
        acting(RotateAccountSecret, "reports")
    acting.account("other")
    acting(ChangeServiceAccount, "other", authentication="private_key_jwt", jwks=_public())
    assert acting(ListAccountSecrets, "other").items == ()


def test_an_account_that_turns_to_secrets_has_none_until_one_is_made(acting):  # auth service 6
    acting.api()
    acting.account(authentication="private_key_jwt", jwks=_public())
    acting(ChangeServiceAccount, "reports", authentication="client_secret_basic")
    assert acting(ListAccountSecrets, "reports").items == ()
    acting(RotateAccountSecret, "reports")
    assert len(acting(ListAccountSecrets, "reports").items) == 1


@pytest.mark.parametrize(
    "jwks",
    [
        "",
        "[]",
        "{}",
        '{"keys": []}',
        '{"keys": [1]}',
        '{"keys": [], "keys": []}',
        _public(d="AAAA"),
        _public(k="AAAA"),
        _public(use="enc"),
        _public(crv="P-999"),
        json.dumps({"kty": "oct", "k": "A" * 43}),
        '{"keys": [' + "1," * 20_000 + "1]}",
        "{" * 1000,
        "\ud800",
    ],
)
def test_keys_that_are_private_weak_or_no_keys_are_refused(acting, jwks):  # auth service 50
    acting.api()
    with pytest.raises(Invalid) as refused:
        acting.account(authentication="private_key_jwt", jwks=jwks)
    assert refused.value.field == "jwks"
    assert "AAAA" not in str(refused.value)


def test_a_developer_makes_and_changes_accounts_of_their_own_alone(acting):  # auth service 44
    acting.api()
    acting.account("hers")
    developer = acting.user("dev", "developer")
    made = acting.account("his", by=developer, owner_id="usr_somebody")
    assert made.service_account.owner_id == "usr_dev"
    assert acting(ChangeServiceAccount, "his", description="Mine", by=developer).service_account.description == "Mine"
    assert acting(RotateAccountSecret, "his", by=developer).client_secret
    for act in (ChangeServiceAccount, DisableServiceAccount, EnableServiceAccount, RotateAccountSecret):
        with pytest.raises(NotAllowed):
            acting(act, "hers", by=developer)
    assert acting(GetServiceAccount, "hers", by=developer).client_id == "hers"
    for role in ("auditor", "approver", "exporter"):
        with pytest.raises(NotAllowed):
            acting.account("another", by=acting.user(role, role))


def test_what_belongs_to_another_tenant_is_not_found(acting):  # auth service 44
    acting.tenant("acme", "globex")
    acting.api()
    acting.api("globex-api", "a", tenant="globex")
    acting.account("theirs", tenant="globex")
    acting.account("nobodys")
    administrator = acting.user("ada", "administrator", tenant="acme")
    for act in (GetServiceAccount, ChangeServiceAccount, DisableServiceAccount, RotateAccountSecret):
        for name in ("theirs", "nobodys", "missing"):
            with pytest.raises(NotFound, match=f'There is no service account "{name}"'):
                acting(act, name, by=administrator)
    assert acting(ListServiceAccounts, by=administrator).items == ()
    assert acting(ListServiceAccounts, by=administrator, tenant="globex").items == ()
    with pytest.raises(Invalid):
        acting.account("new", by=administrator, apis=[Access("globex-api", ("a",))])
    own = acting.account("new", by=administrator).service_account
    assert own.tenant == "acme"
    with pytest.raises(Conflict):  # names are one space: a name says nothing about whose it is
        acting.account("theirs", by=administrator)


def test_nobody_hands_on_more_than_they_have(acting):  # auth service 45
    acting.api()
    acting.api("paid-api", "pay", needs_approval=True)
    narrow = acting.user("narrow", "developer", scopes="orders:read")
    acting.account("fine", by=narrow)
    with pytest.raises(NotAllowed, match="orders:write"):
        acting.account("wide", by=narrow, apis=[BOTH])
    with pytest.raises(NotAllowed, match="orders:write"):
        acting(ChangeServiceAccount, "fine", apis=[BOTH], by=narrow)
    with pytest.raises(NotAllowed, match="administrator"):
        acting(ChangeServiceAccount, "fine", roles=["administrator"], by=narrow)
    with pytest.raises(NotAllowed, match="administrator"):
        acting.account("payer", by=narrow, apis=[Access("paid-api", ("pay",))])
    for named in ({"grants": ["password"]}, {"allows_password_with_mfa": True}):
        with pytest.raises(NotAllowed, match="password"):
            acting.account("asks", by=narrow, **named)
        with pytest.raises(NotAllowed, match="password"):
            acting(ChangeServiceAccount, "fine", by=narrow, **named)
    assert acting(GetServiceAccount, "fine").apis == (READ,)


def test_a_service_account_makes_and_takes_over_nothing_stronger_than_itself(acting):  # auth service 45
    acting.api()
    acting.account("robot", "orders:read", roles=["administrator"])
    acting.account("stronger", "orders:read", "orders:write")
    robot = Actor(ActorKind.SERVICE_ACCOUNT, "robot", "robot", frozenset({"administrator"}))
    acting.account("equal", by=robot, roles=["administrator"])
    for named in ({"apis": [BOTH]}, {"roles": ["exporter"]}):
        with pytest.raises(NotAllowed):
            acting.account("new", by=robot, **named)
        with pytest.raises(NotAllowed):
            acting(ChangeServiceAccount, "equal", by=robot, **named)
    for act in (RotateAccountSecret, ChangeServiceAccount, DisableServiceAccount, EnableServiceAccount):
        with pytest.raises(NotAllowed):
            acting(act, "stronger", by=robot)
    assert acting(RotateAccountSecret, "equal", by=robot).client_secret


def test_an_owner_does_not_take_over_an_account_that_administrates(acting):  # auth service 45
    developer = acting.user("dev", "developer")
    acting.api()
    acting.account("robot", roles=["administrator"], owner_id="usr_dev")
    for act in (RotateAccountSecret, ChangeServiceAccount):
        with pytest.raises(NotAllowed):
            acting(act, "robot", by=developer)


def test_an_account_cannot_change_disable_or_enable_itself(acting):  # auth service 8
    acting.api()
    acting.account("robot", roles=["administrator"])
    robot = Actor(ActorKind.SERVICE_ACCOUNT, "robot", "robot", frozenset({"administrator"}))
    acting(DisableServiceAccount, "robot")
    for act in (EnableServiceAccount, ChangeServiceAccount, DisableServiceAccount, RotateAccountSecret):
        with pytest.raises(NotAllowed):
            acting(act, "robot", by=robot)
    assert not acting(GetServiceAccount, "robot").enabled


def test_disabling_ends_every_token_and_enabling_brings_none_back(acting, small_service):
    acting.api()
    acting.account()
    token = {"jti": "j", "client_id": "reports", "audience": "orders-api", "scope": "", "issued_at": 1}
    family = {"id": "f", "client_id": "reports", "audience": "orders-api", "scope": "", "created_at": 1}
    with small_service.unit_of_work(Actor.console()) as uow:
        end = {"expires_at": uow.now + 60}
        uow.connection.execute(insert(access_tokens).values(token | end | {"digest": bytes(32)}))
        uow.connection.execute(insert(token_families).values(family | end))
    assert not acting(DisableServiceAccount, "reports", reason="lost laptop").enabled
    assert acting(EnableServiceAccount, "reports").enabled
    with small_service.look(Actor.console()) as uow:
        for table in (access_tokens, token_families):
            assert uow.connection.scalar(select(table.c.revoked_at)) == uow.now
    assert [event.action for event in acting.events()[-2:]] == ["service_account.disabled", "service_account.enabled"]


def test_disabling_twice_is_written_down_once(acting):
    acting.api()
    acting.account()
    acting(DisableServiceAccount, "reports")
    count = len(acting.events())
    acting(DisableServiceAccount, "reports")
    assert len(acting.events()) == count


def test_an_owner_is_given_and_taken_away_by_administrators_alone(acting):  # auth service 43
    acting.api()
    developer = acting.user("dev", "developer")
    acting.user("eve", "developer")
    acting.account(owner_id="usr_dev")
    for owner in ("usr_eve", ""):
        with pytest.raises(NotAllowed):
            acting(ChangeServiceAccount, "reports", owner_id=owner, by=developer)
    assert acting(ChangeServiceAccount, "reports", owner_id="").service_account.owner_id is None


def test_lists_can_be_narrowed(acting):
    acting.api()
    acting.api("other-api", "a")
    acting.user("dev")
    acting.account("one", owner_id="usr_dev")
    acting.account("two", apis=[Access("other-api", ("a",))])

    def names(**which):
        return [account.client_id for account in acting(ListServiceAccounts, **which).items]

    assert names() == ["one", "two"]
    assert names(owner_id="usr_dev") == ["one"]
    assert names(audience="other-api") == ["two"]
    assert names(search="W") == ["two"]
    assert names(search="_") == []
    assert names(kind="api") == ["orders-api", "other-api", "roomkey-admin"]


def test_the_account_of_an_api_is_given_nothing_more(acting):
    acting.api()
    with pytest.raises(Conflict):
        acting(ChangeServiceAccount, "orders-api", apis=[READ])
    assert acting(RotateAccountSecret, "orders-api").client_secret
    assert acting(RotateApiSecret, "orders-api").client_secret
