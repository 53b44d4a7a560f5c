# ruff: noqa: S101 - a suite of tests consists of asserts
"""The conformance suite for stores, as tests that the author of a store runs with pytest.

Give the suite a fixture ``world`` that makes fresh, empty stores, and pytest collects it::

    class TestMyStore(StoreConformance):
        @pytest.fixture
        def world(self, tmp_path):
            return MyWorld(tmp_path)

The suite needs no more than :class:`StoreWorld`; where time cannot be faked, ``advance`` may simply sleep.
"""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Protocol, TypeVar

from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.store import LONGEST_LEASE, Store, Stored

_Result = TypeVar("_Result")

KEY = "0123456789abcdef" * 4
OTHER = "fedcba9876543210" * 4


class StoreWorld(Protocol):
    """One store for one test, empty at first."""

    def open(self) -> Store:
        """A handle on the store; each call gives another one, as another process would have it."""
        ...

    def advance(self, seconds: float) -> None:
        """Let time pass for leases."""
        ...

    def step_clock(self, seconds: float) -> None:
        """Step the clock that leases run on, forwards or back; nothing where nobody can step it."""
        ...


def at_once(count: int, act: Callable[[int], _Result]) -> list[_Result]:
    """Run ``act(0)``, ``act(1)``, ... in ``count`` threads that start together; their results in order."""
    start = threading.Barrier(count)

    def run(number: int) -> _Result:
        start.wait(timeout=30)
        return act(number)

    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(run, range(count), timeout=60))


def written(generation: int | None) -> int:
    """The generation of a put that must have succeeded."""
    assert generation is not None, "the put was rejected"
    return generation


def held(store: Store, key: str = KEY) -> Stored:
    """The record that must be there."""
    stored = store.get(key)
    assert stored is not None, f"there is no record {key}"
    return stored


class StoreConformance:
    """The whole suite: get, put, delete, keys, close; lease and release. Every test takes the fixture ``world``."""

    def test_what_was_put_is_got(self, world: StoreWorld) -> None:
        """A record comes back as it was written, whatever its bytes."""
        store = world.open()
        value = bytes(range(256)) * 300
        generation = written(store.put(KEY, value, generation=0))
        assert generation > 0
        stored = held(store)
        assert (stored.value, stored.generation) == (value, generation)

    def test_there_is_nothing_before_the_first_put(self, world: StoreWorld) -> None:
        """An absent key is None, and nothing to delete."""
        store = world.open()
        assert store.get(KEY) is None
        assert store.keys() == []
        assert store.delete(KEY) is False

    def test_another_handle_sees_it_at_once(self, world: StoreWorld) -> None:
        """A record that one process wrote is there for the next one."""
        writer, reader = world.open(), world.open()
        assert reader.get(KEY) is None
        first = written(writer.put(KEY, b"one", generation=0))
        stored = held(reader)
        assert (stored.value, stored.generation) == (b"one", first)
        second = written(reader.put(KEY, b"two", generation=first))
        stored = held(writer)
        assert (stored.value, stored.generation) == (b"two", second)
        assert writer.delete(KEY) is True
        assert reader.get(KEY) is None

    def test_put_rejects_a_generation_that_is_not_the_stored_one(self, world: StoreWorld) -> None:
        """Nobody overwrites what they have not seen, and a rejected put changes nothing."""
        store = world.open()
        first = written(store.put(KEY, b"one", generation=0))
        assert store.put(KEY, b"blind", generation=0) is None
        assert store.put(KEY, b"ahead", generation=first + 1) is None
        second = written(store.put(KEY, b"two", generation=first))
        assert second > first
        assert store.put(KEY, b"late", generation=first) is None
        stored = held(store)
        assert (stored.value, stored.generation) == (b"two", second)

    def test_put_does_not_bring_a_deleted_record_back(self, world: StoreWorld) -> None:
        """A holder of the generation before the deletion loses."""
        store = world.open()
        first = written(store.put(KEY, b"one", generation=0))
        assert store.delete(KEY) is True
        assert store.put(KEY, b"ghost", generation=first) is None
        assert store.get(KEY) is None

    def test_generations_never_come_back(self, world: StoreWorld) -> None:
        """A key that was deleted and made again is not taken for the old one, by put or by delete."""
        store, other = world.open(), world.open()
        seen = []
        for value in (b"one", b"two", b"three"):
            generation = written(store.put(KEY, value, generation=0))
            assert generation not in seen
            seen.append(generation)
            assert other.delete(KEY) is True
        assert seen == sorted(seen)
        written(store.put(KEY, b"fresh", generation=0))
        for old in seen:
            assert other.put(KEY, b"stale", generation=old) is None
            assert other.delete(KEY, generation=old) is False
        stored = held(store)
        assert stored.value == b"fresh"

    def test_delete_can_compare_first(self, world: StoreWorld) -> None:
        """A newer record than the one that was meant stays."""
        store = world.open()
        first = written(store.put(KEY, b"one", generation=0))
        second = store.put(KEY, b"two", generation=first)
        assert store.delete(KEY, generation=first) is False
        assert store.get(KEY) is not None
        assert store.delete(KEY, generation=second) is True
        assert store.get(KEY) is None
        assert store.delete(KEY) is False

    def test_keys_are_listed_in_order(self, world: StoreWorld) -> None:
        """Every record's key, once."""
        store = world.open()
        for key in (OTHER, KEY, "v1:fingerprint-key"):
            assert store.put(key, b"value", generation=0) is not None
        assert store.keys() == sorted([OTHER, KEY, "v1:fingerprint-key"])
        store.delete(OTHER)
        assert store.keys() == sorted([KEY, "v1:fingerprint-key"])

    def test_records_do_not_touch_each_other(self, world: StoreWorld) -> None:
        """Generations are compared per key."""
        store = world.open()
        mine = store.put(KEY, b"mine", generation=0)
        theirs = store.put(OTHER, b"theirs", generation=0)
        assert mine is not None
        assert theirs is not None
        assert mine != theirs
        assert store.delete(OTHER, generation=mine) is False
        assert store.delete(KEY, generation=mine) is True
        stored = held(store, OTHER)
        assert stored.value == b"theirs"

    def test_of_racing_puts_exactly_one_wins(self, world: StoreWorld) -> None:
        """Threads on two handles put over the same generation: one writes, and its value is what is stored."""
        handles = (world.open(), world.open())
        generation = 0
        for turn in range(10):

            def put(number: int, turn: int = turn, seen: int = generation) -> int | None:
                return handles[number % 2].put(KEY, b"%d of %d" % (number, turn), generation=seen)

            answers = at_once(8, put)
            winners = [number for number, answer in enumerate(answers) if answer is not None]
            assert len(winners) == 1
            stored = held(handles[0])
            assert stored.value == b"%d of %d" % (winners[0], turn)
            assert stored.generation == answers[winners[0]]
            generation = stored.generation

    def test_no_increment_is_lost(self, world: StoreWorld) -> None:
        """Read, change, put if unchanged: with eight writers every change arrives."""
        handles = (world.open(), world.open())

        def count(number: int) -> int:
            store, conflicts, added = handles[number % 2], 0, 0
            while added < 10:
                stored = store.get(KEY)
                value, generation = (int(stored.value), stored.generation) if stored is not None else (0, 0)
                if store.put(KEY, b"%d" % (value + 1), generation=generation) is None:
                    conflicts += 1
                else:
                    added += 1
            return conflicts

        at_once(8, count)
        stored = held(handles[1])
        assert stored.value == b"80"

    def test_a_reader_never_sees_half_a_write(self, world: StoreWorld) -> None:
        """Value and generation belong together at every moment."""
        writer, reader = world.open(), world.open()
        done = threading.Event()

        def write() -> int:
            generation = 0
            for number in range(60):
                generation = written(writer.put(KEY, b"%d" % (number % 10) * 5000, generation=generation))
            done.set()
            return generation

        def read() -> int:
            seen: dict[int, bytes] = {}
            while not done.is_set():
                stored = reader.get(KEY)
                if stored is not None:
                    assert len(set(stored.value)) == 1
                    assert len(stored.value) == 5000
                    assert seen.setdefault(stored.generation, stored.value) == stored.value
            assert list(seen) == sorted(seen)
            return len(seen)

        at_once(2, lambda number: write() if number == 0 else read())

    def test_it_works_again_after_close(self, world: StoreWorld) -> None:
        """Closing gives back what can be made again, and nothing else; twice is once."""
        store, other = world.open(), world.open()
        generation = store.put(KEY, b"value", generation=0)
        assert store.lease(KEY, owner="a", seconds=30) is True
        store.close()
        store.close()
        stored = held(store)
        assert stored.generation == generation
        assert other.lease(KEY, owner="b", seconds=30) is False

    def test_records_of_an_encrypted_store_are_never_in_clear(self, world: StoreWorld) -> None:
        """An encrypted payload is loaded on another handle, and the store never holds it in clear."""
        store = world.open()
        payload = b"a payload that must not be seen"
        generation = EncryptedStore(store).save(KEY, payload, 0)
        loaded = EncryptedStore(world.open()).load(KEY)
        assert loaded.payload == payload
        assert loaded.generation == generation
        for key in store.keys():
            stored = held(store, key)
            assert payload not in stored.value
        assert payload.decode() not in repr(store) + repr(vars(store))

    def test_a_lease_keeps_others_out_until_it_is_released(self, world: StoreWorld) -> None:
        """One owner at a time, on whatever handle."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=30) is True
        assert store.lease(KEY, owner="b", seconds=30) is False
        assert other.lease(KEY, owner="b", seconds=30) is False
        store.release(KEY, owner="a")
        assert other.lease(KEY, owner="b", seconds=30) is True
        assert store.lease(KEY, owner="a", seconds=30) is False

    def test_only_its_owner_releases_a_lease(self, world: StoreWorld) -> None:
        """A late holder's release does not free what another owner has taken since."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=10) is True
        other.release(KEY, owner="b")
        assert other.lease(KEY, owner="b", seconds=10) is False
        world.advance(10.5)
        assert other.lease(KEY, owner="b", seconds=10) is True
        store.release(KEY, owner="a")
        assert store.lease(KEY, owner="a", seconds=10) is False

    def test_a_lease_expires(self, world: StoreWorld) -> None:
        """A holder that died keeps others out for as long as it asked for, and no longer."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=20) is True
        world.advance(15)
        assert other.lease(KEY, owner="b", seconds=20) is False
        world.advance(5.5)
        assert other.lease(KEY, owner="b", seconds=20) is True

    def test_the_owner_extends_its_lease(self, world: StoreWorld) -> None:
        """The end counts from the last call."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=10) is True
        world.advance(8)
        assert store.lease(KEY, owner="a", seconds=10) is True
        world.advance(8)
        assert other.lease(KEY, owner="b", seconds=10) is False
        world.advance(2.5)
        assert other.lease(KEY, owner="b", seconds=10) is True

    def test_a_lease_is_bounded(self, world: StoreWorld) -> None:
        """Neither too long nor empty nor endless ones are given; the longest one is."""
        store = world.open()
        for seconds in (LONGEST_LEASE + 0.1, 0.0, -1.0, float("inf"), float("nan")):
            try:
                store.lease(KEY, owner="a", seconds=seconds)
            except ValueError:
                continue
            raise AssertionError(f"a lease of {seconds} seconds was given")
        assert store.lease(KEY, owner="b", seconds=LONGEST_LEASE) is True
        assert store.lease(KEY, owner="a", seconds=1) is False

    def test_leases_are_per_key_and_independent_of_records(self, world: StoreWorld) -> None:
        """A lease needs no record, makes none, and protects none."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=30) is True
        assert store.lease(OTHER, owner="b", seconds=30) is True
        assert store.get(KEY) is None
        assert store.keys() == []
        assert other.put(KEY, b"value", generation=0) is not None
        assert other.delete(KEY) is True
        assert other.lease(KEY, owner="b", seconds=30) is False

    def test_of_racing_leases_exactly_one_wins(self, world: StoreWorld) -> None:
        """Threads on two handles reach for one lease, also over one that has just ended."""
        handles = (world.open(), world.open())
        for turn in range(10):

            def take(number: int, turn: int = turn) -> bool:
                return handles[number % 2].lease(KEY, owner=f"{turn}/{number}", seconds=5)

            assert at_once(8, take).count(True) == 1
            world.advance(5.5)

    def test_a_stepped_clock_locks_nobody_out(self, world: StoreWorld) -> None:
        """A lease is free after the longest lease at the latest, whichever way the clock is stepped."""
        store, other = world.open(), world.open()
        for number, step in enumerate((-7200.0, 7200.0, -30.0)):
            assert store.lease(KEY, owner=f"a{number}", seconds=LONGEST_LEASE) is True
            world.step_clock(step)
            world.advance(LONGEST_LEASE + 30.5 if step == -30.0 else LONGEST_LEASE + 0.5)
            assert other.lease(KEY, owner=f"b{number}", seconds=10) is True
            other.release(KEY, owner=f"b{number}")
