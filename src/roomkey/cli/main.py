"""The entry point of ``roomkey``: arguments in, exit code out, and no traceback in between."""

import os
import re
import sys
from collections.abc import Callable, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

from roomkey.cli.exit_code import ExitCode
from roomkey.errors import RoomkeyError

# The beginnings of {", of { " and of a { before a line end, in base64url.
_TOKEN_LIKE: Final = re.compile(r"(?<![A-Za-z])(eyJ|eyA|ewo|ew0)[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{8,}")
_EXTRAS: Final = {"typer": "cli", "rich": "cli"} | dict.fromkeys(
    (
        "alembic",
        "argon2",
        "fastapi",
        "httptools",
        "jinja2",
        "msgspec",
        "prometheus_client",
        "psycopg",
        "pydantic",
        "pydantic_settings",
        "pyotp",
        "segno",
        "sqlalchemy",
        "starlette",
        "uvicorn",
        "webauthn",
        "zxcvbn",
    ),
    "cli,server",
)
"""By package: the extras with which it is installed."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command in ``arguments`` (default: those of the process) and return its exit code, see ``ExitCode``."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    try:
        return _guarded(given)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in _EXTRAS:
            raise
        problem = f'roomkey: This command needs the package {package}: pip install "roomkey[{_EXTRAS[package]}]"\n'
    sys.stderr.write(problem)
    return ExitCode.USAGE


def _prepare_streams() -> None:
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:  # the caller has closed it; no file may take its place and be written to
            setattr(sys, name, Path(os.devnull).open(mode))  # noqa: SIM115 - to the end of the process
        elif mode == "w" and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")  # a terminal that lacks a character must not end the command


def _guarded(given: list[str]) -> int:
    from roomkey.cli.errors import print_error, report, show_notes, unexpected

    if any(_TOKEN_LIKE.search(argument) for argument in given):
        print_error(
            "An argument looks like a token, and every process can read arguments, and the shell keeps them.",
            "pass it on standard input or in a file; if it is a valid one, revoke it.",
        )
        return ExitCode.USAGE
    show_notes()
    try:
        code = _command(given)()
        sys.stdout.flush()
    except RoomkeyError as error:
        return report(error)
    except KeyboardInterrupt:
        print_error("Interrupted.")
        return ExitCode.INTERRUPTED
    except OSError as error:
        # The interpreter must not complain once more at its end, when it writes what is left.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):  # there the reader has gone, as in "roomkey … | head"
            print_error(f"The output cannot be written: {error.strerror}.")
        return ExitCode.FAILED
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRAS:
            raise
        return unexpected(error)
    except Exception as error:  # noqa: BLE001 - a foreign exception's message may hold a secret
        return unexpected(error)
    return code


def _serve_options(options: list[str]) -> dict[str, str] | None:
    """``--NAME VALUE`` pairs by name; None for anything else. A server without typer takes 8 MiB less memory."""
    names, values = options[::2], options[1::2]
    wanted = {"--data", "--listen", "--issuer", "--database"}
    if len(names) != len(values) or len(set(names)) < len(names) or not wanted.issuperset(names):
        return None
    if not all(values) or any(value.startswith("-") for value in values):
        return None
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def _admin_list(words: list[str]) -> Callable[[], int] | None:
    """``[--data DIR] NOUN list [--json]``, for the nouns that need no typer; None for anything else."""
    from roomkey.cli.admin import NOUNS

    data = None
    if len(words) > 1 and words[0] == "--data" and words[1] and not words[1].startswith("-"):
        data, words = Path(words[1]), words[2:]
    if words[1:] not in (["list"], ["list", "--json"]) or words[0] not in NOUNS:
        return None
    noun = getattr(import_module(NOUNS[words[0]][0]), "noun", None)
    if noun is None or not noun.has_list:
        return None
    from roomkey.cli.admin.context import Place

    return partial(noun.list_all, Place(data), as_json="--json" in words)


def _command(given: list[str]) -> Callable[[], int]:
    """The code of the command. The lines below start without typer, three times as fast; all others are parsed by it.

    What they accept is part of what the declarations in ``app.py`` accept, so that help and errors have one source.
    """
    match given:
        case ["token", name, "--raw"] | ["token", "--raw", name] if not name.startswith("-"):
            from roomkey.cli.token import print_raw

            return partial(print_raw, name)
        case ["status"] | ["status", "--json"]:
            from roomkey.cli.status import show_status

            return partial(show_status, as_json="--json" in given)
        case ["serve", *options] if (values := _serve_options(options)) is not None:
            from roomkey.cli.serve import serve_or_check

            data = values.pop("data", None)
            named = dict.fromkeys(("listen", "issuer", "database")) | values
            folder = None if data is None else Path(data)
            return partial(serve_or_check, data=folder, **named, check=False, as_json=False, example=False)
        case ["admin", *words] if (listed := _admin_list(words)) is not None:
            return listed
        case _:
            from roomkey.cli.app import run

            return partial(run, given)
