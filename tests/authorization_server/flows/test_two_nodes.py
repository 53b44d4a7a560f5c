"""One service of two processes on one PostgreSQL database: what is done at one is so at the other, at once."""

import asyncio
import json
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import func, select
from tests.authorization_server.admin_api.conftest import Robot
from tests.authorization_server.flows.processes import ROOMKEY, two_nodes
from tests.authorization_server.oauth_service import CONSOLE, PASSWORD, KeyPair, Login, OAuthService, asserted
from tests.authorization_server.postgresql import Cluster

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.cli.exit_code import ExitCode
from roomkey.jose.compact import read_unverified

ADMIN = [Access("roomkey-admin", ("admin:read", "admin:write")), Access("orders-api", ("orders:read", "orders:write"))]


@dataclass(frozen=True)
class Node:
    """One of the two, as its callers see it."""

    http: httpx2.Client

    def post(self, path: str, login: Login | None, **fields: str) -> httpx2.Response:
        return self.http.post(path, data=fields, headers=login.basic if login else {})

    def token(self, login: Login, grant: str = "client_credentials", **fields: str) -> dict[str, Any]:
        answer = self.post("/oauth2/token", login, grant_type=grant, **fields)
        members: dict[str, Any] = answer.raise_for_status().json()
        return members

    def introspect(self, api: Login, token: str) -> dict[str, Any]:
        members: dict[str, Any] = self.post("/oauth2/introspect", api, token=token).raise_for_status().json()
        return members

    def robot(self, login: Login) -> Robot:
        token = self.token(login, scope="admin:read admin:write", resource="roomkey-admin")["access_token"]
        return Robot(self.http, str(self.http.base_url), token)


@dataclass(frozen=True)
class Pair:
    """Both nodes, the service that a console opens on their database, and who is registered."""

    one: Node
    other: Node
    oauth: OAuthService
    robot: Login
    database: str

    @property
    def api(self) -> Login:
        return self.oauth.api


@pytest.fixture(scope="module")
def pair(postgresql: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    data, database = tmp_path_factory.mktemp("nodes") / "data", postgresql.database()
    with (
        two_nodes(data, database) as urls,
        httpx2.Client(base_url=urls[0], timeout=30) as one,
        httpx2.Client(base_url=urls[1], timeout=30) as other,
        Service.open(Settings.at(data, database=database, issuer=urls[0])) as service,
        OAuthService(service) as oauth,
    ):
        oauth.api = oauth.add_api()
        robot = oauth.add_account("robot", apis=ADMIN, roles=("administrator",))
        oauth.add_user()
        yield Pair(Node(one), Node(other), oauth, robot, database)


def test_a_token_of_one_node_is_known_and_revoked_at_the_other(pair: Pair) -> None:  # auth service 26
    app = pair.oauth.add_account("known")
    token = pair.one.token(app)["access_token"]
    assert pair.other.introspect(pair.api, token)["client_id"] == "known"
    assert pair.other.post("/oauth2/revoke", app, token=token).status_code == 200
    assert pair.one.introspect(pair.api, token) == {"active": False}
    assert pair.other.introspect(pair.api, token) == {"active": False}


def test_an_app_token_that_is_made_and_revoked_at_one_node_is_so_at_the_other(pair: Pair) -> None:
    pair.oauth.add_account("machine")
    robot = pair.one.robot(pair.robot)
    order = {"client_id": "machine", "audience": "orders-api", "scopes": ["orders:read"], "lifetime": 3600}
    answer = robot("POST", "/app-tokens", order)
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert pair.other.introspect(pair.api, made["token"])["active"] is True
    assert robot("POST", f"/app-tokens/{made['app_token']['id']}/revoke", {}).status_code == 200
    assert pair.other.introspect(pair.api, made["token"]) == {"active": False}


def test_a_client_that_is_disabled_at_one_node_is_rejected_at_the_other(pair: Pair) -> None:  # auth service 1, 9
    app = pair.oauth.add_account("leaver")
    token = pair.other.token(app)["access_token"]
    robot = pair.one.robot(pair.robot)
    assert robot("POST", "/service-accounts/leaver/disable", {}).status_code == 200
    refused = pair.other.post("/oauth2/token", app, grant_type="client_credentials")
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")
    assert pair.other.introspect(pair.api, token) == {"active": False}
    assert robot("POST", "/service-accounts/leaver/enable").status_code == 200
    assert pair.other.introspect(pair.api, pair.other.token(app)["access_token"])["active"] is True
    assert pair.other.introspect(pair.api, token) == {"active": False}


def test_a_secret_that_is_rotated_at_one_node_is_rejected_at_the_other(pair: Pair) -> None:  # auth service 7
    app = pair.oauth.add_account("rotating")
    pair.other.token(app)
    answer = pair.one.robot(pair.robot)("POST", "/service-accounts/rotating/rotate-secret", {})
    renewed = Login("rotating", answer.json()["client_secret"])
    assert pair.other.post("/oauth2/token", app, grant_type="client_credentials").status_code == 401
    pair.other.token(renewed)


def test_a_key_that_is_rotated_at_both_nodes_at_once_is_one_and_signs_at_both(pair: Pair) -> None:  # auth service 52
    app = pair.oauth.add_account("signed")
    before = [kid(node.token(app)["access_token"]) for node in (pair.one, pair.other)]
    robots = [node.robot(pair.robot) for node in (pair.one, pair.other)]
    order = {"algorithm": "ES256", "now": True}
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda robot: robot("POST", "/keys/rotate", order), robots))
    assert [answer.status_code for answer in answers] == [200, 200]
    (new,) = {answer.json()["kid"] for answer in answers}
    assert [kid(node.token(app)["access_token"]) for node in (pair.one, pair.other)] == [new, new]
    published = [node.http.get("/oauth2/jwks").json() for node in (pair.one, pair.other)]
    assert published[0] == published[1]
    assert {*before, new} <= {key["kid"] for key in published[0]["keys"]}
    with pair.oauth.service.look(CONSOLE) as uow:
        signing = select(func.count()).where(signing_keys.c.state == "signing", signing_keys.c.algorithm == "ES256")
        assert uow.connection.scalar(signing) == 1


def test_a_refresh_token_that_is_raced_at_both_nodes_has_one_successor(pair: Pair) -> None:  # auth service 10
    app = pair.oauth.add_app("racer")
    first = pair.one.token(app, "password", username="alice", password=PASSWORD)
    request = {"data": {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}, "headers": app.basic}

    async def race() -> list[httpx2.Response]:
        async with httpx2.AsyncClient(timeout=30) as http:
            urls = [f"{node.http.base_url}/oauth2/token" for node in (pair.one, pair.other)] * 16
            return list(await asyncio.gather(*(http.post(url, **request) for url in urls)))

    answers = asyncio.run(race())
    assert [answer.status_code for answer in answers] == [200] * 32
    (only,) = {answer.content for answer in answers}
    successor = json.loads(only)
    assert pair.other.introspect(pair.api, successor["access_token"])["active"] is True
    third = pair.other.token(app, "refresh_token", refresh_token=successor["refresh_token"])
    assert third["refresh_token"] not in (first["refresh_token"], successor["refresh_token"])


def test_a_replayed_grandparent_at_the_other_node_revokes_the_family(pair: Pair) -> None:  # auth service 11, 12
    app = pair.oauth.add_app("replayed")
    first = pair.one.token(app, "password", username="alice", password=PASSWORD)
    second = pair.other.token(app, "refresh_token", refresh_token=first["refresh_token"])
    third = pair.one.token(app, "refresh_token", refresh_token=second["refresh_token"])
    again = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    assert pair.other.post("/oauth2/token", app, **again).json()["error"] == "invalid_grant"
    assert pair.one.introspect(pair.api, third["access_token"]) == {"active": False}
    again["refresh_token"] = third["refresh_token"]
    assert pair.one.post("/oauth2/token", app, **again).json()["error"] == "invalid_grant"


def test_an_assertion_is_accepted_once_at_both_nodes_together(pair: Pair) -> None:  # auth service 5
    key = KeyPair()
    jwks = json.dumps({"keys": [key.jwk]})
    pair.oauth.add_account("asserting", authentication="private_key_jwt", jwks=jwks)
    form = asserted(key.assertion("asserting", str(pair.one.http.base_url).rstrip("/")))
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda node: node.post("/oauth2/token", None, **form), (pair.one, pair.other)))
    assert sorted(answer.status_code for answer in answers) == [200, 401]


def test_one_api_that_reports_its_keys_to_both_nodes_at_once_is_heard_by_both(pair: Pair) -> None:
    kids = [key["kid"] for key in pair.one.http.get("/oauth2/jwks").json()["keys"]]

    def report(number: int) -> int:
        node = (pair.one, pair.other)[number % 2]
        return node.post("/oauth2/held-keys", pair.api, kids=" ".join(kids)).status_code

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(report, range(48))) == [200] * 48


def test_what_is_changed_at_both_nodes_at_once_is_changed_by_both(pair: Pair) -> None:
    pair.oauth.add_api("changing-api", "a")
    pair.oauth.add_account("changing", apis=[Access("orders-api", ("orders:read",))])
    robots = [node.robot(pair.robot) for node in (pair.one, pair.other)]
    access = [{"audience": "orders-api", "scopes": ["orders:read"]}]
    scopes = [{"name": name, "description": ""} for name in ("a", "b")]
    orders: list[tuple[str, dict[str, Any]]] = [
        ("/service-accounts/changing", {"apis": access}),
        ("/apis/changing-api", {"scopes": scopes}),
    ]

    def change(number: int) -> tuple[int, str]:
        answer = robots[number % 2]("PATCH", *orders[number // 2 % 2])
        return answer.status_code, answer.text

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(change, range(48)))
    assert [text for status, text in answers if status != 200] == []


def test_while_the_database_is_away_both_nodes_say_so_and_then_go_on(pair: Pair, postgresql: Cluster) -> None:
    app = pair.oauth.add_account("patient")
    nodes = (pair.one, pair.other)
    token = pair.one.token(app)["access_token"]
    with postgresql.outage(pair.database):
        for node in nodes:
            asked = node.post("/oauth2/token", app, grant_type="client_credentials")
            validated = node.post("/oauth2/introspect", pair.api, token=token)
            for answer in (asked, validated):  # no token is called bad, and no client wrong
                assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
                assert int(answer.headers["retry-after"]) > 0
            assert node.http.get("/health").status_code == 503
    for node in nodes:
        assert node.introspect(pair.api, token)["active"] is True
        assert node.introspect(pair.api, node.token(app)["access_token"])["active"] is True
        end = time.monotonic() + 10.0
        while node.http.get("/health").status_code != 200:  # an answer is given again for a second
            assert time.monotonic() < end
            time.sleep(0.1)


def test_a_node_with_another_key_file_does_not_start(pair: Pair, tmp_path: Path) -> None:  # auth service 53
    (tmp_path / "other").mkdir(mode=0o700)
    (tmp_path / "other" / "roomkey.key").touch(mode=0o600)
    (tmp_path / "other" / "roomkey.key").write_text("k1:" + "A" * 43)
    command = [str(ROOMKEY), "serve", "--data", "other", "--listen", "127.0.0.1:0", "--database", pair.database]
    done = subprocess.run(command, check=False, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == ExitCode.STORE
    assert "are not those that this database was encrypted with" in done.stderr
    assert "Traceback" not in done.stderr


def kid(token: str) -> str:
    seen = read_unverified(token)
    assert seen is not None
    return str(seen.header["kid"])
