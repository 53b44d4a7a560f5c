"""The help of every command, at a width of 80: a file for each group, with the commands of the group below it.

Renew with ``pytest tests/golden --update-golden``.
"""

from pathlib import Path

import pytest
from tests.golden.command import Command, names_in
from tests.golden.conftest import Golden
from tests.golden.normalise import Normaliser

pytestmark = pytest.mark.slow


def test_the_help_of_every_command_is_as_it_was(golden: Golden, tmp_path: Path) -> None:
    command = Command(tmp_path / "home")
    files: dict[str, str] = {}
    groups: list[tuple[str, ...]] = [()]
    while groups:
        group = groups.pop()
        shown = [help_of(command, *group)]
        for name in names_in(shown[0]):
            text = help_of(command, *group, name)
            if names_in(text):
                groups.append((*group, name))
            else:
                shown.append(text)
        files["_".join(("roomkey", *group)) + ".txt"] = Normaliser({}).text("\n".join(shown))
    assert len(files) > 10
    golden.check("help", files)


def help_of(command: Command, *words: str) -> str:
    """The command line that asks for help, and the help."""
    output = command(*words, "--help")
    assert (output.code, output.err) == (0, ""), words
    return f"$ {' '.join(('roomkey', *words, '--help'))}\n\n{output.out}"
