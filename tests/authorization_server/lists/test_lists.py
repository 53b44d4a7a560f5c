"""A token that is ended before its time is refused by real validators that only look at the published lists."""

import asyncio
import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import event, update
from tests.authorization_server.running_service import running_service
from tests.authorization_server.sample_tokens import (
    CONSOLE,
    add_api,
    insert_revoked_tokens,
    issue,
    issue_app_token,
    jti_of,
    skip_statuses,
)

import roomkey
from roomkey import DenyList, StatusLists
from roomkey.authorization_server.accounts.app_tokens.commands import CreatedAppToken, RevokeAppToken, RotateAppToken
from roomkey.authorization_server.keys.key_record import CLOCK_STEP
from roomkey.authorization_server.keys.rotation import rotate
from roomkey.authorization_server.lists.deny_list import MAX_DENIED, count_revoked_tokens, deny_list, revoked_tokens
from roomkey.authorization_server.lists.endpoints import ListCache
from roomkey.authorization_server.lists.signed_list import LIFETIME
from roomkey.authorization_server.lists.status_list import status_list, statuses
from roomkey.authorization_server.purge_expired import purge_expired
from roomkey.authorization_server.schema.audit import counters
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.tokens.issue import NewAccessToken
from roomkey.authorization_server.tokens.revocation import revoke_token
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.authorization_server.web.cacheable import CacheableDocument
from roomkey.authorization_server.web.oauth_error import OAuthError
from roomkey.concurrency.single_flight import Flight, Workers
from roomkey.jose.compact import read_unverified
from roomkey.resource_server.revocation_list import LARGEST_LIST
from roomkey.resource_server.status_list import LARGEST_INFLATED
from roomkey.testing import FakeClock


@pytest.fixture
def running(tmp_path: Path, clock: FakeClock) -> Iterator[Service]:
    with running_service(tmp_path / "data", clock) as service:
        add_api(service)
        yield service


@pytest.fixture
def client(running: Service) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=running.settings.issuer) as client:
        yield client


def revoke(service: Service, token: NewAccessToken | CreatedAppToken) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        if isinstance(token, CreatedAppToken):
            RevokeAppToken(token.app_token.id)(uow)
        else:
            assert revoke_token(uow, token.digest)


def claims_of(body: bytes) -> dict[str, object]:
    read = read_unverified(body.decode())
    assert read is not None
    return dict(read.claims)


def refused(validator: roomkey.TokenValidator, token: str) -> bool:
    """Whether it is refused as revoked; any other reason is an error of the test."""
    try:
        validator.validate(token)
    except roomkey.InvalidToken as error:
        if error.reason != "revoked":
            raise
        return True
    return False


def follower(service: Service, kind: str, **others: object) -> roomkey.TokenValidator:
    following: dict[str, object] = {"deny_list": DenyList(url=service.settings.issuer + "/oauth2/deny-list")}
    if kind == "status_list":
        following = {"status_lists": StatusLists(required=True)}
    return roomkey.TokenValidator(
        issuer=service.settings.issuer,
        audience="orders-api",
        **following | others,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize("kind", ["deny_list", "status_list"])
def test_a_revocation_reaches_an_api_within_the_promised_bound(
    running: Service, clock: FakeClock, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """An API in steady use, whose list is fetched in the background; time stands still while one is fetched."""
    # auth service 26
    flights: list[Flight[object]] = []
    start = Flight.start

    def recorded(flight: Flight[object], workers: Workers) -> None:
        flights.append(flight)
        start(flight, workers)

    monkeypatch.setattr(Flight, "start", recorded)

    def step(seconds: float) -> None:
        for flight in flights:
            flight.wait(10.0)
            assert flight.done
        flights.clear()
        clock.advance(seconds)

    running.settings = replace(running.settings, list_ttl=1)
    revoked, good = issue_app_token(running), issue_app_token(running)
    validator = follower(running, kind, clock=clock)
    for token in (revoked, good):
        validator.validate(token.token.reveal())
    for _ in range(5):  # neither the list of the service nor that of the validator is new
        step(0.1)
        validator.validate(revoked.token.reveal())
    revoke(running, revoked)
    took = 0.0
    while not refused(validator, revoked.token.reveal()):
        step(0.1)
        took += 0.1
        assert took < 10.0
    # ttl, and the second for which the service itself keeps a list
    assert took <= running.settings.list_ttl + 1.0 + 0.1
    assert validator.validate(good.token.reveal()).client_id == "orders-api-client"


@pytest.mark.parametrize("kind", ["deny_list", "status_list"])
def test_the_bound_by_the_clock(running: Service, clock: FakeClock, kind: str) -> None:
    # auth service 26
    token = issue_app_token(running)
    validator = follower(running, kind, clock=clock)
    validator.validate(token.token.reveal())
    revoke(running, token)
    clock.advance(2 * running.settings.list_ttl + 1)  # after a quiet time the first caller waits for a new list
    assert refused(validator, token.token.reveal())


@pytest.mark.slow
def test_access_tokens_are_on_the_deny_list(running: Service, clock: FakeClock) -> None:
    revoked, good = issue(running), issue(running)
    revoke(running, revoked)
    validator = follower(running, "deny_list", clock=clock)
    assert refused(validator, revoked.value)
    assert not refused(validator, good.value)


@pytest.mark.parametrize("kind", ["deny_list", "status_list"])
def test_a_rotated_app_token_lives_until_its_overlap_is_over(running: Service, clock: FakeClock, kind: str) -> None:
    made = issue_app_token(running, lifetime=86400)
    token = made.token.reveal()
    with running.unit_of_work(CONSOLE) as uow:
        RotateAppToken(made.app_token.id, overlap=3600)(uow)
    clock.advance(3599)
    assert not refused(follower(running, kind, clock=clock), token)
    clock.advance(1)
    assert refused(follower(running, kind, clock=clock), token)
    clock.advance(86400 - 3600 + 29)  # a validator with 30 seconds of leeway still takes its own exp
    asyncio.run(purge_expired(running))  # takes nothing out by which its name is known
    assert refused(follower(running, kind, clock=clock), token)


def test_a_new_app_token_has_its_bit_in_an_older_list(running: Service, clock: FakeClock) -> None:
    validator = follower(running, "status_list", clock=clock)
    validator.validate(issue_app_token(running).token.reveal())
    with running.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(update(counters).where(counters.c.name == "status_index").values(value=8 * 1024))
    validator.validate(issue_app_token(running).token.reveal())


def test_an_entry_leaves_when_no_clock_lets_its_token_in_any_more(service: Service, clock: FakeClock) -> None:
    add_api(service)
    token, app_token = issue(service, lifetime=300), issue_app_token(service, lifetime=300)
    for one in (token, app_token):
        revoke(service, one)

    def seen() -> tuple[set[str], int]:
        with service.look(CONSOLE) as uow:
            return set(revoked_tokens(uow)), statuses(uow)[0]

    assert seen() == ({token.jti, jti_of(app_token)}, 1)
    clock.advance(300 + service.settings.clock_leeway + CLOCK_STEP - 1)
    assert seen() == ({token.jti, jti_of(app_token)}, 1)
    clock.advance(1)
    assert seen() == (set(), 0)


def test_what_the_lists_say(running: Service, client: httpx2.Client) -> None:
    tokens = [issue_app_token(running) for _ in range(11)]
    revoke(running, tokens[9])
    now = running.now()
    dates = {"iat": now, "exp": now + LIFETIME, "ttl": running.settings.list_ttl, "iss": running.settings.issuer}
    answer = client.get("/oauth2/deny-list")
    assert answer.headers["content-type"] == "application/denylist+jwt"
    assert claims_of(answer.content) == {**dates, "jti": {jti_of(tokens[9]): tokens[9].app_token.expires_at}}
    answer = client.get("/oauth2/status-list")
    assert answer.headers["content-type"] == "application/statuslist+jwt"
    said = claims_of(answer.content)
    assert said["sub"] == running.settings.issuer + "/oauth2/status-list"
    assert said.items() >= dates.items()
    with running.look(CONSOLE) as uow:
        packed = statuses(uow)
    assert packed[:3] == bytes([0, 0b10, 0])
    assert not any(packed[3:])


@pytest.mark.parametrize("path", ["/oauth2/deny-list", "/oauth2/status-list"])
def test_polling_is_cheap(running: Service, client: httpx2.Client, clock: FakeClock, path: str) -> None:
    token = issue_app_token(running)
    first = client.get(path)
    etag = first.headers["etag"]
    assert first.headers["cache-control"] == "public, max-age=5"
    statements: list[str] = []
    event.listen(running.database.engines.reader, "before_cursor_execute", lambda *args: statements.append(args[2]))
    for _ in range(20):
        assert client.get(path).content == first.content
    assert statements == []
    clock.advance(1)
    assert client.get(path, headers={"If-None-Match": etag}).status_code == 304
    assert 0 < len(statements) < 8
    revoke(running, token)
    clock.advance(1)
    changed = client.get(path, headers={"If-None-Match": etag})
    assert changed.status_code == 200
    clock.advance(LIFETIME // 4)  # long before a list that was kept ends, there is a new one
    assert client.get(path, headers={"If-None-Match": changed.headers["etag"]}).status_code == 200


def test_a_list_that_takes_long_to_make_is_made_less_often(service: Service, clock: FakeClock) -> None:
    made = []

    def make(uow: UnitOfWork) -> CacheableDocument:
        clock.advance(0.3)
        made.append(clock.monotonic())
        return deny_list(service.keys, uow)

    latest = ListCache(make, clock)

    async def look() -> None:
        for _ in range(10):
            await latest.document(service)
            clock.advance(1)

    asyncio.run(look())
    assert len(made) == 4  # in ten seconds


def test_a_new_signing_key_signs_a_new_list(running: Service, client: httpx2.Client, clock: FakeClock) -> None:
    etag = client.get("/oauth2/deny-list").headers["etag"]
    with running.unit_of_work(CONSOLE) as uow:
        rotate(uow, now=True)
    clock.advance(1)
    assert client.get("/oauth2/deny-list", headers={"If-None-Match": etag}).status_code == 200


def test_two_nodes_never_give_an_older_list_than_the_other_gave(service: Service, clock: FakeClock) -> None:
    with Service.open(service.settings, clock=clock) as other:
        dates = []
        for _ in range(3):
            for node in (service, other):
                with node.look(CONSOLE) as uow:
                    dates.append(claims_of(deny_list(node.keys, uow).body)["iat"])
            clock.advance(1)
    assert dates == sorted(dates)  # type: ignore[type-var]


def test_each_api_has_a_deny_list_of_its_own(running: Service, client: httpx2.Client) -> None:
    add_api(running, "stock-api")
    ours, theirs = issue(running), issue(running, "stock-api")
    for token in (ours, theirs):
        revoke(running, token)

    def listed(query: str) -> object:
        return set(claims_of(client.get("/oauth2/deny-list" + query).content)["jti"])  # type: ignore[call-overload]

    assert listed("?audience=orders-api") == {ours.jti}
    assert listed("?audience=stock-api") == {theirs.jti}
    assert listed("") == {ours.jti, theirs.jti}
    assert client.get("/oauth2/deny-list?audience=nothing").status_code == 404
    for query in ("?audience=orders-api&audience=stock-api", "?x=1", "?audience", "?audience=%ff"):
        assert client.get("/oauth2/deny-list" + query).status_code in (400, 404)


@pytest.mark.slow
def test_a_full_deny_list_is_one_that_validators_read(running: Service, clock: FakeClock) -> None:
    insert_revoked_tokens(running, MAX_DENIED)
    with running.look(CONSOLE) as uow:
        body = deny_list(running.keys, uow).body
        assert count_revoked_tokens(uow) == MAX_DENIED
    assert 0.9 * LARGEST_LIST < len(body) <= LARGEST_LIST
    validator = follower(running, "deny_list", clock=clock)
    assert not refused(validator, issue(running).value)


def test_a_list_that_would_be_too_long_is_not_published_and_logged(
    running: Service, client: httpx2.Client, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    insert_revoked_tokens(running, MAX_DENIED + 1)
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            answer = client.get("/oauth2/deny-list")
            assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["retry-after"] == "60"
    assert caplog.text.count("cannot be published") == 1
    validator = follower(running, "deny_list", clock=clock)
    with pytest.raises(roomkey.RevocationUnknown):  # fail closed
        validator.validate(issue(running).value)
    clock.advance(300 + running.settings.clock_leeway + CLOCK_STEP)
    assert client.get("/oauth2/deny-list").status_code == 200


def test_a_status_list_has_an_end_too(service: Service) -> None:
    add_api(service)
    skip_statuses(service, LARGEST_INFLATED * 8)
    issue_app_token(service)
    with service.look(CONSOLE) as uow, pytest.raises(OAuthError) as caught:
        status_list(service.keys, uow)
    assert caught.value.status == 503


def test_the_lists_need_no_full_reading_of_the_tokens(small_service: Service) -> None:
    """SQLite's own word on how it looks for ended app tokens and revoked access tokens."""
    service = small_service
    plans: list[str] = []

    def explain(_connection: object, cursor: object, statement: str, parameters: object, *_: object) -> None:
        raw = cursor.connection.execute("EXPLAIN QUERY PLAN " + statement, parameters)  # type: ignore[attr-defined]
        plans.extend(row[3] for row in raw)

    with service.look(CONSOLE) as uow:
        event.listen(service.database.engines.reader, "before_cursor_execute", explain)
        revoked_tokens(uow)
        statuses(uow)
    event.remove(service.database.engines.reader, "before_cursor_execute", explain)
    assert plans
    text = json.dumps(plans)
    assert "ix_access_tokens_revoked" in text
    assert "ix_app_tokens_exp" in text
    assert not [plan for plan in plans if plan.startswith("SCAN") and "INDEX" not in plan]
