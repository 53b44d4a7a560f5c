"""Node and the packages of npm that a folder of tests needs; without them its tests say that they did not run."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

OLDEST = 20


def need_packages(folder: Path, what: str) -> None:
    """Skip ``what`` where Node or a package that ``folder`` names is missing; in CI fail."""
    reason = _missing(folder)
    if reason:
        reason = f"NOT RUN: {what}, because {reason}"
        (pytest.fail if os.environ.get("CI", "").lower() in ("1", "true") else pytest.skip)(reason)


def _missing(folder: Path) -> str:
    """What is missing, or ""."""
    node = shutil.which("node")
    if node is None:
        return f"there is no Node on the PATH; install Node {OLDEST} or newer with npm"
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(version.lstrip("v").split(".")[0]) < OLDEST:
        return f"Node {version} is too old; install Node {OLDEST} or newer"
    for name, wanted in json.loads((folder / "package.json").read_text())["dependencies"].items():
        package = folder / "node_modules" / name / "package.json"
        if not package.is_file() or json.loads(package.read_text())["version"] != wanted:
            return f"{name} {wanted} is not installed; `make test` installs it where npm reaches its registry"
    return ""


def answer_of(program: Path, asked: dict[str, Any]) -> Any:
    """What ``program`` prints, which is JSON, for ``asked``, which it reads as JSON from its stdin."""
    done = subprocess.run(
        ["node", str(program)], input=json.dumps(asked), check=False, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
