"""The purge: expired rows go, rows that still decide stay, and no request waits for it."""

import asyncio
import threading
from collections.abc import Mapping
from typing import Any

import pytest
from sqlalchemy import Table, func, insert, select

from roomkey.authorization_server import purge_expired as purging
from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.purge_expired import BATCH, purge_expired
from roomkey.authorization_server.schema.accounts import account_secrets, apis, assertion_ids, service_accounts
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.identity import attempts, sessions, setup_links, users
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.schema.tokens import (
    access_tokens,
    authorization_codes,
    refresh_tokens,
    token_families,
)
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, HOUR
from roomkey.testing import FakeClock

NOW = 1_700_000_000
MONTH = 30 * DAY


def _digest(number: int) -> bytes:
    return number.to_bytes(32, "big")


def _add(service: Service, table: Table, *rows: Mapping[str, Any]) -> None:
    with service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(insert(table), rows)


def _count(service: Service, table: Table) -> int:
    with service.look(SERVICE) as uow:
        return uow.connection.scalar(select(func.count()).select_from(table)) or 0


def _purge(service: Service) -> int:
    return asyncio.run(purge_expired(service))


@pytest.fixture
def stocked(service: Service) -> Service:
    account = {"client_id": "reports", "kind": "app", "authentication": "client_secret_basic", "created_at": NOW}
    _add(service, service_accounts, account, account | {"client_id": "orders-api", "kind": "api"})
    _add(
        service,
        apis,
        {
            "audience": "orders",
            "client_id": "orders-api",
            "token_lifetime": 300,
            "longest_app_token": DAY,
            "token_format": "jwt",
            "algorithm": "ES256",
            "created_at": NOW,
        },
    )
    _add(service, users, {"id": "usr_1", "username": "alice", "username_key": "alice", "created_at": NOW})
    return service


def _access_token(number: int, expires_at: int) -> dict[str, Any]:
    return {
        "digest": _digest(number),
        "jti": f"{number}",
        "client_id": "reports",
        "audience": "orders",
        "scope": "",
        "issued_at": NOW,
        "expires_at": expires_at,
    }


def _family(name: str, expires_at: int) -> dict[str, Any]:
    return {
        "id": name,
        "client_id": "reports",
        "audience": "orders",
        "scope": "",
        "created_at": NOW,
        "expires_at": expires_at,
    }


def _refresh_token(number: int, family: str, *, used_at: int | None = None) -> dict[str, Any]:
    return {
        "digest": _digest(number),
        "family_id": family,
        "scope": "",
        "issued_at": NOW,
        "expires_at": NOW + 10,
        "used_at": used_at,
    }


def _code(number: int, *, used_at: int | None = None, family: str | None = None) -> dict[str, Any]:
    return {
        "digest": _digest(number),
        "client_id": "reports",
        "user_id": "usr_1",
        "redirect_uri": "https://a.example",
        "code_challenge": "x",
        "audience": "orders",
        "scope": "",
        "authenticated_at": NOW,
        "expires_at": NOW + 60,
        "used_at": used_at,
        "family_id": family,
    }


def test_access_tokens_are_purged_an_hour_after_their_expiry(stocked: Service, clock: FakeClock):  # auth service 57
    _add(stocked, access_tokens, _access_token(1, NOW + 10), _access_token(2, NOW + 11))
    clock.advance(10 + HOUR)
    assert _purge(stocked) == 0
    clock.advance(1)
    assert _purge(stocked) == 1
    assert _count(stocked, access_tokens) == 1
    assert _purge(stocked) == 0


def test_a_used_refresh_token_stays_until_its_family_expires(stocked: Service, clock: FakeClock):  # auth service 57
    _add(stocked, token_families, _family("fam_1", NOW + MONTH), _family("fam_2", NOW + 2 * MONTH))
    _add(stocked, refresh_tokens, _refresh_token(1, "fam_1", used_at=NOW + 5), _refresh_token(2, "fam_1"))
    _add(stocked, refresh_tokens, _refresh_token(3, "fam_2", used_at=NOW + 5))
    clock.advance(MONTH + HOUR)
    assert _purge(stocked) == 0
    clock.advance(1)
    assert _purge(stocked) == 3
    assert (_count(stocked, refresh_tokens), _count(stocked, token_families)) == (1, 1)


def test_a_used_code_stays_as_long_as_its_tokens(stocked: Service, clock: FakeClock):  # auth service 57
    _add(stocked, token_families, _family("fam_1", NOW + MONTH))
    used = _code(1, used_at=NOW + 5, family="fam_1"), _code(2, used_at=NOW + 5)
    _add(stocked, authorization_codes, *used, _code(3))
    clock.advance(60 + HOUR)
    assert _purge(stocked) == 0
    clock.advance(1)
    assert _purge(stocked) == 2
    clock.advance(MONTH)
    assert _purge(stocked) == 2
    assert (_count(stocked, authorization_codes), _count(stocked, token_families)) == (0, 0)


def test_all_other_expired_rows_are_purged_and_the_rest_stays(stocked: Service, clock: FakeClock):
    def pair(table: Table, **row: Any) -> None:
        keys = [column.name for column in table.primary_key]
        for number, end in enumerate((NOW + 10, NOW + MONTH)):
            key = {name: _digest(number) if name == "digest" else "reports" for name in keys}
            _add(stocked, table, row | key | {"expires_at": end})

    pair(assertion_ids)
    pair(account_secrets, client_id="reports", hint="", created_at=NOW)
    pair(setup_links, created_at=NOW)
    for number, end in enumerate((NOW + 10, NOW + MONTH)):
        times = {"created_at": NOW, "last_seen_at": NOW, "expires_at": end}
        _add(stocked, sessions, {"digest": _digest(number), "id": f"ses_{number}", "stage": "password", **times})
    secret = {"digest": _digest(9), "client_id": "reports", "hint": "", "created_at": NOW, "expires_at": None}
    _add(stocked, account_secrets, secret)
    attempt = {"kind": "password", "subject": "alice", "failures": 3, "last_at": NOW, "blocked_until": 0}
    _add(stocked, attempts, attempt, attempt | {"subject": "bob", "blocked_until": NOW + MONTH})
    clock.advance(DAY + 1)
    assert _purge(stocked) == 5
    assert _count(stocked, account_secrets) == 2
    assert [_count(stocked, table) for table in (assertion_ids, setup_links, sessions, attempts)] == [1] * 4


def test_keys_and_the_audit_log_are_never_purged(stocked: Service, clock: FakeClock):  # auth service 57
    with stocked.unit_of_work(SERVICE) as uow:
        record_event(uow, "api.created", Subject("api", "orders"))
    before = _count(stocked, signing_keys), _count(stocked, audit_events)
    clock.advance(100 * 365 * DAY)
    _purge(stocked)
    assert (_count(stocked, signing_keys), _count(stocked, audit_events)) == before
    with stocked.look(SERVICE) as uow:
        assert find_break(uow.connection) is None


def test_no_transaction_takes_more_than_a_batch(stocked: Service, clock: FakeClock, monkeypatch):  # auth service 57
    _add(stocked, access_tokens, *(_access_token(number, NOW) for number in range(2 * BATCH + 50)))
    clock.advance(DAY)
    taken: list[int] = []
    honest = purging.purge_table

    def noted(uow: Any, **rest: Any) -> int:
        taken.append(honest(uow, **rest))
        return taken[-1]

    monkeypatch.setattr(purging, "purge_table", noted)
    assert _purge(stocked) == 2 * BATCH + 50
    assert [count for count in taken if count] == [BATCH, BATCH, 50]


def test_many_nodes_may_purge_at_once(stocked: Service, clock: FakeClock, database_url: str):  # auth service 57
    _add(stocked, access_tokens, *(_access_token(number, NOW) for number in range(5 * BATCH)))
    _add(stocked, access_tokens, _access_token(10_000, NOW + MONTH))
    clock.advance(DAY)
    counts: list[int] = []

    def node() -> None:
        with Service.open(stocked.settings, clock=clock) as another:
            counts.append(_purge(another))

    nodes = [threading.Thread(target=node) for _ in range(4)]
    for each in nodes:
        each.start()
    for each in nodes:
        each.join()
    assert sum(counts) == 5 * BATCH
    assert len(counts) == 4
    assert _count(stocked, access_tokens) == 1
