"""Golden files: what the command line, the HTTP endpoints and the documents look like to their users.

A test makes the text of each file and compares it with the one in this folder. To renew the files, run::

    pytest tests/golden --update-golden

and read the difference with ``git diff``. Every deliberate change is written into CHANGELOG.md.
"""

import difflib
from collections.abc import Mapping
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent
OPTION = "--update-golden"
QUESTION = f"deliberate? renew with pytest tests/golden {OPTION} and write it into CHANGELOG.md"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(OPTION, action="store_true", help="write the golden files instead of comparing them")


class Golden:
    """The golden files of one folder, compared or renewed."""

    def __init__(self, *, update: bool) -> None:
        self._update = update

    def check(self, folder: str, texts: Mapping[str, str]) -> None:
        """Compare ``texts`` (by file name) with all files of ``folder``; fail once, with every difference."""
        if self._update:
            _write(FOLDER / folder, texts)
            return
        stored = {path.name: path.read_text(encoding="utf-8") for path in (FOLDER / folder).glob("*")}
        differences = [
            difference(f"{folder}/{name}", stored.get(name, ""), texts.get(name, ""))
            for name in sorted(stored.keys() | texts.keys())
            if stored.get(name) != texts.get(name)
        ]
        if differences:
            pytest.fail("\n".join([*differences, QUESTION]), pytrace=False)


def difference(name: str, stored: str, current: str) -> str:
    """A unified diff from the golden file to the current text."""
    lines = difflib.unified_diff(
        stored.splitlines(), current.splitlines(), f"tests/golden/{name}", f"{name} (now)", lineterm=""
    )
    return "\n".join(lines) or f"tests/golden/{name}: only the end of the last line differs"


def _write(folder: Path, texts: Mapping[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for path in folder.glob("*"):
        if path.name not in texts:
            path.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    # The option is known only where this folder is named on the command line.
    return Golden(update=bool(request.config.getoption(OPTION, default=False)))
