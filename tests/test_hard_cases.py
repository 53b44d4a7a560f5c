"""Each number of a hard case in the code leads to docs/hard-cases.md."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/hard-cases.md"
NUMBERS = re.compile(r"\b(client|auth service|validator) (\d+(?:, ?\d+)*)\b(?!\.\d)")


def referred() -> dict[str, set[str]]:
    """The numbers in comments and docstrings of tests, as ``client 38``, and the files that they stand in."""
    found: dict[str, set[str]] = {}
    for path in (ROOT / "tests").rglob("*.py"):
        if "node_modules" in path.parts:
            continue
        for line in path.read_text().splitlines():
            comment = line.partition("#")[2] or ('"""' in line and line) or ""
            for kind, numbers in NUMBERS.findall(comment):
                for number in numbers.split(","):
                    found.setdefault(f"{kind} {number.strip()}", set()).add(str(path.relative_to(ROOT)))
    return found


def test_each_number_stands_on_the_page_once() -> None:
    numbers = re.findall(r"^- \*\*((?:client|auth service|validator) \d+)\*\*: ", PAGE.read_text(), re.MULTILINE)
    assert len(numbers) == len(set(numbers))
    for kind, last in (("client", 70), ("validator", 53), ("auth service", 60)):
        assert [name for name in numbers if name.startswith(kind)] == [f"{kind} {n}" for n in range(1, last + 1)]


def test_each_number_in_a_test_leads_to_the_page() -> None:
    names = referred()
    if len(names) < 100:
        pytest.fail("the pattern finds hardly any number")
    page = PAGE.read_text()
    assert {name: files for name, files in names.items() if f"**{name}**" not in page} == {}
