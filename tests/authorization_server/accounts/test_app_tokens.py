"""App tokens: JWTs that APIs verify by themselves, known to the service until the end that they bear."""

import asyncio
import json

import pytest
from sqlalchemy import select
from tests.authorization_server.sample_tokens import jti_of, payload_of

from roomkey import KeySet, TokenValidator
from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, DisableApi, GetApi
from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    GetAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.app_tokens.model import presets
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
)
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.clients.client_cache import ClientCache
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.lists.deny_list import revoked_tokens
from roomkey.authorization_server.lists.status_list import statuses
from roomkey.authorization_server.schema.tokens import app_tokens as table
from roomkey.authorization_server.tokens.introspection import introspect
from roomkey.authorization_server.tokens.issue import lookup_digest

DAY = 86_400
ORDER = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 30 * DAY}


@pytest.fixture
def token(acting):
    """``token(…)`` is a new app token of the account reports for the API orders-api."""
    acting.api()
    acting.account(roles=["exporter"])

    def make(**others):
        return acting(CreateAppToken, **(ORDER | others))

    return make


def _active(small_service, made) -> dict:
    """What the API is told of the token."""
    caller = asyncio.run(ClientCache(small_service).read("orders-api"))
    with small_service.look(Actor.console()) as uow:
        members, _ = introspect(
            uow.connection,
            lookup_digest(made.token.reveal()),
            caller=caller,
            issuer=small_service.settings.issuer,
            now=small_service.now(),
        )
    return dict(members)


def _listed(small_service, made) -> tuple[bool, bool]:
    """Whether the status list and the deny list say that the token has ended."""
    with small_service.look(Actor.console()) as uow:
        index = uow.connection.scalar(select(table.c.status_index).where(table.c.id == made.app_token.id))
        bit = statuses(uow)[index // 8] >> index % 8 & 1
        return bool(bit), jti_of(made) in revoked_tokens(uow)


def test_an_app_token_is_a_jwt_that_the_api_verifies_by_itself(token, small_service, clock):
    made = token()
    with small_service.look(Actor.console()) as uow:
        keys = KeySet.static({"keys": [dict(jwk) for jwk in small_service.keys.load(uow).published]})
    validator = TokenValidator(issuer=small_service.settings.issuer, audience="orders-api", keys=keys, clock=clock)
    claims = validator.validate(made.token.reveal())
    assert (claims.subject, claims.client_id, claims.scopes) == ("reports", "reports", frozenset({"orders:read"}))
    assert claims.roles == frozenset({"exporter"})
    assert claims["exp"] - claims["iat"] == 30 * DAY
    place = claims["status"]["status_list"]
    assert place == {"idx": 0, "uri": small_service.settings.issuer + "/oauth2/status-list"}
    assert _active(small_service, made)["scope"] == "orders:read"
    assert token().token.reveal() != made.token.reveal()


def test_each_app_token_has_a_place_of_its_own_in_the_status_list(token, small_service):
    for _ in range(5):
        token()
    with small_service.look(Actor.console()) as uow:
        assert sorted(uow.connection.scalars(select(table.c.status_index))) == [0, 1, 2, 3, 4]


def test_an_opaque_token_is_made_on_request_or_where_the_api_wants_it(token, acting):
    assert secret_format.is_well_formed(
        token(token_format="opaque").token.reveal(), secret_format.SecretKind.ACCESS_TOKEN
    )
    acting(ChangeApi, "orders-api", token_format="opaque")
    assert secret_format.is_well_formed(token().token.reveal(), secret_format.SecretKind.ACCESS_TOKEN)
    assert token(token_format="jwt").token.reveal().startswith("eyJ")


@pytest.mark.parametrize("algorithm", ["RS256", "EdDSA", "HS256"])
def test_the_token_is_signed_by_the_algorithm_of_the_api(acting, token, small_service, clock, algorithm):
    changed = acting(ChangeApi, "orders-api", algorithm=algorithm)
    made = token()
    if algorithm == "HS256":
        keys = KeySet.static(changed.shared_secret)
    else:
        assert changed.shared_secret is None
        with small_service.look(Actor.console()) as uow:
            keys = KeySet.static({"keys": [dict(jwk) for jwk in small_service.keys.load(uow).published]})
    validator = TokenValidator(issuer=small_service.settings.issuer, audience="orders-api", keys=keys, clock=clock)
    assert validator.validate(made.token.reveal()).client_id == "reports"
    assert acting(ChangeApi, "orders-api", description="x").shared_secret is None


@pytest.mark.parametrize(
    ("error", "wrong"),
    [
        (NotFound, {"client_id": "nobody"}),
        (NotFound, {"audience": "nothing"}),
        (Invalid, {"audience": "other-api", "scopes": ["a"]}),
        (Invalid, {"scopes": ["orders:write"]}),
        (Invalid, {"scopes": []}),
        (Invalid, {"lifetime": 91 * DAY}),
        (Invalid, {"lifetime": 59}),
        (Invalid, {"lifetime": -1}),
        (Invalid, {"token_format": "saml"}),
        (Invalid, {"client_id": "orders-api"}),
    ],
)
def test_a_token_never_holds_more_than_its_account_may_ask_for(token, acting, error, wrong):  # auth service 20, 45
    acting.api("other-api", "a")
    with pytest.raises(error):
        token(**wrong)
    assert acting(ListAppTokens).items == ()


def test_nothing_is_made_for_what_is_disabled(token, acting):
    acting(DisableServiceAccount, "reports")
    with pytest.raises(Conflict):
        token()
    acting(EnableServiceAccount, "reports")
    acting(DisableApi, "orders-api")
    with pytest.raises(Conflict):
        token()


def test_only_administrators_make_tokens_directly_and_nobody_around_an_approval(token, acting):  # auth service 45
    acting(ChangeApi, "orders-api", needs_approval=True)
    developer = acting.user("dev", "developer")
    administrator = acting.user("ada", "administrator")
    for by in (developer, administrator):
        with pytest.raises(NotAllowed):
            acting(CreateAppToken, **ORDER, by=by)
    acting(ChangeApi, "orders-api", needs_approval=False)
    assert acting(CreateAppToken, **ORDER, by=administrator).app_token.owner_id == "usr_ada"
    with pytest.raises(NotAllowed):
        acting(CreateAppToken, **ORDER, by=developer)


def test_a_service_account_makes_no_token_that_does_more_than_itself(token, acting):  # auth service 45
    acting.account("robot", roles=["administrator"])
    acting.account("wide", "orders:read", "orders:write")
    robot = Actor(ActorKind.SERVICE_ACCOUNT, "robot", "robot", frozenset({"administrator"}))
    made = acting(CreateAppToken, **ORDER, by=robot)
    assert "roles" not in payload_of(made)  # the account has a role that the robot has not
    for client_id in ("robot", "wide"):
        with pytest.raises(NotAllowed):
            acting(CreateAppToken, **(ORDER | {"client_id": client_id}), by=robot)


def test_a_revoked_token_is_dead_everywhere_at_once(token, acting, small_service):
    made, other = token(), token()
    revoked = acting(RevokeAppToken, made.app_token.id, reason="leaked")
    assert revoked.state(small_service.now()) == "revoked"
    assert _active(small_service, made) == {"active": False}
    assert _listed(small_service, made) == (True, True)
    assert _active(small_service, other)["active"]
    assert _listed(small_service, other) == (False, False)
    count = len(acting.events())
    acting(RevokeAppToken, made.app_token.id)
    assert len(acting.events()) == count


def test_both_tokens_live_until_the_date_and_then_the_old_one_is_dead(token, acting, small_service, clock):
    old = token()
    clock.advance(DAY)
    new = acting(RotateAppToken, old.app_token.id, overlap=3600)
    assert new.app_token.expires_at == small_service.now() + 30 * DAY
    known = acting(GetAppToken, old.app_token.id)
    assert (known.replaced_by, known.expires_at) == (new.app_token.id, small_service.now() + 3600)
    assert known.state(small_service.now()) == "replaced"
    clock.advance(3599)
    assert _active(small_service, old)["active"]
    assert _listed(small_service, old) == (False, False)
    clock.advance(1)  # at that second, and no cleaner has run
    assert _active(small_service, old) == {"active": False}
    assert _listed(small_service, old) == (True, True)
    assert _active(small_service, new)["active"]
    clock.advance(10 * DAY)
    assert _listed(small_service, old) == (True, True)  # for as long as the token itself says that it lives


def test_a_replaced_token_can_still_be_revoked_at_once_but_not_rotated_again(token, acting, small_service):
    old = token()
    acting(RotateAppToken, old.app_token.id, overlap=3600)
    with pytest.raises(Conflict, match="replaced"):
        acting(RotateAppToken, old.app_token.id)
    acting(RevokeAppToken, old.app_token.id)
    assert _active(small_service, old) == {"active": False}
    with pytest.raises(Conflict, match="revoked"):
        acting(RotateAppToken, old.app_token.id)


def test_a_rotation_keeps_to_what_the_api_and_the_approval_allow(token, acting, small_service, clock):
    made = token()
    acting(ChangeApi, "orders-api", longest_app_token=7 * DAY)
    shorter = acting(RotateAppToken, made.app_token.id)
    assert shorter.app_token.lifetime == 7 * DAY
    with pytest.raises(Invalid):
        acting(RotateAppToken, shorter.app_token.id, lifetime=8 * DAY)
    with pytest.raises(Invalid):
        acting(RotateAppToken, shorter.app_token.id, overlap=31 * DAY)
    acting(ChangeApi, "orders-api", needs_approval=True)
    clock.advance(DAY)
    administrator = acting.user("ada", "administrator")
    approved = acting(RotateAppToken, shorter.app_token.id, by=administrator)
    assert approved.app_token.expires_at == shorter.app_token.expires_at


def test_tokens_end_when_their_account_may_no_longer_have_what_they_hold(
    token, acting, small_service
):  # auth service 14
    wide = Access("orders-api", ("orders:read", "orders:write"))
    acting(ChangeServiceAccount, "reports", apis=[wide])
    narrow, both = token(), token(scopes=["orders:read", "orders:write"])
    assert acting(ChangeApi, "orders-api", remove_scopes=["orders:write"]).ended_app_tokens == 1
    assert _active(small_service, both) == {"active": False}
    assert _listed(small_service, both) == (True, True)
    assert _active(small_service, narrow)["active"]
    assert acting(ChangeServiceAccount, "reports", apis=[]).ended_app_tokens == 1
    assert _active(small_service, narrow) == {"active": False}


def test_disabling_an_account_ends_its_tokens_for_good(token, acting, small_service):
    made = token()
    acting(DisableServiceAccount, "reports")
    acting(EnableServiceAccount, "reports")
    assert acting(GetAppToken, made.app_token.id).state(small_service.now()) == "revoked"
    assert _active(small_service, made) == {"active": False}
    assert _listed(small_service, made) == (True, True)


def test_an_owner_rotates_and_revokes_their_own_tokens_alone(token, acting):  # auth service 44
    theirs = token().app_token.id
    developer = acting.user("dev", "developer")
    for act in (RotateAppToken, RevokeAppToken):
        with pytest.raises(NotAllowed):
            acting(act, theirs, by=developer)
    approver = acting.user("eve", "approver")
    with pytest.raises(NotAllowed):
        acting(RotateAppToken, theirs, by=approver)
    assert acting(RevokeAppToken, theirs, by=approver).revoked_at is not None


def test_another_tenants_token_is_not_found(token, acting):  # auth service 44
    acting.tenant("acme", "globex")
    acting.account("acmes", tenant="acme")
    mine, theirs = token(client_id="acmes"), token()
    administrator = acting.user("ada", "administrator", tenant="acme")
    assert payload_of(mine)["tenant"] == "acme"
    assert [one.id for one in acting(ListAppTokens, by=administrator).items] == [mine.app_token.id]
    for act in (GetAppToken, RotateAppToken, RevokeAppToken):
        for id_ in (theirs.app_token.id, "tok_nothing"):
            with pytest.raises(NotFound, match="no such app token"):
                acting(act, id_, by=administrator)
    with pytest.raises(NotFound):
        acting(CreateAppToken, **ORDER, by=administrator)


def test_lists_are_paged_from_the_newest_on(token, acting, small_service, clock):  # auth service 47
    ids = []
    for number in range(5):
        clock.advance(number // 2)
        ids.append(token().app_token.id)
    acting(RevokeAppToken, ids[0])
    seen, after = [], None
    while True:
        page = acting(ListAppTokens, after=after, limit=2)
        seen += [one.id for one in page.items]
        after = page.after
        if after is None:
            break
    assert sorted(seen) == sorted(ids)
    assert seen[0] in ids[3:]
    assert len(acting(ListAppTokens, live=True, client_id="reports", audience="orders-api").items) == 4
    assert acting(ListAppTokens, owner_id="usr_dev").items == ()
    for wrong in ("x", "1", "1e3.a", "9999999999999.a", "\u0661.a", "1.a'\x00"):
        with pytest.raises(Invalid):
            acting(ListAppTokens, after=wrong)


def test_a_token_is_never_told_again(token, acting, small_service):  # auth service 46, 54
    values = [token().token.reveal(), token(token_format="opaque").token.reveal()]
    values.append(acting(RotateAppToken, acting(ListAppTokens).items[0].id).token.reveal())
    told = [acting(ListAppTokens), acting.events()]
    files = b"".join(path.read_bytes() for path in small_service.settings.data.glob("roomkey.db*"))
    for value in values:
        assert value not in json.dumps(told, default=str)
        assert value.encode() not in files
        assert value.rpartition(".")[2][5:60].encode() not in files


def test_the_presets_end_with_the_longest_that_the_api_allows(token, acting):
    assert presets(acting(GetApi, "orders-api")) == (DAY, 7 * DAY, 30 * DAY, 90 * DAY)
    api = acting(ChangeApi, "orders-api", longest_app_token=3600).api
    assert presets(api) == (3600,)
