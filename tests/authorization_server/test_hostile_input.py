"""Hostile texts in every field of every act, on both databases: a refusal or harmless storage, and never a failure."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.oauth_service import OAuthService

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import ChangeApi, CreateApi, GetApi, ListApis
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, GetAppToken, ListAppTokens
from roomkey.authorization_server.accounts.service_accounts.commands import (
    CreateServiceAccount,
    DisableServiceAccount,
    GetServiceAccount,
    ListServiceAccounts,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant, ListTenants
from roomkey.authorization_server.accounts.token_requests.commands import (
    ApproveTokenRequest,
    GetTokenRequest,
    ListTokenRequests,
)
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit import search
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity import second_factors, sessions, users
from roomkey.authorization_server.identity.commands import ChangeUser, CreateUser, ListUsers
from roomkey.authorization_server.service import Service

HOSTILE = {
    "NUL": "a\x00b",
    "half a pair": "a\ud800b",
    "1 MB": "a" * 1_000_000,
    "right to left": "a\u202egpj.exe",
    "script": "<script>alert(1)</script>",
    "formula": "=cmd|' /C calc'!A0",
    "two lines": "a\r\nSet-Cookie: b=c",
    "quotes": "a'; DROP TABLE users; --",
    "empty": "",
}
ORDER: dict[str, Any] = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 3600}
ACTS: dict[str, Callable[..., Any]] = {
    "tenants.create": lambda uow, text: CreateTenant(name=text)(uow),
    "tenants.find after": lambda uow, text: ListTenants(after=text)(uow),
    "apis.create audience": lambda uow, text: CreateApi(audience=text, scopes=[Scope("a")])(uow),
    "apis.create scope": lambda uow, text: CreateApi(audience="x", scopes=[Scope(text)])(uow),
    "apis.create sentence": lambda uow, text: CreateApi(audience="x", scopes=[Scope("a", text)])(uow),
    "apis.create description": lambda uow, text: CreateApi(audience="x", scopes=[Scope("a")], description=text)(uow),
    "apis.create tenant": lambda uow, text: CreateApi(audience="x", scopes=[Scope("a")], tenant=text)(uow),
    "apis.get": GetApi,
    "apis.change": lambda uow, text: ChangeApi(text, description="x")(uow),
    "apis.remove_scopes": lambda uow, text: ChangeApi("orders-api", remove_scopes=[text])(uow),
    "apis.find search": lambda uow, text: ListApis(search=text)(uow),
    "accounts.create name": lambda uow, text: CreateServiceAccount(client_id=text)(uow),
    "accounts.create api": lambda uow, text: CreateServiceAccount(client_id="x", apis=[Access(text, ("orders:read",))])(
        uow
    ),
    "accounts.create scope": lambda uow, text: CreateServiceAccount(
        client_id="x", apis=[Access("orders-api", (text,))]
    )(uow),
    "accounts.create owner": lambda uow, text: CreateServiceAccount(client_id="x", owner_id=text)(uow),
    "accounts.create tenant": lambda uow, text: CreateServiceAccount(client_id="x", tenant=text)(uow),
    "accounts.create role": lambda uow, text: CreateServiceAccount(client_id="x", roles=[text])(uow),
    "accounts.create jwks": lambda uow, text: CreateServiceAccount(
        client_id="x", authentication="private_key_jwt", jwks=text
    )(uow),
    "accounts.create redirect": lambda uow, text: CreateServiceAccount(
        client_id="x", grants=["authorization_code"], redirect_uris=[text]
    )(uow),
    "accounts.get": GetServiceAccount,
    "accounts.find search": lambda uow, text: ListServiceAccounts(search=text)(uow),
    "accounts.find filters": lambda uow, text: ListServiceAccounts(
        owner_id=text, tenant=text, audience=text, kind=text
    )(uow),
    "accounts.find after": lambda uow, text: ListServiceAccounts(after=text)(uow),
    "accounts.disable": lambda uow, text: DisableServiceAccount("reports", reason=text)(uow),
    "secrets.rotate": RotateAccountSecret,
    "tokens.create": lambda uow, text: CreateAppToken(**ORDER | {"client_id": text})(uow),
    "tokens.create api": lambda uow, text: CreateAppToken(**ORDER | {"audience": text})(uow),
    "tokens.create scope": lambda uow, text: CreateAppToken(**ORDER | {"scopes": [text]})(uow),
    "tokens.create format": lambda uow, text: CreateAppToken(**ORDER, token_format=text)(uow),
    "tokens.get": GetAppToken,
    "tokens.find": lambda uow, text: ListAppTokens(client_id=text, audience=text, owner_id=text)(uow),
    "tokens.find after": lambda uow, text: ListAppTokens(after=f"1.{text}")(uow),
    "requests.get": GetTokenRequest,
    "requests.approve": ApproveTokenRequest,
    "requests.find": lambda uow, text: ListTokenRequests(state=text)(uow),
    "users.create": lambda uow, text: CreateUser(username=text)(uow),
    "users.create tenant": lambda uow, text: CreateUser(username="bob", tenant=text)(uow),
    "users.create role": lambda uow, text: CreateUser(username="bob", roles=[text])(uow),
    "users.create scopes": lambda uow, text: CreateUser(username="bob", scopes=[text])(uow),
    "users.get": users.get,
    "users.list after": lambda uow, text: ListUsers(after=text)(uow),
    "users.change tenant": lambda uow, text: ChangeUser("alice", tenant=text)(uow),
    "sessions.revoke": sessions.revoke,
    "second_factors.reset": second_factors.reset,
    "search.find": lambda uow, text: search.find(uow, actor=text, action=text, subject=text),
    "search.find after": lambda uow, text: search.find(uow, after=text),
}


@pytest.fixture
def acting(service: Service) -> Acting:
    made = Acting(service)
    made.api()
    made.account()
    made(CreateUser, username="alice")
    return made


def test_no_act_fails_at_a_hostile_text(acting: Acting):
    failures = []
    for name, act in ACTS.items():
        for kind, text in HOSTILE.items():
            try:
                acting(act, text)
            except ServiceError as refusal:
                told = str(refusal)
                if len(told) > 1000 or "\x00" in told or "\n" in told or "\u202e" in told:
                    failures.append((name, kind, "its refusal repeats it"))
            except Exception as error:
                failures.append((name, kind, type(error).__name__))
    assert failures == [], "\n".join(map(str, failures))
    with acting.service.look(Actor.console()) as uow:
        assert find_break(uow.connection) is None


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "a" * 5000, "%E2%80%AE", "%0d%0aa"])
def test_no_public_list_fails_at_a_hostile_audience(oauth_on_each_database: OAuthService, text: str):
    assert oauth_on_each_database.ask("GET", f"/oauth2/deny-list?audience={text}").status_code in (400, 404)


def test_no_report_of_held_keys_fails_at_hostile_names(oauth_on_each_database: OAuthService):
    api = oauth_on_each_database.api
    for text in ("%00", "%ED%A0%80", "a" * 5000, "+".join("abc") * 10):
        answer = oauth_on_each_database.post("/oauth2/held-keys", f"kids={text}".encode(), api)
        assert answer.status_code in (200, 400, 422), (text, answer.text)
