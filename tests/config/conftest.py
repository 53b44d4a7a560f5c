"""A folder to be in, and a way to write its roomkey.toml and to read what is said of it."""

from collections.abc import Callable
from pathlib import Path

import pytest

import roomkey
from roomkey.config import Configuration, load


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with nothing of this machine's own settings about it."""
    made = tmp_path / "here"
    made.mkdir()
    monkeypatch.chdir(made)
    monkeypatch.delenv("ROOMKEY_CONFIG", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "home" / "state"))
    return made


@pytest.fixture
def read(folder: Path) -> Callable[[str], Configuration]:
    """Write ``roomkey.toml`` and load it."""

    def written(text: str) -> Configuration:
        (folder / "roomkey.toml").write_text(text)
        return load()

    return written


@pytest.fixture
def problem(read: Callable[[str], Configuration], folder: Path) -> Callable[[str], str]:
    """What is said of a file that is rejected, after the file's name."""

    def rejected(text: str) -> str:
        with pytest.raises(roomkey.ConfigurationError) as caught:
            read(text)
        place, _, words = str(caught.value).partition("roomkey.toml: ")
        assert place == f"{folder}/", caught.value
        return words

    return rejected
