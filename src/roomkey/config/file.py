"""The configuration file as a table, with a bound on its size and errors that repeat nothing of it."""

import tomllib
from pathlib import Path
from typing import Final

from roomkey.config.table import Table
from roomkey.errors import ConfigurationError

TABLES: Final = ("store", "credentials", "server")
_LARGEST_FILE: Final = 1_048_576


def read_file(file: Path) -> Table:
    """The configuration file as a table; raises ConfigurationError where it is not there or no TOML. Does I/O.

    Its text stays in frames that are gone when an error is raised: it may hold a secret.
    """
    found = _tables(file)
    if isinstance(found, str):
        raise ConfigurationError(f"{file}: {found}")
    return found


def _tables(file: Path) -> Table | str:
    try:
        with file.open("rb") as opened:
            data = opened.read(_LARGEST_FILE + 1)
    except OSError as error:
        return f"the file cannot be read: {error.strerror}."
    if len(data) > _LARGEST_FILE:
        return "the file is larger than 1 MiB, which is no configuration."
    try:
        return Table(tomllib.loads(data.decode("utf-8-sig")), file=file)
    except UnicodeDecodeError:
        return "the file is not UTF-8 text."
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _where(str(error))


def _where(message: str) -> str:
    # Only the position is taken over: the rest may repeat a key or a letter of the file.
    _, found, place = message.rpartition("(at ")
    return f"this is not valid TOML {'at ' + place.rstrip(')') if found else 'in its nesting'}."
