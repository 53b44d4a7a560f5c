"""README pasted block by block into a clean environment ends in a managed call.

Each block that is for a newcomer is run as it stands; only what a machine must provide is replaced: the package by the
wheel that this checkout builds, ports by free ones, example hosts by servers on loopback. Add a step for a new block.
"""

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from roomkey.testing import Issuer, ProtectedAPI

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(sh|python)\n(.*?)^```", README, re.MULTILINE | re.DOTALL)
LONG = 90.0  # seconds, for each step


class Machine:
    """A new user's machine: an own HOME, an own virtual environment, nothing else of this checkout on the PATH."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        self.home.mkdir()
        self._venv = folder / "venv"
        self.environment = {
            "HOME": str(self.home),
            "PATH": f"{self._venv / 'bin'}:/usr/bin:/bin",
            "PYTHONWARNINGS": "error",
            "LANG": "C.UTF-8",
        }

    def install(self, wheel: Path) -> None:
        """What ``pip install`` does with the wheel; its dependencies are those of this environment."""
        self._run([sys.executable, "-I", "-m", "venv", "--without-pip", str(self._venv)])
        python = self._venv / "bin" / "python"
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", str(python)]
        self._run([*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)], env=dict(os.environ))
        site = next(self._venv.glob("lib/python*/site-packages"))
        (site / "dependencies.pth").write_text(sysconfig.get_path("purelib"))

    def _run(self, command: list[str], env: dict[str, str] | None = None) -> str:
        done = subprocess.run(
            command,
            env=env or self.environment,
            cwd=self.home,
            check=False,
            capture_output=True,
            text=True,
            timeout=LONG,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def shell(self, block: str) -> str:
        """What the block prints, pasted into a shell that stops at the first failure."""
        return self._run(["bash", "-e", "-c", block])

    def python(self, block: str, **environment: str) -> str:
        """What the block prints, pasted into a file."""
        return self._run([str(self._venv / "bin" / "python"), "-c", block], env=self.environment | environment)

    @contextlib.contextmanager
    def running(self, command: str, until: str) -> Iterator[str]:
        """``command`` while it runs, from when it has printed the regular expression ``until``; all that it printed."""
        log = self.home.parent / "log"
        with log.open("w") as output:
            process = subprocess.Popen(
                ["bash", "-c", f"exec {command}"], env=self.environment, cwd=self.home, stdout=output, stderr=output
            )
        try:
            end = time.monotonic() + LONG
            while not re.search(until, log.read_text()):
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.05)
            yield log.read_text()
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(LONG)


@pytest.fixture
def wheel(tmp_path: Path) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path / "wheel"
    command = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*command, "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)], check=True, timeout=LONG)
    return next(folder.glob("*.whl"))


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def test_readme_pasted_block_by_block_ends_in_a_managed_call(
    wheel: Path, issuer: Issuer, api: ProtectedAPI, tmp_path: Path
) -> None:
    machine = Machine(tmp_path)
    blocks = iter(BLOCKS)

    def following(kind: str, *words: str) -> str:
        found, block = next(blocks)
        assert found == kind
        assert all(word in block for word in words), f"README has another block here: {block}"
        return str(block)

    install, serve_example = following("sh", "serve --example").splitlines()
    assert install == 'pip install "roomkey[cli,server]"'
    machine.install(wheel)
    with machine.running(
        f"{serve_example} --listen 127.0.0.1:{free_port()}", r"(?s)Sample API.*roomkey\.toml"
    ) as printed:
        sample = re.search(r"Sample API\s+(\S+)", printed)
        assert sample is not None
        assert '"orders"' in machine.shell(following("sh", "roomkey call"))
        code = following("python", "roomkey.load()")
        assert "'orders'" in machine.python(code.replace("http://127.0.0.1:8401", sample[1]))
    code = following("python", "roomkey.ClientCredentials")
    code = code.replace("https://auth.example", issuer.url).replace("https://orders.example", api.url)
    assert "orders" in machine.python(code, ORDERS_SECRET=str(issuer.client.client_secret))
    machine.python(following("python", "FastAPI()"))
    serve = following("sh", "roomkey serve").split("#")[0].strip()
    with machine.running(f"{serve} --listen 127.0.0.1:{free_port()}", "listens on"):
        assert "client_secret" in machine.shell(following("sh", "roomkey admin"))
    assert following("sh", "make demo", "make test")
    assert next(blocks, None) is None
