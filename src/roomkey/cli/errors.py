"""How a failure is told: one sentence and the next step on stderr, never a traceback with values in it."""

import logging
import os
import traceback
from pathlib import Path
from typing import Final

from roomkey.cli.exit_code import ExitCode, exit_code_of
from roomkey.cli.theme import errors, labelled
from roomkey.errors import RoomkeyError, TokenRejected

DEBUG_VARIABLE: Final = "ROOMKEY_DEBUG"


def complain(sentence: str, step: str = "") -> None:
    """Print ``sentence`` and, on a line of its own, the next ``step`` on stderr."""
    console = errors()
    labelled(console, ("roomkey:", "bad"), sentence)
    if step:
        labelled(console, ("   next:", "action"), step)


def explain(error: RoomkeyError) -> ExitCode:
    """Print what ``error`` says, which is what happened and what to do, and return the exit code that tells of it."""
    complain(str(error) or type(error).__name__, error.advice if isinstance(error, TokenRejected) else "")
    return exit_code_of(error)


def unexpected(error: BaseException) -> ExitCode:
    """Tell of a failure that roomkey did not foresee by its place only: its words may hold a secret."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""
    wish = "" if os.environ.get(DEBUG_VARIABLE) else f"run it again with {DEBUG_VARIABLE}=1 to see where it happened."
    complain(f"This should not happen: {type(error).__name__}{place}.", wish)
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
        labelled(errors(), ("note:", "warn"), record.getMessage())


def show_notes() -> None:
    """Send the warnings of roomkey's loggers to stderr and keep those of other packages quiet."""
    logger = logging.getLogger("roomkey")
    logger.addHandler(NoteHandler(logging.WARNING))
    logger.propagate = False
    logging.getLogger().addHandler(logging.NullHandler())
