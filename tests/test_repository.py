"""What may never stand in the repository: generated files, paths of a machine, hosts of registries, credentials."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def committed() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a checkout of git")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_no_lock_file_with_download_addresses_is_committed() -> None:
    names = {path.name for path in committed()}
    assert not names & {"uv.lock", "poetry.lock", "package-lock.json", "Pipfile.lock"}
    assert "uv.lock" in (ROOT / ".gitignore").read_text()


def test_constraints_are_plain_versions() -> None:
    for path in (ROOT / "constraints.txt", ROOT / "benchmarks/constraints.txt"):
        lines = [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
        assert lines
        assert all(re.fullmatch(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==[A-Za-z0-9.+!]+", line) for line in lines), path


def test_no_path_of_a_machine_and_no_key_is_committed() -> None:
    unwanted = re.compile(
        "/" + r"home/\w+/|/" + r"Users/\w+/|BEGIN [A-Z ]*PRIVATE" + " KEY|pypi" + r"\.org/simple|registry\.npm" + "js"
    )
    for path in committed():
        assert not unwanted.search(path.read_text(errors="replace")), path.relative_to(ROOT)
