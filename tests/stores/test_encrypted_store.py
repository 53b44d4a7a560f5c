import base64
import os
import pickle
import threading

import pytest

from roomkey.errors import StoreUnavailable
from roomkey.stores.encrypted_store import NAMESPACE, EncryptedStore, Loaded, Misses
from roomkey.stores.encryption import Miss
from roomkey.stores.keyring import Keyring
from roomkey.stores.memory import MemoryStore
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing.store_conformance import KEY, OTHER, at_once

pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

PAYLOAD = b'{"access_token": "a planted token"}'


def keyring(*ids):
    keys = ",".join(f"{name}:{base64.urlsafe_b64encode(name[0].encode() * 32).decode()}" for name in ids)
    return Keyring.from_callable(lambda: keys)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "tokens.db"


@pytest.fixture
def shared(path):
    """Vaults on one SQLite file, each with the keyring asked for."""
    opened = []

    def open_encrypted(*ids):
        opened.append(EncryptedStore(SQLiteStore(path, keyring(*ids))))
        return opened[-1]

    yield open_encrypted
    for encrypted in opened:
        encrypted.close()


class Down:
    """A store whose disk is gone."""

    name = "broken store"

    def __init__(self, keys):
        self.keyring = keys

    def __getattr__(self, name):
        def fail(*arguments, **named):
            raise StoreUnavailable("The broken store cannot be used.")

        return fail


def test_a_payload_is_saved_loaded_replaced_and_deleted():
    encrypted = EncryptedStore(MemoryStore())
    assert (encrypted.load(KEY).payload, encrypted.load(KEY).generation, encrypted.load(KEY).miss) == (None, 0, None)
    first = encrypted.save(KEY, PAYLOAD, 0)
    assert encrypted.save(KEY, b"blind", 0) is None
    second = encrypted.save(KEY, b"second", first)
    assert encrypted.save(KEY, b"late", first) is None
    assert (encrypted.load(KEY).payload, encrypted.load(KEY).generation) == (b"second", second)
    assert encrypted.delete(KEY, first) is False
    assert encrypted.delete(KEY, second) is True
    assert encrypted.load(KEY).payload is None
    assert encrypted.misses == Misses()


def test_the_stores_leases_are_reached_through_it():
    encrypted = EncryptedStore(MemoryStore())
    assert encrypted.lease(KEY, owner="a", seconds=10)
    assert not encrypted.lease(KEY, owner="b", seconds=10)
    encrypted.release(KEY, owner="b")
    assert not encrypted.lease(KEY, owner="b", seconds=10)
    encrypted.release(KEY, owner="a")
    assert encrypted.lease(KEY, owner="b", seconds=10)


def damage(stored):
    return bytes([*stored[:-1], stored[-1] ^ 1])


@pytest.mark.parametrize(
    ("change", "miss"),
    [
        (damage, Miss.DAMAGED),
        (lambda stored: stored[:-1], Miss.DAMAGED),
        (lambda stored: b"", Miss.DAMAGED),
        (lambda stored: b"\x09" + stored[1:], Miss.NEWER_VERSION),
        (lambda stored: keyring("foreign").seal(b"payload", key=NAMESPACE + KEY), Miss.UNKNOWN_KEY),
    ],
)
def test_what_cannot_be_read_is_a_counted_miss_and_can_be_overwritten(change, miss):  # client 62
    store = MemoryStore(keyring("one"))
    encrypted = EncryptedStore(store)
    encrypted.save(KEY, PAYLOAD, 0)
    stored = store.get(NAMESPACE + KEY)
    generation = store.put(NAMESPACE + KEY, change(stored.value), generation=stored.generation)
    for count in (1, 2):
        loaded = encrypted.load(KEY)
        assert (loaded.payload, loaded.generation, loaded.miss) == (None, generation, miss)
        assert encrypted.misses == Misses(**{miss.value: count})
        assert encrypted.misses.total == count
    assert encrypted.save(KEY, b"new", generation) is not None
    assert encrypted.load(KEY).payload == b"new"


def test_a_record_swapped_with_another_tenants_is_a_miss():  # client 62
    store = MemoryStore()
    encrypted = EncryptedStore(store)
    encrypted.save(KEY, b"tenant a", 0)
    encrypted.save(OTHER, b"tenant b", 0)
    theirs, mine = store.get(NAMESPACE + OTHER), store.get(NAMESPACE + KEY)
    store.put(NAMESPACE + KEY, theirs.value, generation=mine.generation)
    assert encrypted.load(KEY).payload is None
    assert encrypted.load(KEY).miss is Miss.DAMAGED
    assert encrypted.load(OTHER).payload == b"tenant b"


def test_a_record_of_an_old_key_is_encrypted_again_when_it_is_read(shared):  # client 62
    written = shared("old").save(KEY, PAYLOAD, 0)
    both = shared("new", "old")
    loaded = both.load(KEY)
    assert loaded.payload == PAYLOAD
    assert loaded.generation > written
    again = both.load(KEY)
    assert (again.payload, again.generation) == (PAYLOAD, loaded.generation)
    assert shared("new").load(KEY).payload == PAYLOAD
    assert both.save(KEY, b"next", loaded.generation) is not None


def test_encrypting_again_never_overwrites_a_newer_record(shared, path):  # client 62
    old, both = shared("old"), shared("new", "old")
    first = old.save(KEY, PAYLOAD, 0)
    put = both.store.put

    def put_too_late(key, value, *, generation):
        assert old.save(KEY, b"newer", first) is not None
        return put(key, value, generation=generation)

    both.store.put = put_too_late
    loaded = both.load(KEY)
    assert (loaded.payload, loaded.generation) == (PAYLOAD, first)
    del both.store.put
    assert both.load(KEY).payload == b"newer"


def test_reading_succeeds_although_encrypting_again_fails(shared):  # client 15
    first = shared("old").save(KEY, PAYLOAD, 0)
    both = shared("new", "old")

    def full(key, value, *, generation):
        raise StoreUnavailable("The disk is full.")

    both.store.put = full
    loaded = both.load(KEY)
    assert (loaded.payload, loaded.generation) == (PAYLOAD, first)


def test_two_versions_side_by_side_never_touch_each_others_records():  # client 64
    store = MemoryStore()
    encrypted = EncryptedStore(store)
    generation = store.put("v2:" + KEY, b"\x02 of a newer version", generation=0)
    assert encrypted.load(KEY).payload is None
    assert encrypted.misses.total == 0
    mine = encrypted.save(KEY, PAYLOAD, 0)
    assert encrypted.keys() == [KEY]
    assert encrypted.delete(KEY, mine)
    theirs = store.get("v2:" + KEY)
    assert (theirs.value, theirs.generation) == (b"\x02 of a newer version", generation)


def test_only_its_own_records_are_listed():
    encrypted = EncryptedStore(MemoryStore())
    encrypted.fingerprint(b"secret")
    encrypted.save(OTHER, PAYLOAD, 0)
    encrypted.save(KEY, PAYLOAD, 0)
    assert encrypted.keys() == sorted([KEY, OTHER])


def test_a_fingerprint_is_the_same_for_everybody_who_shares_the_store(shared):  # client 60
    one, two = shared("old"), shared("old")
    print_ = one.fingerprint(b"client secret")
    assert len(print_) == 64
    assert two.fingerprint(b"client secret") == print_ == one.fingerprint(b"client secret")
    assert one.fingerprint(b"client secret 2") != print_
    assert EncryptedStore(MemoryStore()).fingerprint(b"client secret") != print_


def test_a_fingerprint_survives_a_rotation_of_the_keyring(shared):  # client 60
    before = shared("old").fingerprint(b"client secret")
    assert shared("new", "old").fingerprint(b"client secret") == before
    assert shared("new").fingerprint(b"client secret") == before


def test_racing_encrypted_stores_agree_on_one_fingerprint_key(path):  # client 60
    encrypted_stores = [EncryptedStore(SQLiteStore(path)) for _ in range(8)]
    assert len(set(at_once(8, lambda number: encrypted_stores[number].fingerprint(b"client secret")))) == 1
    for encrypted in encrypted_stores:
        encrypted.close()


def test_a_foreign_fingerprint_key_is_neither_used_nor_replaced(shared):  # client 60, 62
    mine = shared("mine").fingerprint(b"client secret")
    foreign = shared("foreign", "x")
    print_ = foreign.fingerprint(b"client secret")
    assert print_ != mine
    assert shared("foreign").fingerprint(b"client secret") == print_  # from the keyring's first key
    assert foreign.misses.unknown_key == 1
    assert shared("mine").fingerprint(b"client secret") == mine


def test_a_fingerprint_is_available_while_the_store_is_down():  # client 15, 60
    encrypted = EncryptedStore(Down(keyring("one", "two")))
    print_ = encrypted.fingerprint(b"client secret")
    assert print_ == EncryptedStore(Down(keyring("one"))).fingerprint(b"client secret")
    assert print_ != encrypted.fingerprint(b"another")
    store = MemoryStore(keyring("one"))
    encrypted._store = store
    assert encrypted.fingerprint(b"client secret") == EncryptedStore(store).fingerprint(b"client secret") != print_


def no_keys():
    raise OSError("no route to the key service, password hunter2")


def test_missing_keys_are_an_outage_of_the_store_and_nothing_is_shown(shown):  # client 15, 66
    store = MemoryStore(keyring("one"))
    EncryptedStore(store).save(KEY, PAYLOAD, 0)
    store.keyring = Keyring.from_callable(no_keys)
    encrypted = EncryptedStore(store)
    uses = {
        "load": lambda: encrypted.load(KEY),
        "save": lambda: encrypted.save(KEY, PAYLOAD, 1),
        "fingerprint": lambda: encrypted.fingerprint(PAYLOAD),
    }
    for name, use in uses.items():
        with pytest.raises(StoreUnavailable, match=r"kept in memory cannot be .* it raised OSError") as caught:
            use()
        text_shown = shown(caught.value)
        assert "planted" not in text_shown, name
        assert "hunter2" not in text_shown, name


def test_a_store_that_fails_shows_no_payload(shown):  # client 66
    encrypted = EncryptedStore(Down(keyring("one")))
    with pytest.raises(StoreUnavailable) as caught:
        encrypted.save(KEY, PAYLOAD, 0)
    text_shown = shown(caught.value)
    assert "planted" not in text_shown


def test_nothing_that_it_gives_out_shows_a_payload(path):  # client 66
    store = SQLiteStore(path)
    encrypted = EncryptedStore(store)
    encrypted.save(KEY, PAYLOAD, 0)
    loaded = encrypted.load(KEY)
    encrypted.fingerprint(b"a planted secret")
    assert repr(loaded) == f"Loaded({len(PAYLOAD)} bytes, generation 1)"
    assert repr(Loaded(None, 3, Miss.DAMAGED)) == "Loaded(damaged, generation 3)"
    shown = repr((loaded, encrypted, vars(encrypted), store, vars(store), store.get(NAMESPACE + KEY)))
    assert "planted" not in shown
    assert encrypted._fingerprint_key.payload.hex() not in shown
    assert repr(encrypted._fingerprint_key.payload) not in shown
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(loaded)
    for thing in (encrypted, store, MemoryStore()):
        with pytest.raises(TypeError):
            pickle.dumps(thing)
    store.close()
    for file in path.parent.iterdir():
        assert b"planted" not in file.read_bytes()


def test_misses_are_counted_exactly_by_many_threads():  # client 62
    store = MemoryStore()
    store.put(NAMESPACE + KEY, b"damaged", generation=0)
    encrypted = EncryptedStore(store)
    at_once(8, lambda _: [encrypted.load(KEY) for _ in range(200)])
    assert encrypted.misses == Misses(newer_version=1600)


def test_a_forked_child_can_count_although_a_thread_was_counting():  # client 14
    store = MemoryStore()
    store.put(NAMESPACE + KEY, b"damaged", generation=0)
    encrypted = EncryptedStore(store)
    with encrypted._lock:
        child = os.fork()
        if child == 0:
            counting = threading.Thread(target=encrypted.load, args=(KEY,), daemon=True)
            counting.start()
            counting.join(5)
            os._exit(1 if counting.is_alive() else 0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
