"""``roomkey serve --example``: from an empty folder to a managed call."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from roomkey.cli.exit_code import ExitCode

pytestmark = pytest.mark.slow

COMMAND = (sys.executable, "-c", "import sys; from roomkey.cli.main import main; sys.exit(main())")


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    return subprocess.run(
        [*COMMAND, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=60
    )


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """The output of ``serve --example`` up to its last line, while it runs."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--example", "--listen", "127.0.0.1:0"],
            cwd=folder, env=environment, stdout=log, stderr=log,
        )  # fmt: skip
    try:
        end = time.monotonic() + 60
        while "roomkey status" not in (text := (folder / "serve.log").read_text()):
            assert process.poll() is None, text
            assert time.monotonic() < end, text
            time.sleep(0.05)
        yield text
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == ExitCode.OK
    finally:
        process.kill()
        process.wait(10)


def test_an_empty_folder_becomes_a_managed_call(tmp_path: Path) -> None:
    with served(tmp_path) as printed:
        commands = re.findall(r"^  roomkey (\S.*?)  ", printed, re.MULTILINE)
        results = {command: run(tmp_path, *command.split()) for command in commands}
        assert {command: done.returncode for command, done in results.items()} == {
            "call example GET /orders": ExitCode.OK,
            "call example POST /orders": ExitCode.REJECTED,
            "token example": ExitCode.OK,
            "status": ExitCode.OK,
        }
        assert '"client_id": "example"' in results["call example GET /orders"].stdout
        assert "insufficient scope" in results["call example POST /orders"].stderr
    (secret,) = tmp_path.rglob("example.secret")
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert secret.read_text() not in (tmp_path / "roomkey.toml").read_text() + printed
    before = secret.read_text()
    with served(tmp_path):
        assert run(tmp_path, "call", "example", "GET", "/orders").returncode == ExitCode.OK
    assert secret.read_text() == before
    secret.unlink()
    with served(tmp_path):
        assert run(tmp_path, "token", "example", "--refresh").returncode == ExitCode.OK


def test_a_configuration_of_the_user_is_not_replaced(tmp_path: Path) -> None:
    file = tmp_path / "roomkey.toml"
    file.write_text("[credentials]\n")
    done = run(tmp_path, "serve", "--example")
    assert done.returncode == ExitCode.USAGE
    assert "run it in another folder" in done.stderr
    assert file.read_text() == "[credentials]\n"
    assert list(tmp_path.iterdir()) == [file]


def test_the_example_is_for_this_machine_alone(tmp_path: Path) -> None:
    done = run(tmp_path, "serve", "--example", "--listen", "0.0.0.0:0", "--issuer", "https://auth.example")
    assert done.returncode == ExitCode.USAGE
    assert "for this machine alone" in done.stderr
    assert list(tmp_path.iterdir()) == []
