"""The store is down: tokens are still obtained, one warning is given, nothing is lost."""

import gc
import logging
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.client.sources import client_credentials, password, settle

import roomkey
from roomkey.errors import StoreUnavailable
from roomkey.stores.keyring import Keyring
from roomkey.stores.store import Stored
from roomkey.testing import FakeClock, Issuer


class FailingStore:
    """A memory store that can be switched off, as a Redis server can."""

    def __init__(self) -> None:
        self.inner = roomkey.MemoryStore()
        self.down = False
        self.name = "switched store"

    @property
    def keyring(self) -> Keyring:
        return self.inner.keyring

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("The switched store is off; switch it on.")

    def get(self, key: str) -> Stored | None:
        self._check()
        return self.inner.get(key)

    def put(self, key: str, value: bytes, *, generation: int) -> int | None:
        self._check()
        return self.inner.put(key, value, generation=generation)

    def delete(self, key: str, *, generation: int | None = None) -> bool:
        self._check()
        return self.inner.delete(key, generation=generation)

    def lease(self, key: str, *, owner: str, seconds: float) -> bool:
        self._check()
        return self.inner.lease(key, owner=owner, seconds=seconds)

    def release(self, key: str, *, owner: str) -> None:
        self._check()
        self.inner.release(key, owner=owner)

    def keys(self) -> list[str]:
        self._check()
        return self.inner.keys()

    def close(self) -> None:
        self.inner.close()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def count(manager: roomkey.TokenManager, name: str) -> int:
    return next((one.times for one in manager.counts() if one.name == name), 0)


def test_a_store_that_is_down_costs_one_warning_and_no_call(
    issuer: Issuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:  # client 15
    store = FailingStore()
    store.down = True
    with roomkey.TokenManager(store, clock=clock) as manager:
        for tenant in range(5):
            assert manager.credential(client_credentials(issuer), f"tenant {tenant}").header()
        assert len(warnings(caplog)) == 1
        assert "switched store" in warnings(caplog)[0]
        assert count(manager, "store_failures") >= 5


def test_what_was_got_while_it_was_down_is_in_it_afterwards(
    issuer: Issuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:  # client 15
    store, source = FailingStore(), client_credentials(issuer)
    with roomkey.TokenManager(store, clock=clock) as manager:
        orders = manager.credential(source)
        store.down = True
        token = orders.header()
        assert not orders.status().saved
        clock.advance(6.0)
        assert orders.header() == token
        store.down = False
        clock.advance(6.0)
        settle(orders, lambda: orders.header() == token and orders.status().saved)
        with roomkey.TokenManager(store, clock=clock) as other:
            assert other.credential(source).header() == token
    assert len(issuer.token_requests) == 1


def test_a_rotated_refresh_token_outlives_an_outage_of_store_and_endpoint_together(
    issuer: Issuer, clock: FakeClock
) -> None:  # client 15, 32
    issuer.refresh_tokens, issuer.reuse_grace = True, -1.0
    store = FailingStore()
    with roomkey.TokenManager(store, clock=clock) as manager:
        user = manager.credential(password(issuer))
        user.header()
        store.down = True
        clock.advance(301.0)
        user.header()  # the new pair stands in memory only
        issuer.outage(503)
        clock.advance(301.0)
        with pytest.raises(roomkey.TokenUnavailable):
            user.header()
        assert not user.status().saved
        issuer.recover()
        store.down = False
        clock.advance(2.0)
        assert user.header()
    assert [request.grant_type for request in issuer.token_requests] == ["password", *["refresh_token"] * 3]


def test_a_secret_rotated_while_the_store_is_down_ends_the_refresh_token_of_the_old_one(
    issuer: Issuer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:  # client 15, 60
    issuer.refresh_tokens = True
    store = FailingStore()
    store.down = True
    monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret or "")
    source = client_credentials(issuer, client_secret=roomkey.Secret.from_env("ORDERS_SECRET"))
    with roomkey.TokenManager(store, clock=clock) as manager:
        orders = manager.credential(source)
        orders.header()
        monkeypatch.setenv("ORDERS_SECRET", issuer.rotate_client_secret("reports"))
        clock.advance(301.0)
        assert orders.header()
    assert [request.grant_type for request in issuer.token_requests] == ["client_credentials"] * 2


def test_a_store_that_can_be_read_and_not_written_costs_one_warning(
    issuer: Issuer, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:  # client 15
    class ReadOnlyStore(FailingStore):
        def get(self, key: str) -> Stored | None:
            return self.inner.get(key)

    store = ReadOnlyStore()
    with roomkey.TokenManager(store, clock=clock) as manager:
        manager.credential(client_credentials(issuer), "first").header()
        store.down = True
        for tenant in range(5):
            assert manager.credential(client_credentials(issuer), f"tenant {tenant}").header()
        assert len(warnings(caplog)) == 1
        store.down = False
        assert manager.credential(client_credentials(issuer), "last").header()
        assert warnings(caplog)[1:] == ["The store switched store works again."]


@pytest.mark.slow
@pytest.mark.slow
def test_what_a_store_that_is_down_leaves_in_memory_is_bounded_but_for_refresh_tokens(
    issuer: Issuer, clock: FakeClock
) -> None:  # client 15, 61
    store, source = FailingStore(), client_credentials(issuer)
    with roomkey.TokenManager(store, clock=clock) as manager:
        store.down = True
        watched = []
        for tenant, refresh_tokens in (("lost", False), ("kept", True)):
            issuer.refresh_tokens = refresh_tokens
            credential = manager.credential(source, tenant)
            credential.header()
            watched.append(weakref.ref(credential))
        del credential
        for tenant in range(1100):
            manager.credential(source, f"tenant {tenant}")
        gc.collect()
        assert [reference() is None for reference in watched] == [True, False]


def test_a_manager_whose_store_stays_down_closes_without_asking_for_tokens(issuer: Issuer, clock: FakeClock) -> None:
    """What is written down at the end are the tokens that are there, old ones too; nothing is fetched (client 16)."""
    store = FailingStore()
    manager = roomkey.TokenManager(store, clock=clock)
    store.down = True
    for tenant in range(5):
        manager.credential(client_credentials(issuer), f"tenant {tenant}").header()
    clock.advance(280.0)
    manager.close()
    assert len(issuer.token_requests) == 5


def test_a_slow_store_does_not_hold_up_the_end_for_each_token(issuer: Issuer) -> None:  # client 15, 16
    class SlowStore(FailingStore):
        def _check(self) -> None:
            if self.down:
                asked.append(time.sleep(0.2))
            super()._check()

    asked: list[None] = []
    store = SlowStore()
    manager = roomkey.TokenManager(store, limits=roomkey.Limits(fetch=0.5, lease=1.0))
    for tenant in range(20):
        manager.credential(client_credentials(issuer), f"tenant {tenant}").header()
    store.down = True
    with ThreadPoolExecutor(20) as pool:
        list(
            pool.map(
                lambda tenant: manager.credential(client_credentials(issuer), f"late {tenant}").header(), range(20)
            )
        )
    asked.clear()
    manager.close()
    assert len(asked) < 10  # of 40 tokens


def test_a_manager_saves_what_it_can_when_it_is_closed(issuer: Issuer) -> None:  # client 15
    store, source = FailingStore(), client_credentials(issuer)
    manager = roomkey.TokenManager(store)
    store.down = True
    token = manager.credential(source).header()
    store.down = False
    manager.close()
    with roomkey.TokenManager(store) as other:
        assert other.credential(source).header() == token


def test_a_stale_token_is_renewed_while_the_store_is_down(issuer: Issuer, clock: FakeClock) -> None:  # client 15
    store = FailingStore()
    with roomkey.TokenManager(store, clock=clock) as manager:
        orders = manager.credential(client_credentials(issuer))
        first = orders.header()
        store.down = True
        clock.advance(301.0)
        assert orders.header() != first
        issuer.outage(503)
        clock.advance(301.0)
        for _ in range(5):
            with pytest.raises(roomkey.TokenUnavailable):
                orders.header()
    assert len(issuer.token_requests) == 3


def test_a_read_only_folder_is_a_store_that_is_down(
    issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:  # client 15
    (tmp_path / "file").write_text("not a folder")
    with roomkey.TokenManager(roomkey.SQLiteStore(tmp_path / "file" / "tokens.db")) as manager:
        assert manager.credential(client_credentials(issuer)).header()
    assert len(warnings(caplog)) >= 1


def test_a_damaged_record_is_a_miss_that_is_counted(issuer: Issuer) -> None:  # client 62
    store, source = roomkey.MemoryStore(), client_credentials(issuer)
    with roomkey.TokenManager(store) as manager:
        first = manager.credential(source).header()
    for key in store.keys():
        stored = store.get(key)
        assert stored is not None
        if len(stored.value) > 120:
            store.put(key, stored.value[:-1] + bytes([stored.value[-1] ^ 1]), generation=stored.generation)
    with roomkey.TokenManager(store) as manager:
        assert manager.credential(source).header() != first
        assert count(manager, "unreadable_records.damaged") >= 1


def test_the_lease_is_not_held_while_the_token_is_used(issuer: Issuer) -> None:  # client 7
    store = roomkey.MemoryStore()
    with roomkey.TokenManager(store) as manager:
        manager.credential(client_credentials(issuer)).header()
        for key in store.keys():
            assert store.lease(key, owner="somebody else", seconds=1.0)


def test_the_store_is_read_again_once_the_lease_is_taken(issuer: Issuer, clock: FakeClock) -> None:  # client 8
    """The other process renewed both tokens between this one's first look and its lease."""
    issuer.refresh_tokens = True
    source = password(issuer)

    class LateStore(FailingStore):
        before_lease = None

        def lease(self, key: str, *, owner: str, seconds: float) -> bool:
            if self.before_lease is not None:
                act, self.before_lease = self.before_lease, None
                act()
            return super().lease(key, owner=owner, seconds=seconds)

    store = LateStore()
    with roomkey.TokenManager(store.inner, clock=clock) as other, roomkey.TokenManager(store, clock=clock) as manager:
        here, there = manager.credential(source), other.credential(source)
        here.header()
        clock.advance(301.0)
        store.before_lease = there.header
        assert here.header() == there.header()
    assert [request.grant_type for request in issuer.token_requests] == ["password", "refresh_token"]
