"""Hostile texts in every field of every act, on both databases: a refusal or harmless storage, and never a failure."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.authorization_server.accounts.conftest import Acting
from tests.authorization_server.oauth_world import World

from roomkey.authorization_server import audit, audit_log
from roomkey.authorization_server.accounts import account_secrets, apis, app_tokens, service_accounts, tenants
from roomkey.authorization_server.accounts import token_requests as requests
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.api import Scope
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.people import second_factors, sessions, users
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
    "tenants.create": lambda work, text: tenants.create(work, name=text),
    "tenants.find after": lambda work, text: tenants.find(work, after=text),
    "apis.create audience": lambda work, text: apis.create(work, audience=text, scopes=[Scope("a")]),
    "apis.create scope": lambda work, text: apis.create(work, audience="x", scopes=[Scope(text)]),
    "apis.create sentence": lambda work, text: apis.create(work, audience="x", scopes=[Scope("a", text)]),
    "apis.create description": lambda work, text: apis.create(
        work, audience="x", scopes=[Scope("a")], description=text
    ),
    "apis.create tenant": lambda work, text: apis.create(work, audience="x", scopes=[Scope("a")], tenant=text),
    "apis.get": apis.get,
    "apis.change": lambda work, text: apis.change(work, text, description="x"),
    "apis.remove_scopes": lambda work, text: apis.remove_scopes(work, "orders-api", [text]),
    "apis.find search": lambda work, text: apis.find(work, search=text),
    "accounts.create name": lambda work, text: service_accounts.create(work, client_id=text),
    "accounts.create api": lambda work, text: service_accounts.create(
        work, client_id="x", apis=[Access(text, ("orders:read",))]
    ),
    "accounts.create scope": lambda work, text: service_accounts.create(
        work, client_id="x", apis=[Access("orders-api", (text,))]
    ),
    "accounts.create owner": lambda work, text: service_accounts.create(work, client_id="x", owner_id=text),
    "accounts.create tenant": lambda work, text: service_accounts.create(work, client_id="x", tenant=text),
    "accounts.create role": lambda work, text: service_accounts.create(work, client_id="x", roles=[text]),
    "accounts.create jwks": lambda work, text: service_accounts.create(
        work, client_id="x", authentication="private_key_jwt", jwks=text
    ),
    "accounts.create redirect": lambda work, text: service_accounts.create(
        work, client_id="x", grants=["authorization_code"], redirect_uris=[text]
    ),
    "accounts.get": service_accounts.get,
    "accounts.find search": lambda work, text: service_accounts.find(work, search=text),
    "accounts.find filters": lambda work, text: service_accounts.find(
        work, owner_id=text, tenant=text, audience=text, kind=text
    ),
    "accounts.find after": lambda work, text: service_accounts.find(work, after=text),
    "accounts.disable": lambda work, text: service_accounts.disable(work, "reports", reason=text),
    "secrets.rotate": account_secrets.rotate,
    "tokens.create": lambda work, text: app_tokens.create(work, **ORDER | {"client_id": text}),
    "tokens.create api": lambda work, text: app_tokens.create(work, **ORDER | {"audience": text}),
    "tokens.create scope": lambda work, text: app_tokens.create(work, **ORDER | {"scopes": [text]}),
    "tokens.create format": lambda work, text: app_tokens.create(work, **ORDER, token_format=text),
    "tokens.get": app_tokens.get,
    "tokens.find": lambda work, text: app_tokens.find(work, client_id=text, audience=text, owner_id=text),
    "tokens.find after": lambda work, text: app_tokens.find(work, after=f"1.{text}"),
    "requests.get": requests.get,
    "requests.approve": requests.approve,
    "requests.find": lambda work, text: requests.find(work, state=text),
    "users.create": lambda work, text: users.create(work, username=text),
    "users.create tenant": lambda work, text: users.create(work, username="bob", tenant=text),
    "users.create role": lambda work, text: users.create(work, username="bob", roles=[text]),
    "users.create scopes": lambda work, text: users.create(work, username="bob", scopes=text),
    "users.get": users.get,
    "users.list after": lambda work, text: users.list_users(work, after=text),
    "users.change tenant": lambda work, text: users.change(work, "alice", tenant=text),
    "sessions.revoke": sessions.revoke,
    "second_factors.reset": second_factors.reset,
    "audit_log.find": lambda work, text: audit_log.find(work, actor=text, action=text, subject=text),
    "audit_log.find after": lambda work, text: audit_log.find(work, after=text),
}


@pytest.fixture
def acting(service: Service) -> Acting:
    made = Acting(service)
    made.api()
    made.account()
    made(users.create, username="alice")
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
    with acting.service.look(Actor.console()) as work:
        assert audit.verify(work.connection) is None


@pytest.mark.parametrize("text", ["%00", "%ED%A0%80", "a" * 5000, "%E2%80%AE", "%0d%0aa"])
def test_no_public_list_fails_at_a_hostile_audience(any_world: World, text: str):
    assert any_world.ask("GET", f"/oauth2/deny-list?audience={text}").status_code in (400, 404)


def test_no_report_of_held_keys_fails_at_hostile_names(any_world: World):
    api = any_world.api
    for text in ("%00", "%ED%A0%80", "a" * 5000, "+".join("abc") * 10):
        answer = any_world.post("/oauth2/held-keys", f"kids={text}".encode(), api)
        assert answer.status_code in (200, 400, 422), (text, answer.text)
