# ruff: noqa: S101 - a suite of tests consists of asserts
"""What every store must do with leases: one holder at a time, and an end that comes by itself."""

from roomkey.stores.store import LONGEST_LEASE
from roomkey.testing.store_world import KEY, OTHER, StoreWorld, at_once


class LeaseConformance:
    """lease and release. Every test takes the fixture ``world`` and works on a store of its own."""

    def test_a_lease_keeps_others_out_until_it_is_released(self, world: StoreWorld) -> None:
        """One owner at a time, on whatever handle."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=30) is True
        assert store.lease(KEY, owner="b", seconds=30) is False
        assert other.lease(KEY, owner="b", seconds=30) is False
        store.release(KEY, owner="a")
        assert other.lease(KEY, owner="b", seconds=30) is True
        assert store.lease(KEY, owner="a", seconds=30) is False

    def test_only_its_owner_ends_a_lease(self, world: StoreWorld) -> None:
        """A late holder's release does not free what somebody else has taken since."""
        store, other = world.open(), world.open()
        assert store.lease(KEY, owner="a", seconds=10) is True
        other.release(KEY, owner="b")
        assert other.lease(KEY, owner="b", seconds=10) is False
        world.advance(10.5)
        assert other.lease(KEY, owner="b", seconds=10) is True
        store.release(KEY, owner="a")
        assert store.lease(KEY, owner="a", seconds=10) is False

    def test_a_lease_ends_by_time(self, world: StoreWorld) -> None:
        """A holder that died stands in nobody's way for longer than it asked for, and no shorter."""
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
        """Whichever way the clock goes, a lease is free after the longest lease at the latest."""
        store, other = world.open(), world.open()
        for number, step in enumerate((-7200.0, 7200.0, -30.0)):
            assert store.lease(KEY, owner=f"a{number}", seconds=LONGEST_LEASE) is True
            world.step_clock(step)
            world.advance(LONGEST_LEASE + 30.5 if step == -30.0 else LONGEST_LEASE + 0.5)
            assert other.lease(KEY, owner=f"b{number}", seconds=10) is True
            other.release(KEY, owner=f"b{number}")
