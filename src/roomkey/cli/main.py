"""The entry point of ``roomkey``: arguments in, exit code out, and no traceback in between."""

import importlib.util
import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from roomkey.cli.exit_code import ExitCode
from roomkey.errors import RoomkeyError

# The beginnings of {", of { " and of a { before a line end, in base64url.
_TOKEN_LIKE: Final = re.compile(r"(?<![A-Za-z])(eyJ|eyA|ewo|ew0)[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{8,}")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (default: those of the process) and return its exit code, see ``ExitCode``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    missing = next((package for package in ("typer", "rich") if importlib.util.find_spec(package) is None), None)
    if missing is not None:
        sys.stderr.write(f'roomkey: The command line needs the package {missing}: pip install "roomkey[cli]"\n')
        return ExitCode.USAGE
    return _guarded(given)


def _prepare_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # whoever started the command has closed it; no file may take its place and be written to
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - to the end of the process
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a letter must not end the command


def _guarded(given: list[str]) -> int:
    from roomkey.cli.app import run
    from roomkey.cli.errors import complain, explain, unexpected

    if any(_TOKEN_LIKE.search(argument) for argument in given):
        complain(
            "An argument looks like a token, and every process can read arguments, and the shell keeps them.",
            "hand it over on standard input or in a file; if it is a live one, revoke it.",
        )
        return ExitCode.USAGE
    try:
        code = run(given)
        sys.stdout.flush()
    except RoomkeyError as error:
        return explain(error)
    except KeyboardInterrupt:
        complain("Interrupted.")
        return ExitCode.INTERRUPTED
    except OSError as error:
        # The interpreter must not complain once more at its end, when it writes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # there the reader has gone, as in "roomkey … | head"
            complain(f"The output cannot be written: {error.strerror}.")
        return ExitCode.FAILED
    except Exception as error:  # noqa: BLE001 - a foreign exception's words may hold a secret, so none reaches the top
        return unexpected(error)
    return code
