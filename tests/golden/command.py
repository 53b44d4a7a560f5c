"""The installed command ``roomkey``: in this process for short commands, in a process of its own for ``serve``."""

import contextlib
import io
import json
import logging
import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
from tests.golden.normalise import Normaliser, laid_out

PROGRAM = """import sys
from importlib.metadata import entry_points
(command,) = entry_points(group="console_scripts", name="roomkey")
sys.exit(command.load()())"""
_PATIENCE = 30.0


@dataclass
class Output:
    """The output of one command, and its exit code."""

    code: int
    out: str
    err: str


@dataclass
class Command:
    """``command("admin", "--help")`` runs ``roomkey admin --help`` in ``folder``, with no other environment."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        home = {"HOME": str(self.folder), "PATH": os.environ["PATH"], "NO_COLOR": "1", "COLUMNS": "80"}
        self.environment = home | self.environment

    def __call__(self, *words: str, stdin: str = "") -> Output:
        (command,) = entry_points(group="console_scripts", name="roomkey")
        out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
        loggers = logging.getLogger("roomkey"), logging.getLogger()
        before = [(logger, logger.handlers[:], logger.propagate, logger.level) for logger in loggers]
        with pytest.MonkeyPatch.context() as patch:
            for name in list(os.environ):
                patch.delenv(name)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            patch.chdir(self.folder)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            try:
                code = int(command.load()(words))
            finally:
                for logger, handlers, propagate, level in before:
                    logger.handlers[:], logger.propagate = handlers, propagate
                    logger.setLevel(level)
        for stream in (out, err):
            stream.flush()
        return Output(code, *(stream.buffer.getvalue().decode() for stream in (out, err)))

    def json(self, *words: str, stdin: str = "") -> dict[str, Any]:
        """The object that ``--json`` prints; the command must succeed."""
        output = self(*words, "--json", stdin=stdin)
        assert output.code == 0, (words, output.err)
        found: dict[str, Any] = json.loads(output.out)
        return found

    @contextmanager
    def serve(self, *options: str) -> Iterator[str]:
        """Run ``roomkey serve`` on a free port of loopback; the issuer's URL."""
        words = ("serve", "--listen", "127.0.0.1:0", *options)
        errors = self.folder / "serve.err"
        with errors.open("wb") as err:
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, *words],
                stdout=subprocess.PIPE, stderr=err, cwd=self.folder, env=self.environment, text=True,
            )  # fmt: skip
        try:
            assert process.stdout is not None
            end = time.monotonic() + _PATIENCE
            while not (found := re.search(r"http://127\.0\.0\.1:\d+", line := process.stdout.readline())):
                assert line or process.poll() is None, errors.read_text()
                assert time.monotonic() < end, "roomkey serve prints no address"
            yield found[0]
        finally:
            process.kill()
            process.communicate()


def names_in(text: str) -> list[str]:
    """The names under ``Commands:`` in the help ``text`` of a group; none in that of a command."""
    table = text.partition("\nCommands:\n")[2].partition("\n\n")[0]
    return re.findall(r"^  ([a-z][a-z-]*)(?=  |$)", table, re.MULTILINE)


class Transcript:
    """Commands with ``--json`` and what they printed, as the text of one golden file."""

    def __init__(self, command: Command, prefix: tuple[str, ...], known: Mapping[str, str]) -> None:
        self._command = command
        self._prefix = prefix
        self._normaliser = Normaliser(known)
        self._entries: list[str] = []

    def __call__(self, *words: str, stdin: str = "") -> Any:
        """Run ``roomkey <prefix> <words> --json``, note it, and return its object; None where it failed."""
        words = (*words, "--json")
        output = self._command(*self._prefix, *words, stdin=stdin)
        found = None
        with contextlib.suppress(ValueError):
            found = json.loads(output.out)
        self.note(words, found, output)
        return found

    def note(self, words: tuple[str, ...], found: Any, output: Output) -> None:
        """Add a command and its output."""
        lines = ["$ roomkey " + self._normaliser.text(shlex.join((*self._prefix, *words)))]
        if output.code:
            lines.append(f"exit code {output.code}")
        if found is not None:
            lines.append(laid_out(self._normaliser.value(found)))
        elif output.out:
            lines.append(self._normaliser.text(output.out.rstrip()))
        if output.code and output.err:
            lines += [f"stderr: {line}" for line in self._normaliser.text(output.err).rstrip().splitlines()]
        self._entries.append("\n".join(lines))

    def __str__(self) -> str:
        return "\n\n".join(self._entries) + "\n"
