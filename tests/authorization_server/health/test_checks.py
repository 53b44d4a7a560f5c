"""What ``roomkey serve --check`` finds: each thing under its own id, and nothing where all is well."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from roomkey.authorization_server.actor import SERVICE
from roomkey.authorization_server.health import checks
from roomkey.authorization_server.health.checks import file_system, look
from roomkey.authorization_server.schema.accounts import account_secrets, apis, service_accounts
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.identity import user_roles, users
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, HOUR, Settings

DOCUMENT = Path(__file__).parents[3] / "docs" / "how-to" / "run-the-auth-service.md"


def _ids(service: Service, *, now: int | None = None, **changed: Any) -> list[str]:
    settings = dataclasses.replace(service.settings, issuer="https://auth.example", **changed)
    return [each.id for each in look(settings, service.now() if now is None else now).found]


@pytest.fixture
def settled(service: Service) -> Service:
    """A service with an administrator, an API and an account whose secret stays: nothing is to be found."""
    account = {"client_id": "reports", "kind": "app", "authentication": "client_secret_basic", "created_at": 0}
    api = {"audience": "orders", "client_id": "reports", "token_lifetime": HOUR, "longest_app_token": DAY}
    secret = {"digest": bytes(32), "client_id": "reports", "hint": "", "created_at": 0}
    with service.unit_of_work(SERVICE) as uow:
        uow.connection.execute(
            insert(users).values(id="usr_1", username="alice", username_key="alice", created_at=uow.now)
        )
        uow.connection.execute(insert(user_roles).values(user_id="usr_1", role="administrator"))
        uow.connection.execute(insert(service_accounts).values(account))
        uow.connection.execute(
            insert(apis).values(api | {"token_format": "jwt", "algorithm": "ES256", "created_at": 0})
        )
        uow.connection.execute(insert(account_secrets).values(secret))
    assert _ids(service) == []
    return service


def test_an_issuer_by_http_is_found(settled: Service):
    assert [each.id for each in look(settled.settings, settled.now()).found] == ["RK101"]


def test_files_that_others_may_use_are_found(small_service: Service):
    data = small_service.settings.data
    for path, mode in ((data, 0o750), (data / "roomkey.key", 0o640)):
        before = path.stat().st_mode
        path.chmod(mode)
        assert "RK102" in _ids(small_service)
        path.chmod(before)
        assert "RK102" not in _ids(small_service)


def test_access_tokens_that_live_long_are_found(settled: Service):
    assert _ids(settled, longest_access_token=HOUR + 1) == ["RK103"]


def test_a_network_file_system_is_found(small_service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "_mounts", lambda: f"server:/x {small_service.settings.data} nfs4 rw 0 0\n")
    assert "RK104" in _ids(small_service)


def test_the_file_system_is_that_of_the_nearest_mount():
    mounts = "/dev/vda / ext4 rw 0 0\nserver:/ /srv nfs rw 0 0\nx /srv/my\\040data tmpfs rw 0 0\n"
    assert file_system(Path("/srv/a"), mounts) == "nfs"
    assert file_system(Path("/srv/my data/a"), mounts) == "tmpfs"
    assert file_system(Path("/srvice"), mounts) == "ext4"
    assert file_system(Path("/a"), "") == ""


def test_a_database_that_cannot_be_reached_is_found(settled: Service):
    assert _ids(settled, database="postgresql://roomkey@127.0.0.1:1/roomkey") == ["RK105"]


def test_an_unprotected_way_to_the_database_is_found(settled: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks.Database, "open", lambda _url: settled.database)
    monkeypatch.setattr(settled.database, "close", lambda: None)
    assert _ids(settled, database="postgresql://roomkey@db.example/roomkey") == ["RK106"]
    assert _ids(settled, database="postgresql://roomkey@db.example/roomkey?sslmode=verify-full") == []


def test_a_whole_network_of_proxies_is_found(settled: Service):
    assert _ids(settled, trusted_proxies=("10.0.0.0/8",)) == ["RK107"]
    assert _ids(settled, trusted_proxies=("10.0.0.0/24", "::1")) == []


def test_a_disk_that_is_nearly_full_is_found(small_service: Service, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(checks, "_LEAST_FREE", 1 << 62)
    assert "RK108" in _ids(small_service)


def test_another_schema_is_found_and_nothing_else_of_its_database(settled: Service):
    with settled.unit_of_work(SERVICE) as uow:
        uow.connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        uow.connection.execute(user_roles.delete())
    assert _ids(settled) == ["RK109"]


def test_no_administrator_is_found(settled: Service):
    for change in ({"disabled_at": 1}, {"disabled_at": None, "tenant": None}):
        with settled.unit_of_work(SERVICE) as uow:
            uow.connection.execute(update(users).values(change))
        assert _ids(settled) == (["RK110"] if change["disabled_at"] else [])
    with settled.unit_of_work(SERVICE) as uow:
        uow.connection.execute(user_roles.update().values(role="auditor"))
    assert _ids(settled) == ["RK110"]


def test_an_old_signing_key_is_found(settled: Service):
    assert _ids(settled, now=settled.now() + 90 * DAY) == []
    assert _ids(settled, now=settled.now() + 90 * DAY + 1) == ["RK111"]
    with settled.unit_of_work(SERVICE) as uow:
        uow.connection.execute(update(signing_keys).values(state="retiring"))
    assert _ids(settled, now=settled.now() + 91 * DAY) == []


def test_an_api_whose_tokens_live_long_is_found(settled: Service):
    with settled.unit_of_work(SERVICE) as uow:
        uow.connection.execute(update(apis).values(token_lifetime=HOUR + 1))
    assert _ids(settled) == ["RK112"]


def test_a_last_secret_that_ends_soon_is_found(settled: Service):
    with settled.unit_of_work(SERVICE) as uow:
        uow.connection.execute(update(account_secrets).values(expires_at=uow.now + 6 * DAY))
    assert _ids(settled) == ["RK113"]
    with settled.unit_of_work(SERVICE) as uow:
        newer = {"digest": bytes(31) + b"1", "client_id": "reports", "hint": "", "created_at": 0}
        uow.connection.execute(insert(account_secrets).values(newer))
    assert _ids(settled) == []


def test_a_clock_that_went_wrong_is_found(settled: Service):
    with settled.unit_of_work(SERVICE) as uow:
        row = {"number": 1000, "at": uow.now + HOUR + 1, "actor": "", "action": "", "subject_kind": "", "subject": ""}
        uow.connection.execute(insert(audit_events).values(row | {"previous": bytes(32), "hash": bytes(32)}))
    assert _ids(settled) == ["RK114", "RK115"]  # the event is not of the chain


def test_without_a_database_nothing_is_made(tmp_path: Path):
    found = look(Settings.at(tmp_path / "data", issuer="https://auth.example"), 0)
    assert (found.found, found.database_seen) == ((), False)
    assert list(tmp_path.iterdir()) == []


def test_every_id_is_documented():
    source = Path(checks.__file__).read_text()
    ids = {word for word in source.replace('"', " ").split() if word.startswith("RK1")}
    assert len(ids) == 15
    for each in ids:
        assert f"| {each} |" in DOCUMENT.read_text()
