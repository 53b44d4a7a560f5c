"""Error messages of the command line: one sentence and the next step on stderr, never a traceback with values in it."""

import logging
import os
import traceback
from pathlib import Path
from typing import Final

from roomkey.cli.exit_code import ExitCode, exit_code_of
from roomkey.errors import RoomkeyError, TokenRejected

DEBUG_VARIABLE: Final = "ROOMKEY_DEBUG"


def print_error(sentence: str, step: str = "") -> None:
    """Print ``sentence`` and, on a line of its own, the next ``step`` on stderr."""
    from roomkey.cli.theme import errors, labelled

    console = errors()
    labelled(console, ("roomkey:", "bad"), sentence)
    if step:
        labelled(console, ("   next:", "action"), step)


def report(error: RoomkeyError) -> ExitCode:
    """Print the message of ``error``, which names the problem and the remedy, and return its exit code."""
    print_error(str(error) or type(error).__name__, error.advice if isinstance(error, TokenRejected) else "")
    return exit_code_of(error)


def unexpected(error: BaseException) -> ExitCode:
    """Print the type and the place of an unforeseen exception, and no more: its message may hold a secret."""
    from roomkey.cli.theme import errors

    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    step = "" if os.environ.get(DEBUG_VARIABLE) else f"run it again with {DEBUG_VARIABLE}=1 to see where it happened."
    print_error(f"This should not happen: {type(error).__name__}{place}.", step)
    if os.environ.get(DEBUG_VARIABLE):
        for frame in frames:
            errors().print(
                f"  {frame.filename}:{frame.lineno} in {frame.name}", style="quiet", soft_wrap=True, markup=False
            )
    return ExitCode.FAILED


class NoteHandler(logging.Handler):
    """Shows roomkey's own warnings as one line on stderr."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record's message; never raises."""
        from roomkey.cli.theme import errors, labelled

        labelled(errors(), ("note:", "warn"), record.getMessage())


def show_notes() -> None:
    """Send the warnings of roomkey's loggers to stderr and keep those of other packages quiet."""
    logger = logging.getLogger("roomkey")
    logger.addHandler(NoteHandler(logging.WARNING))
    logger.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())
