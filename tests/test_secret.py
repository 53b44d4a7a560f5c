"""Secrets: read from where they are, read again when they change, never shown, also not by what goes wrong."""

import os
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

import roomkey
from roomkey.testing import LeakDetector

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


def test_a_folder_or_a_pipe_in_place_of_a_file_is_refused_at_once(tmp_path: Path) -> None:
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


def test_a_variable_that_is_no_text_is_refused_before_anything_is_made_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
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
