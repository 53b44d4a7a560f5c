"""fast-jwt of npm as a contestant: a Node process of its own that measures itself, a round at a time."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from timing import Contestant

if TYPE_CHECKING:
    from types import TracebackType

PROGRAM = Path(__file__).with_name("fast_jwt.mjs")
PACKAGE = Path(__file__).with_name("node_modules") / "fast-jwt"


def missing() -> str:
    """Why it cannot be measured here, or ""."""
    if shutil.which("node") is None:
        return "there is no Node on the PATH"
    return "" if PACKAGE.is_dir() else "npm install --prefix benchmarks was not run"


class FastJWT:
    """A context manager: Node with one token, its key as PEM, and what the token must say."""

    def __init__(self, *, token: str, algorithm: str, pem: str, issuer: str, audience: str) -> None:
        self._case = {"token": token, "algorithm": algorithm, "pem": pem, "issuer": issuer, "audience": audience}

    def __enter__(self) -> FastJWT:
        command = ["node", str(PROGRAM)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._say(self._case)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.communicate(timeout=10)

    def contestant(self, name: str, call: str, times: int) -> Contestant:
        """``call`` is ``bare`` (Node's own check of the signature), ``judge`` or ``refuse``."""
        first = True

        def measure() -> float:
            nonlocal first
            self._say({"call": call, "times": times, "first": first})
            first = False
            assert self._process.stdout is not None
            return float(self._process.stdout.readline())

        return Contestant(name, measure)

    def _say(self, words: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
