"""A home of its own for each test, with a roomkey.toml for the test's issuer and API, and the real command in it."""

import contextlib
import fcntl
import io
import logging
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from tests.support.leaks import LeakDetector

from roomkey.cli.main import main
from roomkey.testing import Issuer, ProtectedAPI

COMMAND = (sys.executable, "-c", "import sys; from roomkey.cli.main import main; sys.exit(main())")
TERMINAL_COMMAND = (*COMMAND[:2], f"import fcntl, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); {COMMAND[2]}")
_SILENCE = 0.15
Done = subprocess.CompletedProcess[str]

TOML = """
[store]
url = "sqlite:///tokens.db"

[credentials.orders]
source = "client_credentials"
token_endpoint = "{token_endpoint}"
client_id = "reports"
client_secret = {{ env = "ORDERS_SECRET" }}
scope = "orders:read"
base_url = "{api}"
"""


@dataclass
class Home:
    """A folder with a roomkey.toml, and everything that the command printed in it."""

    folder: Path
    environment: dict[str, str]
    issuer: Issuer
    printed: list[str] = field(default_factory=list)

    @property
    def file(self) -> Path:
        return self.folder / "roomkey.toml"

    def add(self, text: str) -> None:
        self.file.write_text(self.file.read_text() + text)

    def run(self, *arguments: str, stdin: bytes | str = b"", **environment: str) -> Done:
        """The command in a process of its own, its output in pipes."""
        done = subprocess.run(
            [*COMMAND, *arguments],
            input=_bytes(stdin),
            capture_output=True,
            check=False,
            cwd=self.folder,
            env={**self.environment, **environment},
            timeout=60,
        )
        return self._printed(Done(done.args, done.returncode, done.stdout.decode(), done.stderr.decode()))

    def call(self, *arguments: str, stdin: bytes | str = b"", **environment: str) -> Done:
        """The same in this process: for the many."""
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        logger, root = logging.getLogger("roomkey"), logging.getLogger()
        before = (logger.handlers[:], logger.propagate, root.handlers[:])
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in {**self.environment, **environment}.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(_bytes(stdin)), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                code = main(arguments)
            finally:
                logger.handlers[:], logger.propagate, root.handlers[:] = before
        texts = []
        for stream in (out, err):
            stream.flush()
            texts.append(stream.buffer.getvalue().decode())
        return self._printed(Done(arguments, int(code), *texts))

    def start(self, *arguments: str, **streams: Any) -> subprocess.Popen[bytes]:
        """The command in a process that goes on while the test does."""
        return subprocess.Popen([*COMMAND, *arguments], cwd=self.folder, env=self.environment, **streams)

    def terminal(self, *arguments: str, width: int = 80, typed: str = "", **environment: str) -> Done:
        """The command on a terminal of this width; both streams are in ``stdout``, as a person sees them."""
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
        terminal = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        process = subprocess.Popen(
            [*TERMINAL_COMMAND, *arguments],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=self.folder,
            env={**self.environment, **terminal, **environment},
            start_new_session=True,
        )
        os.close(theirs)
        seen, untyped, end = b"", typed.encode(), time.monotonic() + 30
        with contextlib.suppress(OSError):  # how Linux says that the other side has ended
            while time.monotonic() < end:
                if select.select([ours], [], [], _SILENCE)[0]:
                    seen += os.read(ours, 65_536)
                elif untyped and seen.endswith(b": "):  # it has asked, and waits
                    untyped = untyped[os.write(ours, untyped) :]
        os.close(ours)
        process.kill()  # it has ended, but where it hangs
        return self._printed(Done(process.args, process.wait(10), seen.decode().replace("\r\n", "\n"), ""))

    def _printed(self, done: Done) -> Done:
        self.printed += [done.stdout, done.stderr]
        return done


def _bytes(text: bytes | str) -> bytes:
    return text.encode() if isinstance(text, str) else text


@pytest.fixture
def home(tmp_path: Path, issuer: Issuer, api: ProtectedAPI):
    folder = tmp_path / "home"
    folder.mkdir()
    environment = {
        "HOME": str(folder),
        "XDG_CONFIG_HOME": str(folder / "config"),
        "XDG_STATE_HOME": str(folder / "state"),
        "PATH": os.environ["PATH"],
        "ORDERS_SECRET": str(issuer.client.client_secret),
        "PASSWORD": issuer.user.password,
        "PYTHONWARNINGS": "error",
    }
    made = Home(folder, environment, issuer)
    made.file.write_text(TOML.format(token_endpoint=issuer.token_endpoint, api=api.url))
    return made


@pytest.fixture
def nothing_leaks(home: Home, issuer: Issuer):
    """At the end of the test, everything that was printed is searched for every secret that the issuer knows."""
    detector = LeakDetector(known=lambda: issuer.secret_values)
    yield detector
    assert home.printed
    detector.assert_clean(*home.printed)
