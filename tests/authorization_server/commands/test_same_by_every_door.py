"""The same input by command line, admin API and form: the same rows, and the same audit event."""

import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select, update
from tests.authorization_server.backoffice.backoffice_service import Backoffice
from tests.golden.command import Command as CommandLine

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import (
    ChangeApi,
    CreateApi,
    DisableApi,
    EnableApi,
    RotateApiSecret,
    RotateSharedSecret,
)
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, RevokeAppToken, RotateAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    CreateServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
    RotateAccountSecret,
)
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.accounts.token_requests.commands import ApproveTokenRequest, RequestAppToken
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.commands.command import NOUNS, Command, commands_of, path_fields
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.identity import sessions, users
from roomkey.authorization_server.identity.commands import (
    ChangeUser,
    CreateUser,
    DeleteUser,
    DisableUser,
    EnableUser,
    ResetSecondFactor,
    RevokeSessions,
    SetPassword,
)
from roomkey.authorization_server.keys.commands import ListKeys, RotateKeys, WithdrawKey
from roomkey.authorization_server.schema import accounts, identity, tokens
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.tokens import refresh_tokens
from roomkey.authorization_server.tokens.commands import RevokeFamily
from roomkey.authorization_server.tokens.issue import TokenGrant
from roomkey.clock import SystemClock

CONSOLE = Actor.console()
ISSUER = "https://auth.example"
TABLES = (
    *(accounts.apis, accounts.api_scopes, accounts.service_accounts, accounts.account_apis, accounts.account_secrets),
    *(accounts.tenants, accounts.token_requests, tokens.app_tokens, tokens.token_families),
    *(identity.users, identity.user_roles, signing_keys),
)
# Different each time, or those of the actor.
VARYING = {"digest", "hint", "jti", "id", "status_index", "shared_secret", "created_by", "owner", "replaced_by", "new"}
VARYING |= {"user_id", "password_hash", "kid", "user", "public_jwk"}
NOUNS_HERE = ("api", "service-account", "app-token", "tenant", "user", "family", "keys", "audit")
PASSWORD = "seven green lanterns hum"


@dataclass
class Row:
    """One act: a command, the values of its fields, and the form that says the same, if there is one."""

    kind: type[Command[Any]]
    values: dict[str, Any]
    page: str = ""
    form: dict[str, Any] = field(default_factory=dict)
    stdin: str = ""  # the password, which is no field: its hash is


READ = {"audience": "orders-api", "scopes": ["orders:read"]}
API_FORM = {
    "scopes": "orders:read See orders\norders:ship",
    "description": "All orders",
    "token_lifetime": "600",
    "longest_app_token": "86400",
    "token_format": "jwt",
    "algorithm": "EdDSA",
    "needs_approval": "yes",
}
API_VALUES = {
    "description": "All orders",
    "token_lifetime": 600,
    "longest_app_token": 86400,
    "token_format": "jwt",
    "algorithm": "EdDSA",
    "needs_approval": True,
}
ROWS = [
    Row(
        CreateServiceAccount,
        {"client_id": "new", "apis": [READ], "description": "Nightly", "tenant": "acme", "roles": ["exporter"]},
        "/service-accounts/~new",
        {
            "client_id": "new",
            "scope": "orders-api orders:read",
            "description": "Nightly",
            "tenant": "acme",
            "roles": "exporter",
            "grants": "client_credentials",
            "authentication": "client_secret_basic",
        },
    ),
    Row(
        CreateServiceAccount,
        {
            "client_id": "new",
            "grants": ["authorization_code", "refresh_token"],
            "authentication": "none",
            "redirect_uris": ["https://app.example/cb", "http://127.0.0.1/cb"],
        },
        "/service-accounts/~new",
        {
            "client_id": " new ",
            "grants": ["authorization_code", "refresh_token"],
            "authentication": "none",
            "redirect_uris": "https://app.example/cb\r\nhttp://127.0.0.1/cb",
        },
    ),
    Row(
        ChangeServiceAccount,
        {"client_id": "reports", "apis": [{"audience": "orders-api", "scopes": ["orders:read", "orders:write"]}]},
        "/service-accounts/reports/apis",
        {"scope": ["orders-api orders:read", "orders-api orders:write"]},
    ),
    Row(
        RotateAccountSecret,
        {"client_id": "reports", "overlap": 3600},
        "/service-accounts/reports/rotate-secret",
        {"overlap": "3600"},
    ),
    Row(
        DisableServiceAccount,
        {"client_id": "reports", "reason": "moved away"},
        "/service-accounts/reports/disable",
        {"reason": "moved away"},
    ),
    Row(EnableServiceAccount, {"client_id": "sleeping"}, "/service-accounts/sleeping/enable"),
    Row(
        CreateApi,
        {"audience": "new-api", "scopes": [{"name": "a"}, {"name": "b"}], **API_VALUES},
        "/apis/~new",
        {"audience": "new-api", **API_FORM, "scopes": "a\r\nb"},
    ),
    Row(
        ChangeApi,
        {
            "audience": "orders-api",
            "add_scopes": [{"name": "orders:read", "description": "See orders"}, {"name": "orders:ship"}],
            "remove_scopes": ["orders:write"],
            **API_VALUES,
        },
        "/apis/orders-api/edit",
        API_FORM,
    ),
    Row(RotateApiSecret, {"audience": "orders-api"}, "/apis/orders-api/rotate-secret", {"overlap": "0"}),
    Row(RotateSharedSecret, {"audience": "legacy"}, "/apis/legacy/shared-secret"),
    Row(DisableApi, {"audience": "orders-api", "reason": "gone"}, "/apis/orders-api/disable", {"reason": "gone"}),
    Row(EnableApi, {"audience": "closed"}, "/apis/closed/enable"),
    Row(
        CreateAppToken,
        {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 86400},
    ),
    Row(RotateAppToken, {"id": "TOKEN", "overlap": 3600}, "/app-tokens/TOKEN/rotate", {"overlap": "3600"}),
    Row(RevokeAppToken, {"id": "TOKEN", "reason": "leaked"}, "/app-tokens/TOKEN/revoke", {"reason": "leaked"}),
    Row(CreateTenant, {"name": "globex"}),
    Row(
        CreateUser,
        {"username": "dora", "roles": ["auditor", "packer"], "scopes": ["orders:read"], "tenant": "acme"},
        "/users/~new",
        {
            "username": " dora ",
            "roles": "auditor",
            "others": "packer",
            "scopes": "orders:read",
            "tenant": "acme",
            "password": PASSWORD,
        },
        stdin=PASSWORD,
    ),
    Row(
        ChangeUser,
        {"user": "carol", "roles": ["auditor", "packer"]},
        "/users/carol/roles",
        {"roles": "auditor", "others": "packer"},
    ),
    Row(SetPassword, {"user": "carol"}, "/users/carol/password", {"password": PASSWORD}, stdin=PASSWORD),
    Row(ResetSecondFactor, {"user": "carol"}, "/users/carol/second-factor"),
    Row(RevokeSessions, {"user": "carol"}, "/users/carol/end-sessions"),
    Row(DisableUser, {"user": "carol", "reason": "left"}, "/users/carol/disable", {"reason": "left"}),
    Row(EnableUser, {"user": "gone"}, "/users/gone/enable"),
    Row(DeleteUser, {"user": "carol"}),
    Row(
        RevokeFamily,
        {"family": "FAMILY", "reason": "lost phone"},
        "/tokens/families/FAMILY/revoke",
        {"reason": "lost phone"},
    ),
    Row(RotateKeys, {"algorithm": "ES256"}, "/keys/rotate", {"rotation": "ES256 due"}),
    Row(WithdrawKey, {"kid": "KEY"}, "/keys/KEY/withdraw"),
]


@dataclass
class World:
    """A data folder with something of everything, the id of an app token, and a token for the admin API."""

    data: Path
    token_id: str
    bearer: str
    family: str
    key: str


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    data = tmp_path_factory.mktemp("world") / "data"
    with Service.open(_settings(data)) as service, service.unit_of_work(CONSOLE) as uow:
        CreateTenant("acme")(uow)
        scopes = [Scope("orders:read"), Scope("orders:write")]
        CreateApi("orders-api", scopes=scopes)(uow)
        CreateApi("legacy", scopes=[Scope("a")], algorithm="HS256")(uow)
        CreateApi("closed", scopes=[Scope("a")])(uow)
        DisableApi("closed")(uow)
        everything = ("orders:read", "orders:write")
        access = [Access("orders-api", everything), Access("legacy", ("a",)), Access("roomkey-admin", ("admin:write",))]
        CreateServiceAccount("robot", access, roles=["administrator", "exporter"])(uow)
        for name in ("reports", "sleeping"):
            CreateServiceAccount(name, [Access("orders-api", ("orders:read",))])(uow)
        DisableServiceAccount("sleeping")(uow)
        made = CreateAppToken("reports", "orders-api", ["orders:read"])(uow)
        bearer = CreateAppToken("robot", "roomkey-admin", ["admin:write"])(uow).token.reveal()
        alice = CreateUser("alice", roles=["administrator"])(uow)
        carol = CreateUser("carol", roles=["developer"])(uow)
        DisableUser(CreateUser("gone")(uow).id)(uow)
        for user in (alice, carol):
            sessions.begin(uow, user, stage=sessions.Stage.FULL)
        family = refresh_tokens.new_family_id()
        grant = TokenGrant(
            client_id="reports",
            audience="orders-api",
            scope=("orders:read",),
            user_id=carol.id,
            username="carol",
            family_id=family,
        )
        refresh_tokens.start_family(uow, grant)
        RotateKeys(now=True)(uow)  # a key that retires, and long enough ago that the next rotation is another one
        retired = signing_keys.c.retired_at
        uow.connection.execute(update(signing_keys).where(retired.is_not(None)).values(retired_at=retired - 60))
        key = next(one.key.kid for one in ListKeys()(uow).items if one.key.state == "retiring")
    return World(data, made.app_token.id, bearer, family, key)


def _settings(data: Path) -> Settings:
    return Settings.at(data, issuer=ISSUER)


def by_command_line(data: Path, row: Row, world: World) -> None:
    words = shlex.split(in_terminal(row.kind, **_given(row.kind, row.values)))
    typed = ["--password-stdin"] if row.stdin else []
    done = CommandLine(data.parent / "home")(
        "admin", "--data", str(data), *words[2:], *typed, "--json", stdin=f"{row.stdin}\n"
    )
    assert done.code == 0, (words, done.err)


def by_admin_api(data: Path, row: Row, world: World) -> None:
    in_path = path_fields(row.kind)
    path = re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: row.values[found[1]], row.kind.declaration.path)
    body = {name: value for name, value in row.values.items() if name not in in_path}
    with _backoffice(data) as backoffice:
        browser = backoffice.browser()
        client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=backoffice.app), base_url=ISSUER)
        answer = browser._runner.run(
            client.request(
                row.kind.declaration.method,
                f"/api/v1{path}",
                json=body,
                headers={"Authorization": f"Bearer {world.bearer}"},
            )
        )
    assert answer.status_code == row.kind.declaration.status, answer.text


def by_form(data: Path, row: Row, world: World) -> None:
    with _backoffice(data) as backoffice:
        with backoffice.service.look(CONSOLE) as uow:
            alice = users.get(uow, "alice")
        browser = backoffice.browser(alice)
        browser.get("/account")
        answer = browser.submit(row.page, **row.form)
    assert answer.status_code == 303, answer.text


DOORS = {"command line": by_command_line, "admin API": by_admin_api, "form": by_form}


@contextmanager
def _backoffice(data: Path) -> Iterator[Backoffice]:
    with Service.open(_settings(data)) as service:
        backoffice = Backoffice(service, SystemClock())  # type: ignore[arg-type]
        with backoffice._open:
            yield backoffice


def _given(kind: type[Command[Any]], values: dict[str, Any]) -> dict[str, Any]:
    """The values as a command has them: lists of objects as what they are."""
    if kind is SetPassword:
        return values
    return {name: getattr(kind(**values), name) for name in values}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.kind.__name__)
def test_the_same_input_makes_the_same_by_every_way_in(world: World, tmp_path: Path, row: Row):
    text = json.dumps([row.values, row.page]).replace("TOKEN", world.token_id)
    text = text.replace("FAMILY", world.family).replace("KEY", world.key)
    values, page = json.loads(text)
    row = Row(row.kind, values, page, row.form, row.stdin)
    seen = {}
    for name, perform in DOORS.items():
        if (name == "form" and not row.page) or (name == "admin API" and not row.kind.declaration.path):
            continue
        data = tmp_path / name / "data"
        shutil.copytree(world.data, data)
        before = _state(data, row.kind)
        perform(data, row, world)
        seen[name] = _state(data, row.kind)
        assert seen[name] != before
        assert seen[name]["event"]["action"] == row.kind.declaration.event
    first = seen["command line"]
    for name, state in seen.items():
        assert state == first, name


def _state(data: Path, kind: type[Command[Any]]) -> dict[str, Any]:
    with Service.open(_settings(data)) as service, service.look(CONSOLE) as uow:
        rows = {
            table.name: sorted(
                (_masked(dict(row._mapping)) for row in uow.connection.execute(select(table))), key=json.dumps
            )
            for table in TABLES
        }
        of_accounts = (audit_events.c.subject_kind != "key") | (audit_events.c.action == kind.declaration.event)
        event = uow.connection.execute(
            select(audit_events).where(of_accounts).order_by(audit_events.c.number.desc()).limit(1)
        ).one()
        same = select(func.count()).where(audit_events.c.action == kind.declaration.event)
        events = uow.connection.scalar(same)
    told = {"action": event.action, "kind": event.subject_kind, "tenant": event.tenant, "count": events}
    return rows | {"event": told | {"details": _masked(json.loads(event.details))}}


def _masked(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        lifetime = {"lifetime": value["exp"] - value["created_at"]} if {"exp", "created_at"} <= value.keys() else {}
        return {key: _masked(one, key) for key, one in (value | lifetime).items()}
    if isinstance(value, list):
        return [_masked(one) for one in value]
    if value is not None and (name in VARYING or isinstance(value, bytes)):
        return "…"
    return "<time>" if isinstance(value, int) and value > 1_500_000_000 else value


def test_every_act_of_these_nouns_is_in_the_table():
    changes = {kind for noun in NOUNS_HERE for kind in commands_of(noun) if not kind.declaration.reads}
    assert changes == {row.kind for row in ROWS}
    assert set(NOUNS_HERE) < set(NOUNS)


def test_the_admin_api_lacks_what_only_users_may_do_and_nothing_else():
    """A service account that requests or approves app tokens would make the approval of a second user worthless."""
    lacking = {kind.__name__ for noun in NOUNS for kind in commands_of(noun)}
    lacking -= {kind.__name__ for noun in NOUNS for kind in commands_of(noun) if kind.declaration.path}
    users_only = {"RequestAppToken", "ApproveTokenRequest", "RefuseTokenRequest", "WithdrawTokenRequest"}
    # Nor does it make users, or change what they may do or how they sign in.
    users_only |= {"CreateUser", "ChangeUser", "SetPassword", "ResetSecondFactor", "RevokeSessions", "EnableUser"}
    assert lacking == users_only | {"CollectAppToken", "DeleteUser"}


def test_an_approval_is_the_same_by_command_line_and_form(world: World, tmp_path: Path):
    seen = []
    for name in ("command line", "form"):
        data = tmp_path / name / "data"
        shutil.copytree(world.data, data)
        with Service.open(_settings(data)) as service:
            with service.unit_of_work(CONSOLE) as uow:
                ben = CreateUser("ben", roles=["developer"])(uow)
            developer = Actor(ActorKind.USER, ben.id, "ben", frozenset({"developer"}))
            with service.unit_of_work(developer) as uow:
                asked = RequestAppToken("reports", "orders-api", ["orders:read"], 3600)(uow)
        row = Row(
            ApproveTokenRequest,
            {"id": asked.id, "answer": "Go ahead"},
            f"/token-requests/{asked.id}",
            {"decision": "approve", "answer": "Go ahead"},
        )
        DOORS[name](data, row, world)
        state = _state(data, ApproveTokenRequest)
        for one in state["token_requests"]:
            del one["requested_by"], one["decided_by"]
        del state["event"]["details"]["requested_by"]
        seen.append(state)
    assert seen[0] == seen[1]
