"""Published keys: fetched once, ahead of need, and used on through outages."""

import asyncio
import functools
import gzip
import json
import logging
import os
import signal
import threading
import time
from collections.abc import Callable

import pytest
import trio
from tests.jose.key_server import KeyServer, eventually
from tests.jose.tokens import ANY, Absent, Key, mac, secret_jwk

import roomkey
from roomkey.http.messages import Response
from roomkey.jose import KeySet, KeySetLimits, KeySetState, verify_compact, verify_compact_async
from roomkey.oauth.discovery import read_metadata
from roomkey.testing import FakeClock

NEW = Key(kid="second")


def verify(keys: KeySet, token: str) -> bytes:
    return verify_compact(token, keys, algorithms=ANY)


def reason(keys: KeySet, token: str) -> str:
    with pytest.raises(roomkey.InvalidToken) as caught:
        verify(keys, token)
    return caught.value.reason


def unavailable(keys: KeySet, token: str) -> roomkey.KeysUnavailable:
    with pytest.raises(roomkey.KeysUnavailable) as caught:
        verify(keys, token)
    assert caught.value.retry_after >= 1.0
    assert str(round(caught.value.retry_after)) in str(caught.value)
    return caught.value


# -- one fetch ---------------------------------------------------------------------------------------------------------


def test_making_a_key_set_asks_no_one_and_its_first_use_asks_once(keys: KeySet, server: KeyServer, key: Key) -> None:
    assert keys.status().state is KeySetState.EMPTY
    assert server.asked == []
    assert [verify(keys, key.token()) for _ in range(20)] == [b"{}"] * 20
    assert len(server.asked) == 1
    assert server.asked[0].header("accept") == "application/jwk-set+json, application/json"


def test_a_loop_gets_keys_once_there_are_threads_again(
    server: KeyServer, key: Key, no_threads: Callable[[], None]
) -> None:  # validator 48
    keys = KeySet.remote(server.url, limits=KeySetLimits(fetch=1.0))
    with pytest.raises(roomkey.KeysUnavailable):
        asyncio.run(verify_compact_async(key.token(), keys, algorithms=ANY))
    no_threads()
    assert asyncio.run(verify_compact_async(key.token(), keys, algorithms=ANY)) == b"{}"
    assert len(server.asked) == keys.status().fetches == 1


@pytest.mark.parametrize("run", [asyncio.run, trio.run], ids=["asyncio", "trio"])
def test_two_hundred_cold_requests_on_a_loop_are_one_fetch_and_block_no_loop(
    run: Callable[..., object], keys: KeySet, server: KeyServer, key: Key
) -> None:
    server.delay, token, done, ticks = 0.2, key.token(), [], []
    sleep = asyncio.sleep if run is asyncio.run else trio.sleep

    async def call() -> None:
        done.append(await verify_compact_async(token, keys, algorithms=ANY))

    async def tick() -> None:
        while len(done) < 200:
            ticks.append(time.monotonic())
            await sleep(0.005)

    async def all_of_them() -> None:
        if run is trio.run:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(tick)
                for _ in range(200):
                    nursery.start_soon(call)
        else:
            await asyncio.gather(tick(), *(call() for _ in range(200)))

    run(all_of_them if run is trio.run else all_of_them())
    assert done == [b"{}"] * 200
    assert len(server.asked) == 1
    assert len(ticks) > 10


def test_fifty_cold_threads_are_one_fetch(keys: KeySet, server: KeyServer, key: Key) -> None:
    server.delay, token, done = 0.1, key.token(), []
    threads = [threading.Thread(target=lambda: done.append(verify(keys, token))) for _ in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert done == [b"{}"] * 50
    assert len(server.asked) == 1


def test_a_cancelled_waiter_harms_no_other(keys: KeySet, server: KeyServer, key: Key) -> None:
    server.delay, token = 0.1, key.token()

    async def crowd() -> list[object]:
        waiting = [asyncio.create_task(verify_compact_async(token, keys, algorithms=ANY)) for _ in range(3)]
        await asyncio.sleep(0.02)
        waiting[0].cancel()
        return await asyncio.gather(*waiting, return_exceptions=True)

    first, *others = asyncio.run(crowd())
    assert isinstance(first, asyncio.CancelledError)
    assert others == [b"{}"] * 2


def test_a_known_key_of_a_fresh_set_needs_no_lock(keys: KeySet, key: Key) -> None:
    verify(keys, key.token())
    with keys._source._document._lock:  # type: ignore[attr-defined]
        assert verify(keys, key.token()) == b"{}"
        assert asyncio.run(verify_compact_async(key.token(), keys, algorithms=ANY)) == b"{}"


# -- fresh, refreshed ahead, stale -------------------------------------------------------------------------------------


def test_a_set_is_refreshed_in_the_background_before_its_time_is_over(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:
    verify(keys, key.token())
    clock.advance(200.0)
    verify(keys, key.token())
    assert len(server.asked) == 1
    server.hang()  # nobody waits for the refresh
    clock.advance(60.0)
    assert [verify(keys, key.token()) for _ in range(5)] == [b"{}"] * 5
    eventually(lambda: len(server.asked) == 2)
    assert keys.status().state is KeySetState.FRESH
    server.recover()


def test_past_its_time_a_set_is_used_no_more_before_it_was_asked_for_again(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 51
    verify(keys, key.token())
    server.keys = [NEW.jwk()]
    clock.advance(301.0)
    assert reason(keys, key.token()) == "unknown_key"
    assert verify(keys, NEW.token()) == b"{}"
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    ("headers", "lifetime"),
    [
        ([], 300.0),
        ([("cache-control", "public, max-age=900, must-revalidate")], 900.0),
        ([("cache-control", "max-age=900"), ("age", "300")], 600.0),
        ([("cache-control", "max-age=5")], 60.0),
        ([("cache-control", "no-store")], 60.0),
        ([("cache-control", "max-age=31536000")], 86_400.0),
        ([("cache-control", "max-age=" + "9" * 400)], 86_400.0),
        ([("cache-control", "max-age=-1, x=\x7f, ,,max-age")], 300.0),
        ([("cache-control", "max-age=soon")], 300.0),
        ([("age", "yesterday"), ("cache-control", "Max-Age=700")], 700.0),
    ],
)
def test_cache_control_says_how_long_within_limits(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock, headers: list[tuple[str, str]], lifetime: float
) -> None:  # validator 48
    server.headers = headers
    verify(keys, key.token())
    assert keys.status().usable_for == pytest.approx(lifetime + 3_600.0)
    clock.advance(lifetime - 0.1)
    assert keys.status().state is KeySetState.FRESH
    clock.advance(0.2)
    assert keys.status().state is KeySetState.STALE


def test_an_unchanged_set_is_confirmed_by_its_etag(keys: KeySet, server: KeyServer, key: Key, clock: FakeClock) -> None:
    server.etag = '"v1"'
    verify(keys, key.token())
    clock.advance(301.0)
    verify(keys, key.token())
    assert [request.header("if-none-match") for request in server.asked] == [None, '"v1"']
    assert keys.status().age == 0.0
    server.etag, server.keys = '"v2"', [NEW.jwk()]
    clock.advance(301.0)
    assert verify(keys, NEW.token()) == b"{}"


def test_no_one_asks_while_no_one_needs_a_key(keys: KeySet, server: KeyServer, key: Key, clock: FakeClock) -> None:
    verify(keys, key.token())
    threads = threading.active_count()
    for _ in range(50):
        clock.advance(100.0)
        keys.status()
        time.sleep(0.001)
    assert len(server.asked) == 1
    assert threading.active_count() <= threads


# -- unknown names -----------------------------------------------------------------------------------------------------


def test_a_new_key_is_found_at_once_and_further_unknown_names_wait_for_the_cooldown(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 51
    verify(keys, key.token())
    server.keys = [key.jwk(), NEW.jwk()]
    assert verify(keys, NEW.token()) == b"{}"
    assert len(server.asked) == 2
    third = Key(kid="third")
    server.keys = [key.jwk(), NEW.jwk(), third.jwk()]
    assert reason(keys, third.token()) == "unknown_key"
    clock.advance(29.9)
    assert reason(keys, third.token()) == "unknown_key"
    assert len(server.asked) == 2
    clock.advance(0.2)
    assert verify(keys, third.token()) == b"{}"
    assert len(server.asked) == 3


def test_a_first_token_with_an_unknown_name_causes_one_fetch(keys: KeySet, server: KeyServer) -> None:
    assert reason(keys, NEW.token()) == "unknown_key"
    assert len(server.asked) == 1


def test_a_flood_of_unknown_names_causes_one_fetch_for_each_cooldown(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 47
    verify(keys, key.token())
    for minute in range(3):
        for number in range(700):
            assert reason(keys, key.token(kid=f"{minute}-{number}")) == "unknown_key"
        clock.advance(30.0)
    assert len(server.asked) == 1 + 3
    assert keys.status().unknown_kids == 2_100


def test_known_keys_do_not_wait_for_the_search_for_unknown_ones(
    keys: KeySet, server: KeyServer, key: Key
) -> None:  # validator 47
    token = key.token()
    verify(keys, token)
    server.hang(times=5)
    flood = [threading.Thread(target=lambda: unavailable(keys, NEW.token())) for _ in range(8)]
    for thread in flood:
        thread.start()
    eventually(lambda: len(server.asked) == 2)
    assert [verify(keys, token) for _ in range(200)] == [b"{}"] * 200
    assert all(thread.is_alive() for thread in flood)
    server.unreachable()
    for thread in flood:
        thread.join(5.0)
    assert len(server.asked) == 2


def test_a_wrong_algorithm_or_no_name_is_no_reason_to_ask_again(keys: KeySet, server: KeyServer, key: Key) -> None:
    server.keys = [key.jwk(), NEW.jwk()]
    verify(keys, key.token())
    assert reason(keys, key.token(alg="RS256")) == "key_mismatch"
    assert reason(keys, key.token(kid=Absent)) == "ambiguous_key"
    assert len(server.asked) == 1


# -- outages -----------------------------------------------------------------------------------------------------------


def test_an_outage_longer_than_the_ttl_rejects_no_token(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 48
    verify(keys, key.token())
    server.unreachable()
    for _ in range(130):  # 3900 seconds in all: the TTL and an hour
        clock.advance(29.9)
        assert verify(keys, key.token()) == b"{}"
    assert keys.status().state is KeySetState.STALE
    assert keys.status().last_error.startswith("unreachable: ")
    clock.advance(30.0)
    assert unavailable(keys, key.token()).reason == "unreachable"
    assert keys.status().state is KeySetState.EXPIRED
    server.recover()
    clock.advance(61.0)
    assert verify(keys, key.token()) == b"{}"
    assert keys.status().state is KeySetState.FRESH
    assert keys.status().last_error == ""


def test_an_outage_from_the_start_is_no_wrong_token(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 43
    server.outage(503)
    for _ in range(5):
        error = unavailable(keys, key.token())
        assert (error.code, error.reason) == ("keys_unavailable", "bad_status")
    assert len(server.asked) == 1  # one attempt for each step of the back-off, whoever asks
    server.recover()
    clock.advance(1.1)
    assert verify(keys, key.token()) == b"{}"


def test_attempts_come_apart_while_the_outage_lasts(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 48
    server.outage(500)
    for _ in range(600):
        unavailable(keys, key.token())
        clock.advance(1.0)
    assert 12 <= len(server.asked) <= 20


def test_retry_after_is_honoured_within_limits(keys: KeySet, server: KeyServer, key: Key, clock: FakeClock) -> None:
    server.outage(503, retry_after=120)
    assert unavailable(keys, key.token()).retry_after == pytest.approx(120.0)
    clock.advance(119.0)
    unavailable(keys, key.token())
    assert len(server.asked) == 1
    server.outage(503, retry_after=10**9)
    clock.advance(2.0)
    assert unavailable(keys, key.token()).retry_after == pytest.approx(300.0)


def test_an_unknown_name_during_an_outage_is_no_wrong_token(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 43
    verify(keys, key.token())
    server.outage(502)
    unavailable(keys, NEW.token())
    unavailable(keys, NEW.token())
    assert verify(keys, key.token()) == b"{}"
    assert len(server.asked) == 2
    server.recover()
    clock.advance(31.0)
    assert reason(keys, NEW.token()) == "unknown_key"


@functools.cache
def spoilers() -> dict[str, Callable[[KeyServer], object]]:
    huge = json.dumps({"keys": [NEW.jwk()], "x": "x" * 262_144})
    many = [Key(kid=str(number), name="one").jwk() for number in range(1001)]
    bomb = gzip.compress(b'{"keys": []' + b" " * 50_000_000 + b"}")
    packed = {"content-encoding": "gzip"}
    return {
        "an empty set": lambda server: server.answer_with(body={"keys": []}),
        "a page": lambda server: server.answer_with(body="<html>Please sign in</html>"),
        "no set": lambda server: server.answer_with(body=NEW.jwk()),
        "a list": lambda server: server.answer_with(body=[NEW.jwk()]),
        "keys that are none": lambda server: server.answer_with(body={"keys": {"kid": NEW.jwk()}}),
        "no usable key": lambda server: server.answer_with(body={"keys": [NEW.jwk(use="enc"), secret_jwk()]}),
        "members twice": lambda server: server.answer_with(body='{"keys": [], "keys": []}'),
        "half a set": lambda server: server.answer_with(body=json.dumps({"keys": [NEW.jwk()]})[:-9]),
        "a huge set": lambda server: server.answer_with(body=huge),
        "a thousand and one keys": lambda server: server.answer_with(body={"keys": many}),
        "a packed bomb": lambda server: server.answer_with(headers=packed, body=bomb),
        "a packed nothing": lambda server: server.answer_with(headers=packed, body=b"not gzip"),
        "deep nesting": lambda server: server.answer_with(body=b'{"keys": ' + b"[" * 100_000 + b"}"),
        "bytes": lambda server: server.answer_with(body=b"\xff\xfe\0" * 100),
        "not found": lambda server: server.answer_with(404, body={"keys": [NEW.jwk()]}),
        "a redirect": lambda server: server.redirect_to(server.origin + "/jwks2", status=302),
        "an unasked 304": lambda server: server.answer_with(304),
        "a broken line": lambda server: server.drop(),
    }


@pytest.mark.parametrize("how", spoilers())
def test_a_bad_answer_never_replaces_valid_keys(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock, how: str
) -> None:  # validator 48, 49, 50
    spoilers()[how](server)
    cold = unavailable(keys, key.token())
    clock.advance(2.0)
    assert verify(keys, key.token()) == b"{}"
    spoilers()[how](server)
    clock.advance(301.0)
    assert verify(keys, key.token()) == b"{}"
    assert len(server.asked) == 3
    assert not any(request.path == "/jwks2" for request in server.asked)
    status = keys.status()
    if how != "an unasked 304":  # which is a fine answer to one who holds a set
        assert status.last_error.startswith(cold.reason)
        assert (status.fetches, status.failures) == (3, 2)


@pytest.mark.parametrize("fault", ["hang", "drip"])
def test_a_slow_answer_ends_with_the_total_time(
    server: KeyServer, key: Key, clock: FakeClock, fault: str
) -> None:  # validator 50
    keys = KeySet.remote(server.url, clock=clock, limits=KeySetLimits(fetch=0.3))
    server.hang() if fault == "hang" else server.drip(0.2)
    started = time.monotonic()
    assert unavailable(keys, key.token()).reason == "timeout"
    assert time.monotonic() - started < 10.0


def test_an_older_answer_from_a_cache_on_the_way_replaces_nothing(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 51
    server.keys = [NEW.jwk()]
    verify(keys, NEW.token())
    server.keys, server.headers, server.date_offset = [key.jwk()], [("age", "7200")], -7_200.0
    clock.advance(301.0)
    assert verify(keys, NEW.token()) == b"{}"
    assert reason(keys, key.token()) == "unknown_key"
    assert keys.status().state is KeySetState.FRESH
    server.headers = []  # the same date from the origin itself: its clock was set, and it is believed
    clock.advance(301.0)
    assert verify(keys, key.token()) == b"{}"


def test_urls_in_a_header_are_never_asked(keys: KeySet, server: KeyServer, key: Key) -> None:  # validator 18
    addresses = {"jku": server.origin + "/jku", "x5u": server.origin + "/x5u", "x5c": ["AAAA"]}
    assert verify(keys, key.token(**addresses)) == b"{}"
    for kid in ("first", "another", Absent):
        with pytest.raises(roomkey.InvalidToken):
            verify(keys, Key(kid="evil").token(**(addresses | {"kid": kid})))
    assert {request.path for request in server.asked} == {"/jwks"}


# -- what is published -------------------------------------------------------------------------------------------------


def test_secrets_and_private_keys_in_a_published_set_are_not_used_and_loudly_named(
    keys: KeySet, server: KeyServer, key: Key, caplog: pytest.LogCaptureFixture
) -> None:  # validator 13, 14
    caplog.set_level(logging.WARNING)
    private = NEW.jwk(d="AAAA")
    server.keys = [secret_jwk(kid="oct"), private, 5, {"kty": "unheard-of"}, key.jwk()]
    assert verify(keys, key.token()) == b"{}"
    assert reason(keys, mac(kid="oct")) == "unknown_key"
    assert reason(keys, NEW.token()) == "unknown_key"
    refused = [one.reason for one in keys.status().rejected]
    assert refused == ["symmetric_key", "private_key", "malformed", "unsupported_key_type"]
    assert all(word in caplog.text for word in refused)


def test_a_set_that_stays_as_it_is_is_named_once_and_not_read_again(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    server.keys = [key.jwk(), NEW.jwk(use="enc")]
    verify(keys, key.token())
    held = keys._source._document.held.value.keys.keys  # type: ignore[attr-defined]
    clock.advance(301.0)
    verify(keys, key.token())
    assert keys._source._document.held.value.keys.keys[0] is held[0]  # type: ignore[attr-defined]
    assert caplog.text.count("not_for_signatures") == 1


def test_a_key_in_use_is_held_until_it_is_withdrawn(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 51
    server.keys = [key.jwk(), NEW.jwk()]
    from roomkey.jose.compact import read_compact

    (old,) = keys.find(read_compact(key.token()).header)
    (new,) = keys.find(read_compact(NEW.token()).header)
    assert keys.holds(old)
    assert keys.holds(new)
    server.keys = [NEW.jwk()]
    clock.advance(250.0)
    assert keys.holds(old)
    eventually(lambda: not keys.holds(old))
    assert keys.holds(new)
    server.unreachable()
    clock.advance(10_000.0)
    assert not keys.holds(new)
    eventually(lambda: keys.status().failures == 1)
    assert not keys.holds(new)  # while the attempts pause, too


# -- where keys may come from ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://auth.example/jwks",
        "http://10.0.0.1/jwks",
        "http://169.254.169.254/latest/meta-data",
        "https://169.254.169.254/jwks",
        "https://[fe80::1]/jwks",
        "file:///etc/passwd",
        "ftp://auth.example/jwks",
        "data:application/json,{}",
        "https://user:password@auth.example/jwks",
        "https://auth.example/jwks#fragment",
        "https://auth.example/jw ks",
        "https:///jwks",
        "//auth.example/jwks",
        "",
        None,
    ],
)
def test_only_https_and_loopback_urls_may_publish_keys(url: str) -> None:  # validator 49
    for make in (KeySet.remote, KeySet.discover):
        with pytest.raises(roomkey.ConfigurationError):
            make(url)


def test_the_metadata_of_an_issuer_names_its_keys(server: KeyServer, key: Key, clock: FakeClock) -> None:
    keys = KeySet.discover(server.origin, clock=clock)
    assert verify(keys, key.token()) == b"{}"
    clock.advance(301.0)
    assert verify(keys, key.token()) == b"{}"
    assert server.others == ["/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"]
    assert len(server.asked) == 2


def test_metadata_of_another_issuer_or_without_keys_is_rejected(
    server: KeyServer, key: Key, clock: FakeClock
) -> None:  # validator 37, 51
    keys = KeySet.discover(server.origin, clock=clock)
    for metadata, why in (
        ({"issuer": "https://evil.example"}, "issuer_mismatch"),
        ({"jwks_uri": None}, "no_jwks_uri"),
        ({"jwks_uri": "http://evil.example/jwks"}, "no_jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "no_jwks_uri"),
    ):
        server.metadata = metadata
        assert unavailable(keys, key.token()).reason == why
        clock.advance(61.0)
    assert server.asked == []
    server.metadata = {}
    assert verify(keys, key.token()) == b"{}"


def test_an_issuer_elsewhere_cannot_point_to_loopback() -> None:  # validator 49
    body = {"issuer": "https://auth.example", "jwks_uri": "http://127.0.0.1/jwks"}
    metadata = read_metadata(Response(200, (), json.dumps(body).encode()), "https://auth.example")
    assert metadata.jwks_uri is None


def test_keys_that_move_are_found_again(server: KeyServer, key: Key, clock: FakeClock) -> None:
    keys = KeySet.discover(server.origin, clock=clock)
    verify(keys, key.token())
    server.metadata = {"jwks_uri": server.url + "-moved"}
    server.answer_with(410)
    clock.advance(301.0)
    assert verify(keys, key.token()) == b"{}"  # the old keys go on
    clock.advance(61.0)
    verify(keys, key.token())
    eventually(lambda: [request.path for request in server.asked][-1] == "/jwks-moved")
    eventually(lambda: keys.status().state is KeySetState.FRESH)


# -- the rest ----------------------------------------------------------------------------------------------------------


def test_its_status_says_how_it_is_doing_and_shows_no_key(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:
    verify(keys, key.token())
    clock.advance(100.0)
    status = keys.status()
    assert (status.source, status.state, status.keys, status.age) == (server.url, KeySetState.FRESH, 1, 100.0)
    assert 110.0 <= (status.refresh_in or 0.0) <= 140.0
    assert (status.fetches, status.failures, status.unknown_kids, status.next_attempt_in) == (1, 0, 0, None)
    assert repr(keys) == f"KeySet({server.url}, fresh, 1 keys)"
    assert key.jwk()["x"] not in repr(status) + repr(keys)


@pytest.mark.parametrize("wrong", [{"fetch": 0.0}, {"ttl": -1.0}, {"cooldown": float("nan")}, {"shortest_ttl": 1e9}])
def test_limits_that_make_no_sense_are_rejected(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="key set"):
        KeySetLimits(**wrong)


def exit_code_of(child: int) -> int:
    """The exit code of a forked child, which is ended where it does not end by itself."""
    end = time.monotonic() + 10.0
    while True:
        pid, status = os.waitpid(child, os.WNOHANG)
        if pid:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.01)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_process_goes_on_with_the_keys_and_fetches_for_itself(
    keys: KeySet, server: KeyServer, key: Key, clock: FakeClock
) -> None:
    verify(keys, key.token())
    server.delay = 0.2
    clock.advance(250.0)
    verify(keys, key.token())  # a refresh is under way in a thread that the child does not have
    held, forked = threading.Event(), threading.Event()

    def hold_the_lock() -> None:
        with keys._source._document._lock:  # type: ignore[attr-defined]
            held.set()
            forked.wait(10.0)

    holder = threading.Thread(target=hold_the_lock)
    holder.start()
    held.wait(10.0)
    child = os.fork()
    if child == 0:
        try:
            verify(keys, key.token())
            clock.advance(100.0)
            verify(keys, key.token())
            os._exit(0 if keys.status().state is KeySetState.FRESH else 1)
        finally:
            os._exit(2)
    forked.set()
    holder.join()
    assert exit_code_of(child) == 0
    assert verify(keys, key.token()) == b"{}"
