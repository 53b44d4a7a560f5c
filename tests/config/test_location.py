"""Where roomkey.toml is looked for."""

import os
import pwd
from pathlib import Path

import pytest

import roomkey
from roomkey.config.file import find, user_folder


def made(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def problem(path: str | os.PathLike[str] | None = None) -> str:
    with pytest.raises(roomkey.ConfigurationError) as caught:
        find(path)
    return str(caught.value)


def test_a_path_goes_before_the_variable_before_this_folder_before_the_users_own(folder, tmp_path, monkeypatch):
    own = made(user_folder() / "roomkey.toml")
    assert find() == own
    here = made(folder / "roomkey.toml")
    assert find() == here
    named = made(tmp_path / "named.toml")
    monkeypatch.setenv("ROOMKEY_CONFIG", str(named))
    assert find() == named
    assert find(here) == here
    monkeypatch.setenv("ROOMKEY_CONFIG", "")
    assert find() == here


def test_what_is_found_is_absolute(folder, monkeypatch):
    made(folder / "roomkey.toml")
    made(folder / "other.toml")
    monkeypatch.setenv("ROOMKEY_CONFIG", "other.toml")
    assert find() == folder / "other.toml"
    assert find("roomkey.toml") == folder / "roomkey.toml"


def test_a_file_that_was_named_is_never_replaced_by_another_one(folder, monkeypatch):
    made(folder / "roomkey.toml")
    missing = folder / "missing.toml"
    assert f"{missing} cannot be read: No such file or directory" in problem(missing)
    monkeypatch.setenv("ROOMKEY_CONFIG", str(missing))
    assert "which the environment variable ROOMKEY_CONFIG names, cannot be read" in problem()


def test_without_any_file_both_places_are_named(folder):
    assert problem() == (
        f"There is no roomkey.toml here and none in {user_folder()}; make one, or name it with ROOMKEY_CONFIG."
    )


def test_a_folder_or_a_pipe_in_the_files_place_is_said_and_not_passed_over(folder):
    made(user_folder() / "roomkey.toml")
    (folder / "roomkey.toml").mkdir()
    assert "is not a regular file" in problem()
    (folder / "roomkey.toml").rmdir()
    os.mkfifo(folder / "roomkey.toml")
    assert "is not a regular file" in problem()


def test_a_link_into_nothing_is_said_and_not_passed_over(folder):
    made(user_folder() / "roomkey.toml")
    (folder / "roomkey.toml").symlink_to("gone.toml")
    assert "cannot be read: No such file" in problem()


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "roomkey.toml/below"])
def test_a_path_that_no_system_has_is_an_error_of_the_family(folder, path):
    made(folder / "roomkey.toml")
    assert "cannot be read" in problem(path)


def test_the_users_folder_follows_the_desktops_rule(folder, monkeypatch, tmp_path):
    assert user_folder() == tmp_path / "home/config/roomkey"
    for ignored in ("", "relative/path"):
        monkeypatch.setenv("XDG_CONFIG_HOME", ignored)
        assert user_folder() == tmp_path / "home/.config/roomkey"


def test_a_user_without_a_home_folder_can_still_have_a_file_here(folder, monkeypatch):
    # A container may run under a number that no user has.
    def unknown(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    assert "There is no roomkey.toml here" in problem()
    (folder / "roomkey.toml").write_text('[store]\nurl = "memory:"\n')
    assert find() == folder / "roomkey.toml"
    with roomkey.load() as configuration:
        assert configuration.store.name
    (folder / "roomkey.toml").write_text("")
    with roomkey.load() as configuration, pytest.raises(roomkey.ConfigurationError, match="no home folder"):
        _ = configuration.manager
