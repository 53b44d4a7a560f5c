"""A server in a process of its own that never outlives its test: it ends when its stdin is closed."""

import json
import subprocess
import threading
from collections.abc import Mapping, Sequence
from typing import Any, Final, final

from roomkey.secret import Confidential

_PATIENCE: Final = 10.0


@final
class ChildProcess(Confidential):
    """A program that says on its first line of stdout, in JSON, where it serves; its repr shows the process id only.

    Starting it blocks until that line has come, for ten seconds at the most, and raises RuntimeError where none comes.
    Its stderr goes where this process's own goes. Safe in any thread.

    Attributes:
        started: the members of its first line; credentials may be among them.
    """

    __slots__ = ("_process", "started")

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        limit = threading.Timer(_PATIENCE, self._process.kill)
        limit.start()
        line = self._process.stdout.readline()
        limit.cancel()
        if not line:
            self.stop()
            raise RuntimeError("the server process ended before it served; its stderr says why")
        self.started: Mapping[str, Any] = json.loads(line)

    def stop(self) -> int:
        """Close its stdin, wait for its end (ten seconds, then it is killed) and return its exit code."""
        with self._process as process:
            assert process.stdin is not None
            process.stdin.close()
            try:
                return process.wait(_PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                return process.wait()

    def __repr__(self) -> str:
        return f"ChildProcess({self._process.pid})"
