"""Secrets: read from where they are, read again when they change, never shown, also not by what goes wrong."""

import copy
import os
import pickle
import threading
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.leaks import LeakDetector

import roomkey
from roomkey.secret import Secret, fingerprint

VALUE = "a-secret-of-24-characters"


def causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def raise_it(value: object) -> str:
    raise LookupError(value)


def test_a_variable_is_read_whenever_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    secret = roomkey.Secret.from_env("ORDERS_SECRET")
    for value in (VALUE, VALUE + "2"):
        monkeypatch.setenv("ORDERS_SECRET", value)
        assert secret.reveal() == value
    monkeypatch.delenv("ORDERS_SECRET")
    with pytest.raises(roomkey.SecretUnavailable, match="ORDERS_SECRET is not set"):
        secret.reveal()


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    secret = roomkey.Secret.from_file(path)
    for value in (VALUE, VALUE + "2"):
        path.write_text(value + "\r\n")
        assert secret.reveal() == value
    path.unlink()
    with pytest.raises(roomkey.SecretUnavailable, match="No such file"):
        secret.reveal()


@pytest.mark.parametrize("content", [b"", b"\n", b"a-secret-of-24-characters\xff", b"a-secret-of-24-characters" * 3000])
def test_a_file_that_holds_no_secret_is_named_without_what_it_holds(
    tmp_path: Path, content: bytes
) -> None:  # client 66
    path = tmp_path / "secret"
    path.write_bytes(content)
    with pytest.raises(roomkey.SecretUnavailable, match=str(path)) as caught:
        roomkey.Secret.from_file(path).reveal()
    for error in causes(caught.value):
        LeakDetector([VALUE]).assert_clean(error, vars(error), getattr(error, "object", b""))


def test_a_folder_or_a_pipe_in_place_of_a_file_is_rejected_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(roomkey.SecretUnavailable, match="not a regular file"):
            roomkey.Secret.from_file(path).reveal()


@pytest.mark.parametrize(
    "read",
    [
        VALUE.encode,
        lambda: VALUE + "\udcff",
        lambda: raise_it(VALUE),
        lambda: "",
        lambda: None,
    ],
    ids=["bytes", "no text", "an error", "nothing", "None"],
)
def test_a_callable_without_a_usable_answer_shows_nothing_of_it(read) -> None:  # client 66
    with pytest.raises(roomkey.SecretUnavailable, match="cannot be read") as caught:
        roomkey.Secret.from_callable(read).reveal()
    for error in causes(caught.value):
        LeakDetector([VALUE]).assert_clean(error, vars(error), getattr(error, "object", b""))


def test_a_variable_that_is_no_string_is_rejected_before_anything_is_made_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ORDERS_SECRET", os.fsdecode(VALUE.encode() + b"\xff"))
    with pytest.raises(roomkey.SecretUnavailable, match="UTF-8") as caught:
        roomkey.Secret.from_env("ORDERS_SECRET").reveal()
    LeakDetector([VALUE]).assert_clean(caught.value)


def test_nothing_shows_a_secret(tmp_path: Path) -> None:  # client 66
    (tmp_path / "secret").write_text(VALUE)
    kept = roomkey.Secret.from_file(tmp_path / "secret")
    assert kept.reveal() == VALUE
    for secret in (roomkey.Secret(VALUE), kept, roomkey.Secret.from_callable(lambda: VALUE)):
        LeakDetector([VALUE]).assert_clean(secret, [secret], {"secret": secret})
        with pytest.raises(TypeError, match="not pickled"):
            pickle.dumps(secret)


def test_two_secrets_from_one_place_are_equal() -> None:
    assert roomkey.Secret(VALUE) == roomkey.Secret(VALUE) != roomkey.Secret(VALUE + "2")
    assert len({roomkey.Secret.from_env("A"), roomkey.Secret.from_env("A"), roomkey.Secret.from_env("B")}) == 2
    assert roomkey.Secret("A") != roomkey.Secret.from_env("A")


@pytest.fixture(params=["value", "env", "file", "callable"])
def secret(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Secret:
    """One of each kind, all with the same value."""
    monkeypatch.setenv("THE_SECRET", VALUE)
    (tmp_path / "secret").write_text(VALUE)
    kinds = {
        "value": Secret(VALUE),
        "env": Secret.from_env("THE_SECRET"),
        "file": Secret.from_file(tmp_path / "secret"),
        "callable": Secret.from_callable(lambda: VALUE),
    }
    assert kinds[request.param].kind == request.param
    return kinds[request.param]


def test_every_kind_reveals_its_value_and_shows_it_nowhere(secret: Secret) -> None:
    assert secret.reveal() == VALUE
    LeakDetector([VALUE]).assert_clean(secret, secret.origin, secret.kind)


def test_a_secret_copies_as_itself(secret: Secret) -> None:
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"one": secret})["one"] is secret
    assert Secret.of(secret) is secret
    assert Secret.of(VALUE).reveal() == VALUE


def test_what_is_no_string_is_rejected_and_not_repeated() -> None:
    with pytest.raises(TypeError, match="must be a string") as caught:
        Secret(VALUE.encode())  # type: ignore[arg-type]
    LeakDetector([VALUE]).assert_clean(str(caught.value))
    with pytest.raises(ValueError, match="must not be empty"):
        Secret("")


def test_a_traceback_with_locals_can_show_a_secret_whose_making_was_rejected() -> None:
    with pytest.raises(ValueError, match="must not be empty") as caught:
        Secret("")
    shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    assert "Secret(••••)" in "".join(shown.format())


def test_only_line_ends_and_a_byte_order_mark_are_dropped_from_a_file(tmp_path: Path) -> None:
    for written, read in ((" a b \n\n", " a b "), ("a\nb\n", "a\nb"), ("\ufeffa", "a"), ("ä€😀\r\n", "ä€😀")):
        (tmp_path / "secret").write_bytes(written.encode())
        assert Secret.from_file(tmp_path / "secret").reveal() == read


def test_a_file_of_64_kib_is_read_and_one_more_byte_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"x" * 65_536)
    secret = Secret.from_file(tmp_path / "secret")
    assert len(secret.reveal()) == 65_536
    (tmp_path / "secret").write_bytes(b"x" * 65_537)
    with pytest.raises(roomkey.SecretUnavailable, match="at most 64 KiB"):
        secret.reveal()


@pytest.mark.parametrize("path", ["a\0b", "x" * 5000, "/dev/zero"])
def test_a_path_that_no_file_has_is_an_error_of_the_family(path: str) -> None:
    with pytest.raises(roomkey.SecretUnavailable):
        Secret.from_file(path).reveal()


def test_a_callable_may_say_itself_that_there_is_no_secret() -> None:
    def read() -> str:
        raise roomkey.SecretUnavailable("The vault is sealed; unseal it.")

    with pytest.raises(roomkey.SecretUnavailable, match=r"^The vault is sealed; unseal it\.$"):
        Secret.from_callable(read).reveal()


def test_the_origin_is_words_for_an_error_message(tmp_path: Path) -> None:
    assert Secret(VALUE).origin == "a value given in code"
    assert Secret.from_env("NAME").origin == "the environment variable NAME"
    assert Secret.from_file(tmp_path / "s").origin == f"the file {tmp_path / 's'}"
    assert Secret.from_callable(os.getcwd).origin == "the callable getcwd"


def test_many_threads_read_one_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(VALUE)
    secret, found = Secret.from_file(tmp_path / "secret"), list[str]()
    threads = [threading.Thread(target=lambda: found.append(secret.reveal())) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert found == [VALUE] * 16


def test_a_fingerprint_lists_secrets_apart_and_reveals_nothing() -> None:
    assert fingerprint(VALUE) == fingerprint(VALUE.encode()) != fingerprint(VALUE + "!")
    assert len(fingerprint("\ud800")) == len(fingerprint("")) == 8
    LeakDetector([VALUE]).assert_clean(fingerprint(VALUE))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_the_end_of_a_line_is_no_part_of_a_secret_in_the_environment(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    monkeypatch.setenv("ORDERS_SECRET", f"s3cret {end}")
    assert Secret.from_env("ORDERS_SECRET").reveal() == "s3cret "
