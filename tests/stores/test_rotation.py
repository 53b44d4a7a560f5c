import threading

import pytest

from roomkey.errors import KeyringError
from roomkey.stores.encrypted_store import NAMESPACE, EncryptedStore
from roomkey.stores.encryption import Miss
from roomkey.stores.keyring import Keyring
from roomkey.stores.memory import MemoryStore
from roomkey.stores.rotation import Rotation, reencrypt, rotate_key, survey
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing.store_conformance import KEY, OTHER


@pytest.fixture
def store(tmp_path):
    store = SQLiteStore(tmp_path / "tokens.db")
    yield store
    store.close()


def test_a_rotation_encrypts_every_record_with_the_new_key(store):
    encrypted = EncryptedStore(store)
    print_ = encrypted.fingerprint(b"client secret")
    encrypted.save(KEY, b"one", 0)
    encrypted.save(OTHER, b"two", 0)
    (old,) = store.keyring.ids
    done = rotate_key(store)
    assert done == Rotation(key_id=store.keyring.ids[0], encrypted=3, unreadable=0, behind=0)
    assert store.keyring.ids == (done.key_id, old)
    assert {record.key_id for record in survey(store).records} == {done.key_id}
    file = store.keyring.file
    file.write_text("\n".join(line for line in file.read_text().splitlines() if not line.startswith(old)))
    again = EncryptedStore(SQLiteStore(store.path))
    assert (again.load(KEY).payload, again.load(OTHER).payload) == (b"one", b"two")
    assert again.fingerprint(b"client secret") == print_
    assert again.misses.total == 0
    again.close()


def test_unreadable_and_newer_records_are_left_as_they_are(store):  # client 62, 64
    EncryptedStore(store).save(KEY, b"one", 0)
    foreign = Keyring.generate().seal(b"theirs", key=NAMESPACE + OTHER)
    store.put(NAMESPACE + OTHER, foreign, generation=0)
    store.put("v2:" + OTHER, b"\x02newer", generation=0)
    done = rotate_key(store)
    assert (done.encrypted, done.unreadable, done.behind) == (1, 1, 0)
    assert store.get(NAMESPACE + OTHER).value == foreign
    assert store.get("v2:" + OTHER).value == b"\x02newer"


def test_keys_from_elsewhere_are_not_rotated_but_records_follow_them():
    keys = ["a:" + "A" * 43]
    store = MemoryStore(Keyring.from_callable(lambda: ",".join(keys)))
    EncryptedStore(store).save(KEY, b"one", 0)
    with pytest.raises(KeyringError, match="put a new key first there"):
        rotate_key(store)
    keys.insert(0, "b:" + "B" * 42 + "A")
    assert reencrypt(store) == Rotation(key_id="b", encrypted=1, unreadable=0, behind=0)
    keys.pop()
    assert EncryptedStore(store).load(KEY).payload == b"one"


def test_a_survey_lists_what_is_there_and_no_payload(store):
    encrypted = EncryptedStore(store)
    generation = encrypted.save(KEY, b"planted", 0)
    store.put(NAMESPACE + OTHER, b"\x01", generation=0)
    store.put("v2:" + OTHER, b"newer", generation=0)
    found = survey(store)
    mine, broken = found.records
    assert found.other_versions == 1
    assert (mine.key, mine.generation, mine.key_id, mine.current, mine.miss) == (
        KEY,
        generation,
        store.keyring.ids[0],
        True,
        None,
    )
    assert mine.size == len(store.get(NAMESPACE + KEY).value)
    assert (broken.key, broken.key_id, broken.current, broken.miss) == (OTHER, "", False, Miss.DAMAGED)
    assert "planted" not in repr(found)


def test_a_survey_changes_nothing(store):
    encrypted = EncryptedStore(store)
    generation = encrypted.save(KEY, b"one", 0)
    store.keyring.rotate()
    (record,) = survey(store).records
    assert (record.current, record.miss, record.generation) == (False, None, generation)
    assert store.get(NAMESPACE + KEY).generation == generation


def test_nothing_is_lost_while_others_write_during_rotations(tmp_path, store):
    encrypted, stop, written = EncryptedStore(store), threading.Event(), []

    def write():
        own = EncryptedStore(SQLiteStore(store.path))
        while not stop.is_set():
            loaded = own.load(KEY)
            assert loaded.miss is None
            count = int(loaded.payload or b"0")
            if own.save(KEY, b"%d" % (count + 1), loaded.generation) is not None:
                written.append(count + 1)
        written.append(own.misses.total)
        own.close()

    encrypted.save(KEY, b"0", 0)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(8):
            assert rotate_key(store).unreadable == 0
    finally:
        stop.set()
        writer.join(30)
    assert written.pop() == 0
    assert written == list(range(1, len(written) + 1))
    assert encrypted.load(KEY).payload == b"%d" % len(written)
