import logging
import os
import sqlite3
import stat
import subprocess
import sys
import tempfile
import textwrap
import threading
from pathlib import Path

import pytest

from roomkey.errors import StoreUnavailable
from roomkey.stores.encrypted_store import EncryptedStore
from roomkey.stores.keyring import Keyring
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing.clock import FakeClock
from roomkey.testing.store_conformance import KEY, OTHER, StoreConformance, at_once

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


class SQLiteWorld:
    def __init__(self, folder):
        self.clock = FakeClock()
        self.path = folder / "tokens.db"
        self.opened = []

    def open(self):
        self.opened.append(SQLiteStore(self.path, clock=self.clock))
        return self.opened[-1]

    def advance(self, seconds):
        self.clock.advance(seconds)

    def step_clock(self, seconds):
        self.clock.step_wall(seconds)

    def close(self):
        for store in self.opened:
            store.close()


@pytest.fixture
def world(tmp_path):
    world = SQLiteWorld(tmp_path)
    yield world
    world.close()


class TestSQLiteStoreConformance(StoreConformance):
    @pytest.fixture
    def world(self, tmp_path):
        world = SQLiteWorld(tmp_path)
        yield world
        world.close()


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def python(code, *arguments, **options):
    """Run code in a fresh interpreter."""
    command = [sys.executable, "-W", "error", "-c", textwrap.dedent(code), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)


def test_nothing_is_touched_before_the_first_use(tmp_path):
    store = SQLiteStore(tmp_path / "new" / "tokens.db")
    assert store.name in f"SQLite file {tmp_path / 'new' / 'tokens.db'}"
    assert "tokens.db" in repr(store)
    assert repr(store.keyring)
    store.close()
    assert list(tmp_path.iterdir()) == []


def test_every_file_is_for_its_owner_only_whatever_the_umask(tmp_path):  # client 63
    before = os.umask(0)
    try:
        store = SQLiteStore(tmp_path / "a" / "b" / "tokens.db")
        EncryptedStore(store).save(KEY, b"payload", 0)
        files = {path.name: mode(path) for path in (tmp_path / "a" / "b").iterdir()}
        store.close()
    finally:
        os.umask(before)
    assert files == dict.fromkeys(("tokens.db", "tokens.db-wal", "tokens.db-shm", "tokens.db.key"), 0o600)
    assert mode(tmp_path / "a") == mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_a_symlink_is_rejected_and_its_target_left_alone(tmp_path, world, suffix):  # client 63
    target = tmp_path / "elsewhere"
    target.write_bytes(b"")
    target.chmod(0o600)
    (tmp_path / f"tokens.db{suffix}").symlink_to(target)
    with pytest.raises(StoreUnavailable, match=f"tokens.db{suffix} is a symbolic link"):
        world.open().get(KEY)
    assert target.read_bytes() == b""


def test_a_symlink_to_nothing_makes_no_file(tmp_path, world):  # client 63
    world.path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(StoreUnavailable, match="is a symbolic link"):
        world.open().put(KEY, b"value", generation=0)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("bits", [0o604, 0o640, 0o620, 0o666])
def test_a_file_that_others_may_use_is_rejected_with_what_to_do(world, bits):  # client 63
    store = world.open()
    store.put(KEY, b"value", generation=0)
    store.close()
    world.path.chmod(bits)
    with pytest.raises(StoreUnavailable, match=rf"tokens.db may be used by others \(mode 0{bits:o}\); run chmod 600"):
        store.get(KEY)
    world.path.chmod(0o600)
    assert store.get(KEY).value == b"value"


def test_a_folder_in_its_place_is_rejected(world):
    world.path.mkdir()
    with pytest.raises(StoreUnavailable, match="not a regular file"):
        world.open().get(KEY)


def test_a_newer_schema_is_rejected_and_the_file_left_as_it_is(world):  # client 64
    store = world.open()
    store.put(KEY, b"value", generation=0)
    store.close()
    with sqlite3.connect(world.path) as database:
        database.execute("PRAGMA user_version = 2")
        database.execute("ALTER TABLE record ADD COLUMN more TEXT")
    database.close()
    before = world.path.read_bytes()
    for use in (lambda: store.get(KEY), lambda: store.put(KEY, b"x", generation=1), lambda: store.delete(KEY)):
        with pytest.raises(StoreUnavailable, match=r"newer roomkey \(schema 2, this one knows 1\); upgrade"):
            use()
    store.close()
    assert world.path.read_bytes() == before
    with sqlite3.connect(world.path) as database:
        database.execute("PRAGMA user_version = 1")
    database.close()
    assert store.get(KEY).value == b"value"


def test_another_programs_database_is_rejected_and_left_as_it_is(world):
    with sqlite3.connect(world.path) as database:
        database.execute("CREATE TABLE bookmarks (url TEXT)")
    database.close()
    world.path.chmod(0o600)
    before = world.path.read_bytes()
    with pytest.raises(StoreUnavailable, match="belongs to another program"):
        world.open().put(KEY, b"value", generation=0)
    assert world.path.read_bytes() == before


@pytest.mark.parametrize("content", [b"this is no database, and long enough to look at\n" * 100, b"\x00" * 8192])
def test_a_file_that_is_no_database_is_rejected_and_left_as_it_is(world, content):  # client 62
    world.path.write_bytes(content)
    world.path.chmod(0o600)
    with pytest.raises(StoreUnavailable, match=r"tokens\.db cannot be used: it is no SQLite file"):
        world.open().put(KEY, b"value", generation=0)
    assert world.path.read_bytes() == content


def test_a_damaged_database_is_rejected_never_destroyed_and_works_once_it_is_moved_away(world):  # client 62, 15
    store = world.open()
    for number in range(50):
        store.put(f"{number}", b"value" * 500, generation=0)
    store.close()
    whole = world.path.read_bytes()
    damaged = whole[:4096] + b"\xff" * (len(whole) - 4096)
    world.path.write_bytes(damaged)
    with pytest.raises(StoreUnavailable, match="it is damaged; move it away"):
        store.get("7")
    with pytest.raises(StoreUnavailable, match="it is damaged; move it away"):
        store.put("7", b"value", generation=0)
    assert str(world.path) not in open_files()  # the next use starts afresh
    assert world.path.read_bytes() == damaged
    world.path.rename(world.path.with_suffix(".damaged"))
    assert store.put("7", b"value", generation=0) is not None


def test_a_value_that_became_text_reads_as_damaged(world):  # client 62
    store = world.open()
    encrypted = EncryptedStore(store)
    encrypted.save(KEY, b"payload", 0)
    with sqlite3.connect(world.path) as database:
        database.execute("UPDATE record SET value = 'text'")
    database.close()
    assert encrypted.load(KEY).payload is None
    assert encrypted.misses.damaged == 1


def test_a_full_disk_is_an_outage_that_loses_nothing_and_ends(world):  # client 15, 63
    store = world.open()
    store.put(KEY, b"old", generation=0)
    store.close()
    outcome = python(
        """
        import resource, signal, sys
        from roomkey.errors import StoreUnavailable
        from roomkey.stores.sqlite import SQLiteStore
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        store = SQLiteStore(sys.argv[1])
        generation = store.get(sys.argv[2]).generation
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, resource.RLIM_INFINITY))
        try:
            store.put(sys.argv[2], b"n" * 200_000, generation=generation)
        except StoreUnavailable as error:
            print("refused:", error)
        print(store.get(sys.argv[2]).value)
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        print(store.put(sys.argv[2], b"new", generation=generation) is not None)
        """,
        world.path,
        KEY,
    )
    lines = outcome.stdout.splitlines()
    assert lines[0].startswith("refused: The SQLite file"), outcome
    assert lines[1:] == ["b'old'", "True"], outcome
    assert store.get(KEY).value == b"new"


def let_others_in(folder):
    """Root writes everywhere, so that somebody else has to try, who must get as far as the folder."""
    shared = Path(tempfile.gettempdir())
    if not folder.is_relative_to(shared):
        pytest.skip(f"the tests' folders do not lie in {shared}")
    for above in (folder, *folder.parents):
        if above == shared or os.geteuid() != 0:
            return
        above.chmod(0o755)


AS_NOBODY = """
    import os, sqlite3, sys
    from roomkey.errors import StoreUnavailable
    from roomkey.stores.sqlite import SQLiteStore
    if os.geteuid() == 0:
        os.setgid(65534); os.setuid(65534)
    try:
        SQLiteStore(sys.argv[1]).put("key", b"value", generation=0)
    except StoreUnavailable as error:
        print(error)
    """


def test_a_folder_that_cannot_be_written_is_an_outage(tmp_path):  # client 15
    folder = tmp_path / "sealed"
    folder.mkdir(mode=0o555)
    let_others_in(tmp_path)
    outcome = python(AS_NOBODY, folder / "tokens.db")
    assert "tokens.db cannot be used: Permission denied." in outcome.stdout, outcome
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to somebody else")
def test_another_users_file_is_rejected(tmp_path):  # client 63
    let_others_in(tmp_path)
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(0o777)
    path = folder / "tokens.db"
    path.write_bytes(b"")
    path.chmod(0o600)
    os.chown(path, 1, 1)
    outcome = python(AS_NOBODY, path)
    assert "tokens.db belongs to another user" in outcome.stdout, outcome


def test_a_writer_that_never_ends_is_an_outage_after_a_bounded_wait(world, monkeypatch):  # client 15
    monkeypatch.setattr("roomkey.stores.sqlite._LONGEST_WAIT", 0.2)
    store = world.open()
    store.put(KEY, b"value", generation=0)
    blocker = sqlite3.connect(world.path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    try:
        with pytest.raises(StoreUnavailable, match="another process has been writing"):
            store.put(KEY, b"new", generation=1)
        assert store.get(KEY).value == b"value"  # readers do not wait for writers
        with pytest.raises(StoreUnavailable):
            store.lease(KEY, owner="a", seconds=10)
    finally:
        blocker.execute("ROLLBACK")
        blocker.close()
    assert store.put(KEY, b"new", generation=1) is not None


def test_a_writer_that_ends_in_time_is_waited_for(world):
    store = world.open()
    store.put(KEY, b"value", generation=0)
    blocker = sqlite3.connect(world.path, isolation_level=None, check_same_thread=False)
    blocker.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.15, lambda: blocker.execute("ROLLBACK"))
    timer.start()
    try:
        assert store.put(KEY, b"new", generation=1) is not None
    finally:
        timer.join()
        blocker.close()


def test_an_interrupted_write_leaves_nothing_behind(world):  # client 63
    store = world.open()
    store.put(KEY, b"value", generation=0)

    def half(database):
        database.execute("DELETE FROM record")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store._run(half, transaction="FULL")
    assert store.get(KEY).value == b"value"
    assert world.open().put(KEY, b"new", generation=1) is not None


@pytest.mark.slow
@pytest.mark.slow
def test_handles_that_race_make_one_file(tmp_path):  # client 63
    for turn in range(15):
        stores = [SQLiteStore(tmp_path / f"{turn}" / "tokens.db") for _ in range(8)]
        answers = at_once(8, lambda number, stores=stores: stores[number].put(KEY, b"value", generation=0))
        assert sorted(answer is not None for answer in answers) == [False] * 7 + [True]
        for store in stores:
            store.close()


def test_a_file_that_was_deleted_is_made_again(world):
    store, other = world.open(), world.open()
    first = store.put(KEY, b"value", generation=0)
    for path in world.path.parent.glob("tokens.db*"):
        path.unlink()
    assert store.get(KEY) is None
    assert store.put(OTHER, b"value", generation=0) is not None
    assert first is not None
    assert other.keys() == [OTHER]


def test_the_path_is_kept_when_the_working_folder_changes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = SQLiteStore("tokens.db")
    assert store.name == "SQLite file tokens.db"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put(KEY, b"value", generation=0)
    store.close()
    assert (tmp_path / "tokens.db").exists()


@pytest.mark.parametrize("path", ["", ":memory:", b"tokens.db"])
def test_only_the_path_of_a_file_will_do(path):
    with pytest.raises(ValueError, match="MemoryStore"):
        SQLiteStore(path)


def test_a_lease_too_far_away_counts_as_ended(world):
    store = world.open()
    assert store.lease(KEY, owner="a", seconds=60)
    world.step_clock(-0.5)
    assert world.open().lease(KEY, owner="b", seconds=60)


def test_expired_leases_and_deleted_records_do_not_grow_the_file(world):  # client 61
    store = world.open()
    for number in range(300):
        generation = store.put(f"{number}", b"v" * 2000, generation=0)
        assert store.lease(f"{number}", owner="a", seconds=10)
        assert store.delete(f"{number}", generation=generation)
        world.advance(11)
    store.close()
    assert world.path.stat().st_size < 100_000
    database = sqlite3.connect(world.path)
    rows = [database.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("record", "lease", "counter")]
    database.close()
    assert rows == [0, 1, 1]


def test_puts_survive_a_power_cut_and_leases_do_not_pay_for_it(world):  # client 63
    store = world.open()
    store.put(KEY, b"value", generation=0)
    asked = []
    store._open[0].set_trace_callback(asked.append)
    store.put(KEY, b"new", generation=1)
    store.delete(KEY)
    assert [line for line in asked if "synchronous" in line] == ["PRAGMA synchronous = FULL"] * 2
    asked.clear()
    store.lease(KEY, owner="a", seconds=10)
    store.release(KEY, owner="a")
    assert [line for line in asked if "synchronous" in line] == ["PRAGMA synchronous = NORMAL"] * 2


def test_without_a_keyring_a_key_file_is_made_and_said_so_once(world, caplog):
    with caplog.at_level(logging.DEBUG, "roomkey"):
        EncryptedStore(world.open()).save(KEY, b"payload", 0)
        assert EncryptedStore(world.open()).load(KEY).payload == b"payload"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert str(world.path) + ".key" in caplog.text
    key = (world.path.parent / "tokens.db.key").read_text().split(":")[-1].strip()
    assert key not in caplog.text


def test_with_a_keyring_no_key_file_is_made(tmp_path, caplog):
    with caplog.at_level(logging.DEBUG, "roomkey"):
        store = SQLiteStore(tmp_path / "tokens.db", keyring=Keyring.generate())
        EncryptedStore(store).save(KEY, b"payload", 0)
        store.close()
    assert [path.name for path in tmp_path.iterdir()] == ["tokens.db"]
    assert not caplog.records


def test_a_key_file_that_cannot_be_used_is_an_outage_of_the_store(world):  # client 15
    world.path.with_name("tokens.db.key").mkdir()
    encrypted = EncryptedStore(world.open())
    with pytest.raises(
        StoreUnavailable, match=r"encrypted or decrypted. The key file .*tokens.db.key is not a regular file"
    ):
        encrypted.save(KEY, b"payload", 0)


def test_a_fork_shares_nothing_and_both_sides_go_on(world):  # client 14
    store = world.open()
    encrypted = EncryptedStore(store)
    generation = encrypted.save(KEY, b"before", 0)
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            ok = encrypted.load(KEY).payload is not None and encrypted.save(f"{number}", b"child's", 0) is not None
            os._exit(0 if ok and not store._lock.locked() else 1)
        children.append(child)
        generation = encrypted.save(KEY, b"parent's", generation)
        assert generation is not None
    assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * 4
    assert encrypted.keys() == sorted([KEY, *"0123"])


def open_files():
    return {os.path.realpath(link) for link in Path("/proc/self/fd").iterdir()}


@pytest.mark.slow
@pytest.mark.slow
def test_a_fork_waits_for_a_write_and_takes_no_lock_or_open_file_along(world):  # client 14
    store = world.open()
    store.put(KEY, b"0", generation=0)
    stop = threading.Event()

    def write(number):
        while not stop.is_set():
            stored = store.get(KEY)
            store.put(KEY, stored.value, generation=stored.generation)

    def fork(_):
        try:
            for _ in range(15):
                child = os.fork()
                if child == 0:
                    ok = str(world.path) not in open_files() and store.get(KEY) is not None
                    store.put("child", b"x", generation=0)
                    os._exit(0 if ok else 1)
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        finally:
            stop.set()

    at_once(4, lambda number: fork(number) if number == 0 else write(number))
    assert store.keys() == sorted([KEY, "child"])


def test_a_fork_that_nobody_announced_leaves_the_inherited_connection_alone(world, monkeypatch):  # client 14
    store = world.open()
    store.put(KEY, b"value", generation=0)
    inherited = store._open[0]
    monkeypatch.setattr("roomkey.stores.sqlite._inherited", kept := [])
    child = os.getpid() + 1
    monkeypatch.setattr("os.getpid", lambda: child)
    assert store.get(KEY).value == b"value"
    assert kept == [inherited]
    assert store._open[0] is not inherited
    store.close()
    monkeypatch.undo()
    inherited.execute("SELECT 1")  # still open
    inherited.close()


def test_a_store_that_is_never_closed_ends_quietly(tmp_path):  # client 16
    outcome = python(
        """
        import sys, threading
        from roomkey.stores.sqlite import SQLiteStore
        from roomkey.stores.encrypted_store import EncryptedStore
        encrypted = EncryptedStore(SQLiteStore(sys.argv[1]))
        encrypted.save("key", b"payload", 0)
        threading.Thread(target=lambda: [encrypted.load("key") for _ in range(10**9)], daemon=True).start()
        SQLiteStore(sys.argv[1] + "2").put("key", b"value", generation=0)
        """,
        tmp_path / "tokens.db",
    )
    assert outcome.returncode == 0, outcome
    assert outcome.stderr.count("\n") == 1, outcome.stderr  # the line that names the key file
    assert "Made the key file" in outcome.stderr


def test_importing_and_constructing_load_neither_sqlite3_nor_cryptography(tmp_path):  # client 70
    outcome = python(
        """
        import sys
        from roomkey.stores.sqlite import SQLiteStore
        from roomkey.stores.memory import MemoryStore
        from roomkey.stores.encrypted_store import EncryptedStore
        EncryptedStore(SQLiteStore(sys.argv[1])), EncryptedStore(MemoryStore())
        print(sorted({name.split(".")[0] for name in sys.modules} & {"sqlite3", "cryptography", "httpx2", "httpx"}))
        """,
        tmp_path / "tokens.db",
    )
    assert outcome.stdout == "[]\n", outcome
