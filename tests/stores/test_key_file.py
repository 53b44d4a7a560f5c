import base64
import fcntl
import logging
import os
import stat
import subprocess
import sys
import textwrap

import pytest

from roomkey.errors import KeyringError
from roomkey.stores import key_file, private_file
from roomkey.stores.keyring import Keyring
from roomkey.testing.store_conformance import KEY, at_once

ONE, TWO = (f"{name}:{base64.urlsafe_b64encode(name[0].encode() * 32).decode()}" for name in ("one", "two"))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "keys"


def write(path, content, mode=0o600):
    path.write_text(content)
    path.chmod(mode)


def test_keys_are_read_from_a_file(path):
    write(path, f"# made by hand\n{TWO}\n{ONE}\n")
    keys = Keyring.from_file(path)
    assert keys.ids == ("two", "one")
    assert keys.file == path
    assert repr(keys) == f"Keyring(two, one; from the key file {path})"


def test_a_changed_file_is_read_again_without_a_restart(path):
    write(path, ONE)
    keys = Keyring.from_file(path)
    sealed = keys.seal(b"payload", key=KEY)
    fresh = path.with_suffix(".new")
    write(fresh, f"{TWO},{ONE}")
    fresh.replace(path)
    assert keys.ids == ("two", "one")
    assert keys.open(sealed, key=KEY).current is False
    write(path, TWO)
    assert keys.ids == ("two",)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o602])
def test_a_file_that_others_may_use_is_rejected(path, mode):  # client 63
    write(path, ONE, mode)
    with pytest.raises(KeyringError, match=rf"may be used by others \(mode 0{mode:o}\); run chmod 600 on it, or pass"):
        Keyring.from_file(path)


def test_a_symlink_is_rejected_also_one_to_a_valid_file(path):  # client 63
    write(path.with_suffix(".real"), ONE)
    path.symlink_to(path.with_suffix(".real"))
    with pytest.raises(KeyringError, match="is a symbolic link"):
        Keyring.from_file(path)
    with pytest.raises(KeyringError, match="is a symbolic link"):
        Keyring.from_file(path, create=True).seal(b"payload", key=KEY)


def test_a_pipe_is_rejected_and_not_waited_for(path):  # client 63
    os.mkfifo(path, 0o600)
    with pytest.raises(KeyringError, match="is not a regular file"):
        Keyring.from_file(path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [("", "no key in it"), ("ä", "not ASCII"), ("#" * 9000, "larger than 8192 bytes"), (ONE[:-5], "right form")],
)
def test_a_file_without_usable_keys_is_rejected_without_being_shown(path, content, problem, shown):
    write(path, content)
    with pytest.raises(KeyringError, match=f"The key file .*keys holds no usable keys: .*{problem}") as caught:
        Keyring.from_file(path)
    text_shown = shown(caught.value)
    assert ONE[4:20] not in text_shown


def test_a_missing_file_is_named_and_not_made(path):
    with pytest.raises(KeyringError, match="keys is missing"):
        Keyring.from_file(path)
    assert not path.exists()


@pytest.mark.parametrize("trouble", ["unlinked", "opened to others", "garbled", "linked"])
def test_keys_go_on_serving_when_the_file_turns_bad_with_one_warning(path, caplog, trouble):  # client 15
    write(path, ONE)
    keys = Keyring.from_file(path)
    sealed = keys.seal(b"payload", key=KEY)
    if trouble == "unlinked":
        path.unlink()
    elif trouble == "opened to others":
        path.chmod(0o644)
    elif trouble == "garbled":
        path.write_text("garbled")
    else:
        path.unlink()
        path.symlink_to("/dev/null")
    with caplog.at_level(logging.DEBUG, "roomkey"):
        for _ in range(3):
            assert keys.open(sealed, key=KEY).plaintext == b"payload"
            assert keys.open(keys.seal(b"more", key=KEY), key=KEY).current
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert ONE[4:20] not in caplog.text
    path.unlink(missing_ok=True)
    write(path, TWO)
    assert keys.ids == ("two",)


def test_a_file_is_made_when_it_is_first_needed_and_not_before(tmp_path):  # client 63
    path = tmp_path / "new" / "folder" / "keys"
    keys = Keyring.from_file(path, create=True)
    assert repr(keys) == f"Keyring(not read yet; from the key file {path})"
    assert not (tmp_path / "new").exists()
    sealed = keys.seal(b"payload", key=KEY)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]
    assert Keyring.from_file(path).open(sealed, key=KEY).plaintext == b"payload"


def test_a_file_that_was_there_is_not_made_again_when_it_goes(path):  # client 15
    write(path, ONE)
    keys = Keyring.from_file(path, create=True)
    assert keys.ids == ("one",)
    path.unlink()
    assert keys.ids == ("one",)
    assert not path.exists()


def test_threads_that_race_make_one_key(path):
    rings = [Keyring.from_file(path, create=True) for _ in range(8)]
    assert len(set(at_once(8, lambda number: rings[number].ids))) == 1


PROCESS = """
    import sys
    from roomkey.stores.keyring import Keyring
    keys = Keyring.from_file(sys.argv[1], create=True)
    print("ready", flush=True)
    sys.stdin.readline()
    print(keys.rotate() if sys.argv[2] == "rotate" else keys.ids[0])
    """


def race(path, what, count=6):
    """Run processes that wait for one another, then all do the same thing; what each printed."""
    command = [sys.executable, "-c", textwrap.dedent(PROCESS), str(path), what]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen(command, **pipes) for _ in range(count)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("go\n")
        process.stdin.flush()
    results = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * count, results
    return [out.strip() for out, _ in results]


@pytest.mark.slow
@pytest.mark.slow
def test_processes_that_race_make_one_key(path):
    assert len(set(race(path, "make"))) == 1
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


@pytest.mark.slow
@pytest.mark.slow
def test_processes_that_rotate_at_once_each_add_their_key(path):
    write(path, ONE)
    added = race(path, "rotate")
    assert len(set(added)) == 6
    assert set(Keyring.from_file(path).ids) == {*added, "one"}
    assert [entry.name for entry in path.parent.iterdir()] == ["keys"]


def test_a_rotation_holds_the_lock_of_the_file_that_it_replaces(path, monkeypatch):
    write(path, ONE)
    lock, replace, others = key_file._lock, private_file.replace, []

    def lock_a_file_that_was_just_replaced(descriptor):
        monkeypatch.setattr(key_file, "_lock", lock)
        others.append(Keyring.from_file(path).rotate())
        monkeypatch.setattr(private_file, "replace", replace_while_locked)
        return lock(descriptor)

    def replace_while_locked(target, content):
        with target.open() as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        replace(target, content)

    monkeypatch.setattr(key_file, "_lock", lock_a_file_that_was_just_replaced)
    new = Keyring.from_file(path).rotate()
    assert Keyring.from_file(path).ids == (new, *others, "one")


def test_rotation_puts_a_new_key_first_and_keeps_the_others(path):
    write(path, f"{TWO},{ONE}")
    keys, elsewhere = Keyring.from_file(path), Keyring.from_file(path)
    sealed = keys.seal(b"payload", key=KEY)
    new = keys.rotate()
    assert keys.ids == elsewhere.ids == (new, "two", "one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert elsewhere.open(sealed, key=KEY).plaintext == b"payload"
    assert elsewhere.open(keys.seal(b"payload", key=KEY), key=KEY).current


def test_the_oldest_key_leaves_after_sixteen(path):
    write(path, ONE)
    keys = Keyring.from_file(path)
    for _ in range(15):
        keys.rotate()
    assert len(keys.ids) == 16
    assert keys.ids[-1] == "one"
    keys.rotate()
    assert len(keys.ids) == 16
    assert "one" not in keys.ids


@pytest.mark.parametrize("trouble", ["garbled", "missing"])
def test_a_rotation_never_writes_over_what_it_cannot_read(path, trouble):
    write(path, ONE)
    keys = Keyring.from_file(path)
    if trouble == "missing":
        path.unlink()
    else:
        path.write_text("garbled")
    with pytest.raises(KeyringError, match="nothing was rotated"):
        keys.rotate()
    assert not path.exists() if trouble == "missing" else path.read_text() == "garbled"


def test_a_rotation_that_never_ends_is_not_waited_for_without_limit(path, monkeypatch):
    monkeypatch.setattr("roomkey.stores.key_file._LONGEST_WAIT", 0.1)
    write(path, ONE)
    with path.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(KeyringError, match=r"another process is rotating it\); nothing was rotated"):
            Keyring.from_file(path).rotate()
