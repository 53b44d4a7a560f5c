"""The admin API: whom it serves, what it refuses, and that it says and takes no more than it declares."""

import json

import pytest

from roomkey.authorization_server import secret_format
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import (
    ChangeServiceAccount,
    DisableServiceAccount,
    ListServiceAccounts,
)
from roomkey.authorization_server.accounts.token_requests.commands import RequestAppToken
from roomkey.authorization_server.admin_api.authenticate import permissions_of, scope_of
from roomkey.authorization_server.admin_api.openapi import PREFIX
from roomkey.authorization_server.admin_api.routes import offered, routes
from roomkey.authorization_server.commands.command import name_of, path_fields
from roomkey.authorization_server.permissions import ALLOWED, Permission, Role

BODIES = {
    "create_api": {"audience": "new-api", "scopes": [{"name": "a"}]},
    "create_service_account": {"client_id": "new", "apis": []},
    "create_app_token": {
        "client_id": "reports",
        "audience": "orders-api",
        "scopes": ["orders:read"],
        "lifetime": 3600,
    },
    "create_tenant": {"name": "acme"},
}

COMMANDS = offered()


def _path(kind) -> str:
    path = kind.declaration.path.replace("{audience:whole}", "orders-api").replace("{client_id}", "reports")
    return path.replace("{id}", "tok_x").replace("{user}", "usr_x")


def _body(kind):
    asks = kind.declaration.method != "GET" and set(kind.__struct_fields__) - set(path_fields(kind))
    return BODIES.get(name_of(kind), {} if asks else None)


def test_every_operation_names_a_permission_and_is_in_the_route_table(house):  # auth service 44
    paths = {route.path for route in routes(house.service)}
    declared = {PREFIX + kind.declaration.path for kind in COMMANDS}
    assert paths == declared | {f"{PREFIX}/openapi.json", PREFIX + "/{rest:whole}"}
    for kind in COMMANDS:
        assert permissions_of(kind.declaration)
        assert all(isinstance(one, Permission) for one in kind.declaration.permissions)
        reads = kind.declaration.method == "GET"
        assert (kind.declaration.reads, scope_of(kind.declaration)) == (reads, "admin:read" if reads else "admin:write")


def test_no_operation_is_done_without_a_token_the_scope_and_a_role(house):  # auth service 44
    house.acting.api()
    house.acting.account()
    reader = house.robot("reader", "administrator", scopes=("admin:read",))
    nobody = house.robot("nobody", "exporter")
    for kind in COMMANDS:
        path, body, method = _path(kind), _body(kind), kind.declaration.method
        bare = house.http.request(method, f"{house.service.settings.issuer}/api/v1{path}", json=body)
        assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
        assert nobody(method, path, body).status_code == 403
        if method != "GET":
            refused = reader(method, path, body)
            assert refused.status_code == 403
            assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="admin:write"'
    assert house.acting(ListServiceAccounts, search="new").items == ()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMINISTRATOR])
def test_each_role_is_served_what_its_permissions_say_and_nothing_else(house, role):  # auth service 44
    house.acting.api()
    house.acting.account()
    robot = house.robot("robot", role.value)
    for kind in COMMANDS:
        answer = robot(kind.declaration.method, _path(kind), _body(kind))
        if set(permissions_of(kind.declaration)) & ALLOWED[role]:
            assert answer.status_code in (200, 201, 404), (kind, answer.text)
        else:
            assert answer.status_code == 403, (kind, answer.text)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Basic cm9ib3Q6eA==", "Bearer a b", "Bearer a, Bearer b", "Bearer " + "a" * 9000, "Bearer junk"],
)
def test_a_header_without_a_good_token_is_401(house, header):
    answer = house.http.get(f"{house.service.settings.issuer}/api/v1/apis", headers={"Authorization": header})
    assert answer.status_code == 401
    assert answer.json()["code"] == "invalid_token"
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "Bearer   {}"])
def test_white_space_around_a_token_is_no_part_of_it(house, header):
    robot = house.robot("robot", "administrator")
    sent = {"Authorization": header.format(robot.token)}
    assert house.http.get(f"{robot.issuer}/api/v1/apis", headers=sent).status_code == 200


def test_a_token_for_another_api_or_of_a_person_is_refused(house):
    house.acting.api()
    house.acting.account(roles=["administrator"])
    other = house.acting(
        CreateAppToken, client_id="reports", audience="orders-api", scopes=["orders:read"], lifetime=3600
    )
    robot = house.robot()
    robot.token, good = other.token.reveal(), robot.token
    assert robot("GET", "/apis").status_code == 401
    robot.token = good
    from sqlalchemy import update

    from roomkey.authorization_server.actor import Actor
    from roomkey.authorization_server.schema.tokens import access_tokens
    from roomkey.authorization_server.tokens.issue import lookup_digest

    house.acting.user("alice", "administrator")
    with house.service.unit_of_work(Actor.console()) as uow:
        which = access_tokens.c.digest == lookup_digest(good)
        uow.connection.execute(update(access_tokens).where(which).values(user_id="usr_alice"))
    assert robot("GET", "/apis").status_code == 403


def test_what_a_robot_loses_it_has_lost_at_once(house, clock):
    robot = house.robot("robot", "administrator", "auditor")
    assert robot("GET", "/apis").status_code == 200
    house.acting(ChangeServiceAccount, "robot", apis=[Access("roomkey-admin", ("admin:read",))])
    assert robot("GET", "/apis").status_code == 200
    assert robot("POST", "/tenants", {"name": "acme"}).status_code == 403
    house.acting(ChangeServiceAccount, "robot", roles=["auditor"])
    assert robot("GET", "/audit-events").status_code == 200
    house.acting(ChangeServiceAccount, "robot", roles=[])
    assert robot("GET", "/apis").status_code == 403
    house.acting(DisableServiceAccount, "robot")
    assert robot("GET", "/apis").status_code == 401
    late = house.robot("late")
    clock.advance(300)
    assert late("GET", "/apis").status_code == 401  # at the second of its end


def test_a_role_that_the_account_gets_later_is_not_in_a_token_of_before(house):
    robot = house.robot("robot", "auditor")
    house.acting(ChangeServiceAccount, "robot", roles=["administrator", "auditor"])
    assert robot("POST", "/tenants", {"name": "acme"}).status_code == 403


def test_an_api_an_account_and_a_token_are_made_used_rotated_and_ended(house):
    robot = house.robot()
    made = robot(
        "POST",
        "/apis",
        {"audience": "https://orders.example/v1", "scopes": [{"name": "orders:read", "description": "See orders."}]},
    )
    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert secret_format.is_well_formed(made.json()["client_secret"], secret_format.SecretKind.CLIENT_SECRET)
    api = robot("GET", "/apis/https%3A%2F%2Forders.example%2Fv1").json()
    assert api == made.json()["api"]
    changed = robot("PATCH", "/apis/https://orders.example/v1", {"algorithm": "EdDSA"})
    assert changed.json()["shared_secret"] is None
    assert robot("POST", "/apis/https://orders.example/v1/disable", {"reason": "moved"}).json()["disabled_at"]
    assert robot("GET", "/apis/https://orders.example/v1").json()["disabled_at"]
    assert robot("POST", "/apis/https://orders.example/v1/rotate-secret", {}).json()["client_secret"]

    house.acting.api()
    strong = house.robot("strong", "administrator", orders_api=("orders:read",))
    account = strong(
        "POST",
        "/service-accounts",
        {"client_id": "reports", "apis": [{"audience": "orders-api", "scopes": ["orders:read"]}]},
    )
    assert account.status_code == 201, account.text
    assert strong("GET", "/service-accounts/reports").json() == account.json()["service_account"]
    secret = strong("POST", "/service-accounts/reports/rotate-secret", {"overlap": 60}).json()
    assert secret["old_until"] == house.service.now() + 60
    known = strong("GET", "/service-accounts/reports/secrets").json()["items"]
    assert known[0]["hint"] == secret_format.hint_of(secret["client_secret"])
    token = strong("POST", "/app-tokens", BODIES["create_app_token"]).json()
    assert token["token"].startswith("eyJ")
    id_ = token["app_token"]["id"]
    new = strong("POST", f"/app-tokens/{id_}/rotate", {"overlap": 60})
    assert (new.status_code, new.json()["token"] != token["token"]) == (201, True)
    assert strong("GET", f"/app-tokens/{id_}").json()["replaced_by"] == new.json()["app_token"]["id"]
    revoked = strong("POST", f"/app-tokens/{id_}/revoke", {"reason": "leaked"})
    assert revoked.json()["revoked_at"] == house.service.now()
    assert strong("PATCH", "/service-accounts/reports", {"description": "New"}).json()["ended_app_tokens"] == 0
    assert strong("POST", "/service-accounts/reports/disable", {}).json()["disabled_at"]
    assert strong("POST", "/service-accounts/reports/enable").json()["disabled_at"] is None
    event = house.acting.events()[-1]
    assert (event.actor, event.action, event.address) == (
        "service_account:strong",
        "service_account.enabled",
        "127.0.0.1",
    )


def test_secrets_are_in_the_answer_of_the_call_that_made_them_alone(house):  # auth service 46
    house.acting.api()
    robot = house.robot("robot", "administrator", orders_api=("orders:read",))
    body = {"client_id": "reports", "apis": [{"audience": "orders-api", "scopes": ["orders:read"]}]}
    secrets = [
        robot("POST", "/service-accounts", body).json()["client_secret"],
        robot("POST", "/app-tokens", BODIES["create_app_token"]).json()["token"],
        robot("POST", "/apis", BODIES["create_api"] | {"algorithm": "HS256"}).json()["shared_secret"],
    ]
    told = [robot("GET", _path(one)).text for one in COMMANDS if one.declaration.reads and not path_fields(one)]
    told += [robot("GET", "/service-accounts/reports/secrets").text, robot("GET", "/apis/new-api").text]
    for secret in secrets:
        assert secret
        assert not any(secret in text for text in told)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/service-accounts", {"client_id": "new", "kind": "api"}),
        ("POST", "/service-accounts", {"client_id": "new", "disabled_at": None}),
        ("POST", "/service-accounts", {"client_id": "new", "created_at": 0}),
        ("PATCH", "/service-accounts/reports", {"tenant": "acme"}),
        ("PATCH", "/service-accounts/reports", {"client_id": "other"}),
        ("PATCH", "/apis/orders-api", {"client_id": "robot"}),
        ("PATCH", "/apis/orders-api", {"shared_secret": "x"}),
        ("POST", "/apis", {"audience": "x", "scopes": [{"name": "a", "owner": "me"}]}),
        ("POST", "/app-tokens", BODIES["create_app_token"] | {"owner_id": "usr_x"}),
        ("POST", "/app-tokens", BODIES["create_app_token"] | {"roles": ["administrator"]}),
        ("POST", "/users/usr_alice/disable", {"roles": ["administrator"]}),
    ],
)
def test_a_member_that_is_not_asked_for_is_refused_and_nothing_is_done(house, method, path, body):  # auth service 43
    house.acting.api()
    house.acting.account()
    house.acting.user("alice", "developer")
    robot = house.robot("robot", "administrator", orders_api=("orders:read",))
    count = len(house.acting.events())
    answer = robot(method, path, body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert len(house.acting.events()) == count


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"null",
        b"{",
        b'{"name": "a", "name": "b"}',
        b'{"name": "\xff"}',
        b'{"name": "\\ud800"}',
        b'{"name": "a\\u0000"}',
        b'{"name": 1}',
        b'{"name": null}',
        b'{"name": ["a"]}',
        b'{"name": NaN}',
        b"{}",
        b"[" * 10_000,
    ],
)
def test_a_body_that_is_not_what_is_declared_is_422(house, content):
    robot = house.robot()
    headers = {"Authorization": f"Bearer {robot.token}", "Content-Type": "application/json"}
    answer = house.http.post(f"{robot.issuer}/api/v1/tenants", content=content, headers=headers)
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    del headers["Content-Type"]
    plain = house.http.post(f"{robot.issuer}/api/v1/tenants", content=b'{"name": "a"}', headers=headers)
    assert plain.status_code == 422


def test_parameters_of_the_address_are_as_strict(house):  # auth service 47
    robot = house.robot()
    for query in ("limit=0", "limit=201", "limit=x", "limit=1&limit=2", "offset=3", "after=%00", "after=%FF", "limit="):
        answer = house.http.get(
            f"{robot.issuer}/api/v1/apis?{query}", headers={"Authorization": f"Bearer {robot.token}"}
        )
        assert answer.status_code == 422, query
    assert robot("GET", "/apis", after="x' OR '1'='1").json() == {"items": [], "after": None}
    assert robot("GET", "/app-tokens", after="1 UNION SELECT").status_code == 422


def test_another_tenants_things_are_not_found(house):  # auth service 44
    house.acting.tenant("acme", "globex")
    house.acting.api()
    house.acting.account("theirs", tenant="globex")
    made = house.acting(
        CreateAppToken, client_id="theirs", audience="orders-api", scopes=["orders:read"], lifetime=3600
    )
    house.acting.user("zoe", "developer", tenant="globex")
    zoe = house.acting.user("yan", "developer", tenant="globex")
    asked = house.acting(
        RequestAppToken,
        client_id="theirs",
        audience="orders-api",
        scopes=["orders:read"],
        lifetime=3600,
        by=zoe,
    )
    robot = house.robot("robot", "administrator", tenant="acme", orders_api=("orders:read",))
    for method, path, body in (
        ("GET", "/service-accounts/theirs", None),
        ("PATCH", "/service-accounts/theirs", {"description": "mine"}),
        ("GET", "/service-accounts/theirs/secrets", None),
        ("POST", "/service-accounts/theirs/rotate-secret", {}),
        ("POST", "/service-accounts/theirs/disable", {}),
        ("GET", f"/app-tokens/{made.app_token.id}", None),
        ("POST", f"/app-tokens/{made.app_token.id}/rotate", {}),
        ("POST", f"/app-tokens/{made.app_token.id}/revoke", {}),
        ("GET", f"/token-requests/{asked.id}", None),
        ("GET", "/users/usr_zoe", None),
        ("POST", "/users/usr_zoe/disable", None),
    ):
        theirs, missing = robot(method, path, body), robot(method, path.replace("theirs", "nobody"), body)
        assert theirs.status_code == missing.status_code == 404, (path, theirs.text)
    for path in ("/service-accounts", "/app-tokens", "/token-requests", "/users"):
        assert all(one.get("tenant") == "acme" for one in robot("GET", path).json()["items"])


def test_a_robot_makes_and_takes_over_nothing_stronger_than_itself(house):  # auth service 8, 45
    house.acting.api()
    house.acting.account("stronger", "orders:read", "orders:write")
    robot = house.robot("robot", "administrator", orders_api=("orders:read",))
    wide = {"audience": "orders-api", "scopes": ["orders:read", "orders:write"]}
    for method, path, body in (
        ("POST", "/service-accounts", {"client_id": "new", "apis": [wide]}),
        ("POST", "/service-accounts", {"client_id": "new", "roles": ["exporter"]}),
        ("POST", "/service-accounts/stronger/rotate-secret", {}),
        ("PATCH", "/service-accounts/stronger", {"authentication": "client_secret_post"}),
        ("PATCH", "/service-accounts/robot", {"apis": [wide]}),
        ("POST", "/service-accounts/robot/rotate-secret", {}),
        ("POST", "/service-accounts/robot/enable", None),
        ("POST", "/app-tokens", BODIES["create_app_token"] | {"client_id": "stronger", "scopes": ["orders:write"]}),
    ):
        answer = robot(method, path, body)
        assert answer.status_code == 403, (path, answer.text)


def test_a_name_that_is_taken_is_409_and_one_with_a_null_is_404(house):
    robot = house.robot()
    assert robot("POST", "/tenants", {"name": "acme"}).status_code == 201
    assert robot("POST", "/tenants", {"name": "acme"}).status_code == 409
    assert robot("GET", "/apis/a%00b").status_code == 404
    assert robot("GET", "/service-accounts/a%00b").status_code == 404


def test_an_address_that_is_none_is_a_problem_like_any_other(house):
    robot = house.robot()
    for path in ("/nothing", "/apis/a%0Ab%0D", "/service-accounts/a/b/c"):
        answer = robot("GET", path)
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")


def test_users_keys_and_the_audit_log_can_be_looked_at(house):
    for name in ("alice", "bob", "carol"):
        house.acting.user(name, "developer")
    robot = house.robot()
    first = robot("GET", "/users", limit=2).json()
    assert [one["username"] for one in first["items"]] == ["alice", "bob"]
    second = robot("GET", "/users", limit=2, after=first["after"]).json()
    assert ([one["username"] for one in second["items"]], second["after"]) == (["carol"], None)
    assert robot("POST", "/users/usr_bob/disable").json()["disabled_at"]
    assert robot("GET", "/keys").json()["items"][0]["key"]["state"] == "signing"
    assert robot("POST", "/keys/rotate", {}).json()["state"] == "next"
    events = robot("GET", "/audit-events", action="user.", limit=1).json()
    assert events["items"][0]["actor"] == "service_account:robot"


def test_the_description_is_there_for_everybody_and_holds_all_operations(house):
    document = house.http.get(f"{house.service.settings.issuer}/api/v1/openapi.json")
    assert document.status_code == 200
    described = document.json()
    assert described["openapi"] == "3.1.0"
    names = {one["operationId"] for path in described["paths"].values() for one in path.values()}
    assert names == {name_of(one) for one in COMMANDS}
    assert len(names) == len(COMMANDS)
    refs = set(json.dumps(described).split('"#/components/schemas/')[1:])
    assert {one.partition('"')[0] for one in refs} <= described["components"]["schemas"].keys()


def test_a_method_that_is_not_declared_is_405(house):
    robot = house.robot()
    answer = robot("DELETE", "/apis/orders-api")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET, PATCH")


def test_an_outage_of_the_database_is_503_and_tells_nothing_of_it(house, monkeypatch):
    robot = house.robot()
    from roomkey.authorization_server.errors import DatabaseUnavailable

    async def down(*_):
        raise DatabaseUnavailable("The database cannot be used now: disk I/O error at /secret/place.")

    monkeypatch.setattr(house.service, "view", down)
    answer = robot("GET", "/apis")
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "place" not in answer.text
