"""Steps that are counted, waiting with a limit, and files of Maven's repository, for the scripts beside this file."""

import socket
import subprocess
import sys
import time
import traceback
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx2


class Checks:
    """Prints one line per step; a step that fails does not end the others."""

    def __init__(self, system: str, version: str) -> None:
        print(f"{system} {version}")
        self._passed = self._failed = 0

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        try:
            yield
        except Exception:  # each step is reported on its own, whatever went wrong in it
            self._failed += 1
            print(f"  FAILED  {name}")
            traceback.print_exc(limit=-3, file=sys.stdout)
        else:
            self._passed += 1
            print(f"  ok      {name}")
        sys.stdout.flush()

    def finish(self) -> int:
        """The exit code of the script."""
        print(f"{self._passed} passed, {self._failed} failed")
        return 1 if self._failed else 0


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], bool], *, seconds: float, what: str) -> None:
    """Ask again every quarter of a second; a refused connection counts as "not yet"."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        with suppress(OSError, httpx2.TransportError):
            if condition():
                return
        time.sleep(0.25)
    raise TimeoutError(f"{what} took more than {seconds:.0f} s")


def unpack_maven(artifact: str, folder: Path) -> Path:
    """Fetch ``group:name:version:zip`` with Maven and unpack it into ``folder``."""
    command = ["mvn", "-q", "dependency:copy", f"-Dartifact={artifact}", f"-DoutputDirectory={folder}"]
    subprocess.run(command, check=True)
    for archive in folder.glob("*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(folder)
        archive.unlink()
    return folder
