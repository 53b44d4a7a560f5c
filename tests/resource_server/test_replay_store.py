"""A proof is good once, whoever brings it and wherever used ones are kept (RFC 9449 section 11.1)."""

import asyncio
import contextlib
import logging
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import trio
from tests.resource_server.dpop_api import API, URI
from tests.resource_server.rejections import reason

import roomkey
from roomkey.testing import DPoPKey, FakeClock, Issuer

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def test_a_proof_is_valid_once(api: API) -> None:  # validator 45
    proof = api.proof()
    assert api.get(proof)
    api.clock.advance(30.0)
    assert api.rejection(proof) == "replayed"
    assert api.get(api.proof(jti="of its own"))
    assert api.rejection(api.proof(jti="of its own")) == "replayed"


def test_of_many_at_once_one_alone_spends_a_proof(api: API) -> None:  # validator 45
    proof, begin = api.proof(), threading.Barrier(16)

    def attempt(_: int) -> str:
        begin.wait()
        try:
            api.get(proof)
        except roomkey.InvalidDPoPProof as error:
            return error.reason
        return "good"

    with ThreadPoolExecutor(16) as pool:
        outcomes = list(pool.map(attempt, range(16)))
    assert sorted(outcomes) == ["good", *["replayed"] * 15]


def test_a_full_store_rejects_and_takes_proofs_again_when_old_ones_have_ended(
    api_with: Callable[..., API], caplog: pytest.LogCaptureFixture
) -> None:  # validator 45
    api = api_with(replays=roomkey.MemoryReplayStore(most=3), lifetime=60.0, leeway=5.0)
    used = [api.proof() for _ in range(3)]
    for proof in used:
        assert api.get(proof)
    for _ in range(3):
        with pytest.raises(roomkey.ReplayUnknown) as caught:
            api.get(api.proof())
        assert (caught.value.status, caught.value.code) == (503, "replay_unknown")
    assert len([one for one in caplog.records if one.levelno == logging.WARNING]) == 1
    assert api.rejection(used[0]) == "replayed"
    api.clock.advance(71.0)
    assert api.get(api.proof())


def test_who_has_no_valid_token_and_key_cannot_fill_the_store(api_with: Callable[..., API]) -> None:
    api = api_with(replays=roomkey.MemoryReplayStore(most=1))
    stranger = DPoPKey(clock=api.clock)
    for _ in range(3):
        assert reason(lambda: api.get(stranger.proof("GET", URI, api.token))) == "bound_to_a_key"
        with pytest.raises(roomkey.InvalidToken):
            api.get(api.key.proof("GET", URI, "x.y.z"), token="x.y.z")
    assert api.get(api.proof())


def test_a_clock_that_is_set_back_makes_no_used_proof_valid_again(api: API) -> None:  # validator 45
    old = api.proof()
    assert api.get(old)
    api.clock.advance(200.0)
    assert api.get(api.proof())  # room is made, and the old one forgotten
    api.clock.step_wall(-200.0)
    assert api.rejection(old) == "replayed"
    api.clock.step_wall(200.0)
    assert api.get(api.proof())


class SharedStore:
    """A store as a program would plug in, which can fail."""

    def __init__(self) -> None:
        self.marks: set[bytes] = set()
        self.seconds: list[float] = []
        self.threads: set[str] = set()
        self.failing: Exception | None = None
        self.hold: threading.Event | None = None

    def spend(self, mark: bytes, *, until: float, now: float) -> bool:
        self.threads.add(threading.current_thread().name)
        self.seconds.append(until - now)
        if self.hold is not None:
            self.hold.wait(10.0)
        if self.failing is not None:
            raise self.failing
        first = mark not in self.marks
        self.marks.add(mark)
        return first


def test_a_shared_store_is_asked_on_a_thread_of_its_own(issuer: Issuer, clock: FakeClock) -> None:
    store = SharedStore()
    api, other = (API(issuer, clock, replays=store, lifetime=60.0, leeway=5.0) for _ in range(2))
    other.key, other.token = api.key, api.token
    proof = api.proof()
    assert api.get(proof)
    assert other.rejection(proof) == "replayed"
    assert store.threads == {"roomkey"}
    assert all(65.0 <= seconds <= 71.0 for seconds in store.seconds)
    assert all(len(mark) == 32 for mark in store.marks)


@pytest.mark.parametrize(
    "error", [OSError("redis://:password@host"), roomkey.StoreUnavailable("It is down."), KeyError()]
)
def test_a_store_that_fails_is_a_503_and_shows_nothing(
    issuer: Issuer, clock: FakeClock, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    store = SharedStore()
    api = API(issuer, clock, replays=store)
    store.failing = error
    with pytest.raises(roomkey.ReplayUnknown) as caught:
        api.get(api.proof())
    assert caught.value.status == 503
    assert "password" not in caplog.text + str(caught.value)
    store.failing = None
    assert api.get(api.proof())


@pytest.mark.parametrize("loop", ["asyncio", "trio"])
def test_a_store_that_hangs_is_a_503_after_a_while_and_blocks_no_loop(
    issuer: Issuer, clock: FakeClock, loop: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("roomkey.resource_server.dpop._STORE_SECONDS", 0.05)
    store = SharedStore()
    store.hold = threading.Event()
    api = API(issuer, clock, replays=store)

    async def asked() -> None:
        presented = roomkey.DPoPRequest([api.proof()], method="GET", path="/orders")
        with pytest.raises(roomkey.ReplayUnknown):
            await api.validator.authorize_async([f"DPoP {api.token}"], proof=presented)

    api.validator.authorize([f"Bearer {issuer.token()}"])  # the keys are there
    asyncio.run(asked()) if loop == "asyncio" else trio.run(asked)
    store.hold.set()


def test_a_store_that_says_neither_yes_nor_no_is_not_believed(issuer: Issuer, clock: FakeClock) -> None:
    class UnusableResponse:
        def spend(self, mark: bytes, *, until: float, now: float) -> bool:
            return "OK"  # type: ignore[return-value]

    api = API(issuer, clock, replays=UnusableResponse())
    assert api.rejection(api.proof()) == "replayed"


def test_a_forked_child_goes_on_with_what_is_known_and_without_a_held_lock(issuer: Issuer, clock: FakeClock) -> None:
    own, shared = API(issuer, clock, replays=roomkey.MemoryReplayStore()), API(issuer, clock, replays=SharedStore())
    store, spent, other = roomkey.MemoryReplayStore(), bytes(32), b"\1" * 32
    assert store.spend(spent, until=90.0, now=0.0)
    assert shared.get(shared.proof())  # its thread is there, and will not be in the child
    with store._lock:  # as a thread of the parent may hold it at the moment of the fork
        child = os.fork()
        if child == 0:
            with contextlib.suppress(BaseException):
                seen = not store.spend(spent, until=90.0, now=0.0) and store.spend(other, until=90.0, now=0.0)
                os._exit(0 if seen and shared.get(shared.proof()) and own.get(own.proof()) else 1)
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_store_that_keeps_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="most="):
        roomkey.MemoryReplayStore(most=0)


def test_no_caller_waits_while_many_ended_proofs_are_let_go() -> None:
    store = roomkey.MemoryReplayStore(most=1_000)
    marks = [number.to_bytes(32) for number in range(1_002)]
    for mark in marks[:1_000]:
        assert store.spend(mark, until=10.0, now=0.0)
    with pytest.raises(roomkey.StoreUnavailable):
        store.spend(marks[1_000], until=10.0, now=9.0)
    assert store.spend(marks[1_000], until=30.0, now=20.0)
    assert 900 < len(store) < 1_000
    assert not store.spend(marks[0], until=10.0, now=0.0)
    for _ in range(100):
        store.spend(marks[1_001], until=30.0, now=20.0)
    assert len(store) == 2
