import os

import pytest

from roomkey.stores.memory import MemoryStore
from roomkey.testing.clock import FakeClock
from roomkey.testing.store_conformance import KEY, OTHER, StoreConformance

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class MemoryWorld:
    """Memory is shared by the threads of one process, so that every handle is the same store."""

    def __init__(self):
        self.clock = FakeClock()
        self.store = MemoryStore(clock=self.clock)

    def open(self):
        return self.store

    def advance(self, seconds):
        self.clock.advance(seconds)

    def step_clock(self, seconds):
        self.clock.step_wall(seconds)


class TestMemoryStoreConformance(StoreConformance):
    @pytest.fixture
    def world(self):
        return MemoryWorld()


def test_a_stepped_wall_clock_means_nothing_to_leases_in_memory():
    world = MemoryWorld()
    assert world.store.lease(KEY, owner="a", seconds=30)
    world.step_clock(7200)
    assert not world.store.lease(KEY, owner="b", seconds=30)


def test_the_record_used_longest_ago_makes_room():  # client 61
    store = MemoryStore(limit=3)
    for number in range(3):
        store.put(f"{number}", b"value", generation=0)
    store.get("0")
    store.put("3", b"value", generation=0)
    assert store.keys() == ["0", "2", "3"]


def test_expired_leases_are_forgotten():  # client 61
    clock = FakeClock()
    store = MemoryStore(clock=clock)
    for number in range(100):
        assert store.lease(f"{number}", owner="a", seconds=10)
    clock.advance(11)
    assert store.lease(KEY, owner="a", seconds=10)
    assert len(vars(store)["_leases"]) == 1


def test_a_limit_below_one_is_rejected():
    with pytest.raises(ValueError, match="at least one"):
        MemoryStore(limit=0)


def test_two_memory_stores_have_nothing_in_common():
    one, two = MemoryStore(), MemoryStore()
    one.put(KEY, one.keyring.seal(b"payload", key=KEY), generation=0)
    assert two.get(KEY) is None
    assert two.keyring.ids != one.keyring.ids


def test_a_forked_child_has_its_own_copy_without_the_parents_leases_or_its_held_lock():  # client 14
    store = MemoryStore()
    store.put(KEY, b"value", generation=0)
    assert store.lease(KEY, owner="parent", seconds=30)
    with store._lock:  # as a thread of the parent may hold it at the moment of the fork
        child = os.fork()
        if child == 0:
            ok = store.get(KEY) is not None and store.lease(KEY, owner="child", seconds=30)
            store.put(OTHER, b"child's", generation=0)
            os._exit(0 if ok else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert store.get(OTHER) is None
    assert not store.lease(KEY, owner="b", seconds=30)
