"""Processes that are killed in the middle of it, and processes that all begin at once. Real processes, real SIGKILL."""

import os
import random
import select
import signal
import sqlite3
import subprocess
import sys
import textwrap
import time

import pytest

from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing.store_conformance import KEY

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")]


def payload(number):
    return b"%08d" % number * 400


def number_in(found):
    """The number that a whole payload consists of; fails on half of one."""
    assert found == found[:8] * 400
    return int(found[:8])


def in_child(work):
    """Run ``work(report)`` in a forked process; its id and the pipe that it reports numbers on."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            work(lambda number: os.write(writing, b"%08d" % number))
        finally:
            os._exit(0)
    os.close(writing)
    return child, reading


def kill(child):
    os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def reported(reading):
    """All that the child said before it died."""
    said = b""
    while piece := os.read(reading, 65536):
        said += piece
    os.close(reading)
    return [int(said[start : start + 8]) for start in range(0, len(said), 8)]


def die_at_statement(count):
    """From here on, be killed when SQLite begins its ``count``-th statement."""
    connect = sqlite3.connect

    def connect_and_count(*arguments, **named):
        connection = connect(*arguments, **named)
        connection.set_trace_callback(one_more)
        return connection

    def one_more(statement):
        nonlocal count
        count -= 1
        if count == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    sqlite3.connect = connect_and_count


def test_a_process_killed_at_any_moment_loses_no_record_and_leaves_no_half_one(tmp_path):  # client 6, 63
    path = tmp_path / "tokens.db"
    encrypted = EncryptedStore(SQLiteStore(path))
    assert encrypted.save(KEY, payload(0), 0) is not None

    def write(report):
        own = EncryptedStore(SQLiteStore(path))
        loaded = own.load(KEY)
        number, generation = number_in(loaded.payload), loaded.generation
        while True:
            number += 1
            generation = own.save(KEY, payload(number), generation)
            report(number)

    chance, last = random.Random(20), 0
    for _ in range(40):
        child, reading = in_child(write)
        assert select.select([reading], [], [], 10)[0]
        time.sleep(chance.uniform(0, 0.01))
        kill(child)
        said = reported(reading)
        loaded = encrypted.load(KEY)
        found = number_in(loaded.payload)
        assert found in (said[-1], said[-1] + 1)  # what was said to be saved is there, and at most one put more
        assert said[0] > last
        last = found
    assert encrypted.misses.total == 0
    assert encrypted.save(KEY, payload(last + 1), loaded.generation) is not None
    encrypted.close()


def test_a_put_killed_between_any_two_statements_is_all_or_nothing(tmp_path):  # client 6, 63
    path = tmp_path / "tokens.db"
    encrypted = EncryptedStore(SQLiteStore(path))
    generation = encrypted.save(KEY, payload(1), 0)
    died = 0
    for statement in range(1, 40):

        def put(report, statement=statement, generation=generation):
            die_at_statement(statement)
            EncryptedStore(SQLiteStore(path)).save(KEY, payload(2), generation)

        child, reading = in_child(put)
        status = os.waitpid(child, 0)[1]
        os.close(reading)
        loaded = encrypted.load(KEY)
        if os.WIFEXITED(status):
            break
        assert os.WTERMSIG(status) == signal.SIGKILL
        assert (number_in(loaded.payload), loaded.generation) == (1, generation)
        died += 1
    assert died > 10  # the file's checks, the transaction, each of its statements, the commit
    assert (number_in(loaded.payload), loaded.generation) == (2, generation + 1)
    encrypted.close()


def test_a_file_whose_maker_was_killed_is_finished_by_the_next_process(tmp_path):  # client 63
    for statement in range(1, 60):
        path = tmp_path / f"{statement}" / "tokens.db"

        def make(report, statement=statement, path=path):
            die_at_statement(statement)
            EncryptedStore(SQLiteStore(path)).save(KEY, payload(1), 0)

        child, reading = in_child(make)
        status = os.waitpid(child, 0)[1]
        os.close(reading)
        encrypted = EncryptedStore(SQLiteStore(path))
        loaded = encrypted.load(KEY)
        if os.WIFEXITED(status):
            assert number_in(loaded.payload) == 1
            break
        assert loaded.payload is None
        assert encrypted.save(KEY, payload(2), loaded.generation) is not None
        assert number_in(encrypted.load(KEY).payload) == 2
        encrypted.close()
    encrypted.close()
    assert statement > 15


def test_a_killed_holders_lease_is_taken_when_it_ends_and_not_before(tmp_path):  # client 6
    path = tmp_path / "tokens.db"
    store = SQLiteStore(path)
    store.put(KEY, b"old", generation=0)

    def hold(report):
        assert SQLiteStore(path).lease(KEY, owner="child", seconds=1.5)
        report(1)
        time.sleep(60)

    child, reading = in_child(hold)
    assert select.select([reading], [], [], 10)[0]
    taken = time.monotonic()
    kill(child)
    assert reported(reading) == [1]
    assert not store.lease(KEY, owner="parent", seconds=10)
    while not store.lease(KEY, owner="parent", seconds=10):
        assert time.monotonic() - taken < 15
        time.sleep(0.01)
    assert store.get(KEY).value == b"old"
    store.close()


def test_a_lease_killed_between_any_two_statements_is_held_or_free_and_blocks_no_file(tmp_path):  # client 6
    path = tmp_path / "tokens.db"
    store = SQLiteStore(path)
    outcomes = []
    for statement in range(1, 40):

        def take(report, statement=statement):
            die_at_statement(statement)
            SQLiteStore(path).lease(f"{statement}", owner="child", seconds=30)

        child, reading = in_child(take)
        status = os.waitpid(child, 0)[1]
        os.close(reading)
        outcomes.append(store.lease(f"{statement}", owner="parent", seconds=30))
        if os.WIFEXITED(status):
            break
    assert outcomes == [True] * (len(outcomes) - 1) + [False]
    assert len(outcomes) > 10
    store.close()


TOGETHER = """
    import sys
    from roomkey.stores.sqlite import SQLiteStore
    from roomkey.stores.encrypted_store import EncryptedStore
    from roomkey.testing.store_conformance import KEY
    path, number = sys.argv[1:]
    encrypted = EncryptedStore(SQLiteStore(path))
    print("ready", flush=True)
    sys.stdin.readline()
    encrypted.save(number, number.encode(), 0)
    added = 0
    while added < 20:
        loaded = encrypted.load(KEY)
        count = int(loaded.payload or b"0")
        if encrypted.save(KEY, b"%d" % (count + 1), loaded.generation) is not None:
            added += 1
    leased = encrypted.lease(KEY, owner=number, seconds=60)
    print(encrypted.fingerprint(b"secret"), encrypted.store.keyring.ids, encrypted.misses.total, leased)
    """


def test_processes_that_begin_at_once_make_one_file_one_key_and_lose_nothing(tmp_path):  # client 5, 63
    path = tmp_path / "new" / "tokens.db"
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(TOGETHER), str(path)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*command, f"{number}"], **pipes) for number in range(8)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, results
    answers = [out.rsplit(" ", 1) for out, _ in results]
    assert len({answer[0] for answer in answers}) == 1  # one fingerprint key, one sealing key, no miss
    assert answers[0][0].endswith(" 0")
    assert sorted(answer[1].strip() for answer in answers) == ["False"] * 7 + ["True"]
    assert sum(err.count("Made the key file") for _, err in results) == 1
    encrypted = EncryptedStore(SQLiteStore(path))
    assert encrypted.load(KEY).payload == b"160"
    assert [encrypted.load(f"{number}").payload for number in range(8)] == [b"%d" % number for number in range(8)]
    assert sorted(entry.name for entry in path.parent.glob("*key*")) == ["tokens.db.key"]
    encrypted.close()
