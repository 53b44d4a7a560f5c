"""How the service writes its log: one line for each event, in logfmt or JSON, that no content can forge."""

import functools
import json
import logging
import re
import sys
import time
from typing import Any, Final, TextIO

from roomkey.errors import place_of

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/{}@+,;*-]+", re.ASCII)
_OWN: Final = ("roomkey", "uvicorn.error")


class Lines(logging.Formatter):
    """A record as one line: its time, level and message, then the members of its ``fields``.

    A record that carries an exception is told by the exception's kind and place alone: its words may hold a secret.
    ``json_lines``: as JSON rather than logfmt.
    """

    def __init__(self, *, json_lines: bool) -> None:
        super().__init__()
        self._json = json_lines

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        members = members_of(record)
        if self._json:
            return json.dumps(members, separators=(",", ":"))
        return " ".join([f"{name}={_word(value)}" for name, value in members.items()])


def members_of(record: logging.LogRecord) -> dict[str, Any]:
    """What is told of ``record``, in order."""
    members: dict[str, Any] = {
        "time": f"{_second(int(record.created))}.{int(record.msecs):03d}Z",
        "level": record.levelname.lower(),
        "event": record.getMessage().strip(),
    }
    members |= getattr(record, "fields", {})
    error = record.exc_info[1] if record.exc_info else None
    if error is not None:
        members |= {"error": type(error).__name__, "place": place_of(error)}
    return members


@functools.lru_cache(maxsize=2)
def _second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def _word(value: object) -> str:
    if isinstance(value, int | float):
        return str(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)


class Stream(logging.StreamHandler[TextIO]):
    """Writes to stderr; what cannot be written there any more is dropped, and ends no request."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - its name in logging
        """Nothing: there is no place left to complain in."""


def write_logs(log_format: str, formatter: logging.Formatter | None = None) -> None:
    """Send the service's records to stderr from now on, each as one line; ``formatter`` is for a terminal.

    For a process that serves: what no line tells is not looked up any more, for any logger of it.
    """
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging.logAsyncioTasks = False  # type: ignore[attr-defined,unused-ignore]
    handler = Stream(sys.stderr)
    handler.setFormatter(formatter or Lines(json_lines=log_format == "json"))
    for name in _OWN:
        logger = logging.getLogger(name)
        logger.handlers[:] = [handler]
        logger.propagate = False
        logger.setLevel(logging.INFO if name.startswith("roomkey") else logging.WARNING)
