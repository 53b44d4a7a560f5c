"""The configuration file: where it is looked for, and how it is read, with a bound on its size (TOML)."""

import contextlib
import os
import stat
import tomllib
from pathlib import Path
from typing import Final

from roomkey.config.table import Table
from roomkey.errors import ConfigurationError

FILE_NAME: Final = "roomkey.toml"
VARIABLE: Final = "ROOMKEY_CONFIG"


def user_folder() -> Path:
    """Return the folder of the user's roomkey.toml: ``$XDG_CONFIG_HOME/roomkey``, or ``~/.config/roomkey``. No I/O."""
    named = Path(os.environ.get("XDG_CONFIG_HOME", ""))
    folder = named if named.is_absolute() else Path("~/.config")
    with contextlib.suppress(RuntimeError):  # a container's user may have no home; then nothing is found in "~"
        folder = folder.expanduser()
    return folder / "roomkey"


def find(path: str | os.PathLike[str] | None = None) -> Path:
    """Return the configuration file: ``path``, else ``$ROOMKEY_CONFIG``, ``./roomkey.toml`` or the user's own one.

    Raises ConfigurationError where there is none; a path that was named is never replaced by another file.
    Looks at the file system; safe in any thread.
    """
    found = _named(Path(path), "") if path is not None else find_any()
    if found is None:
        raise ConfigurationError(
            f"There is no {FILE_NAME} here and none in {user_folder()}; make one, or name it with {VARIABLE}."
        )
    return found


def find_any() -> Path | None:
    """Return the configuration file as :func:`find` finds it, or None where there is none and none was named."""
    variable = os.environ.get(VARIABLE, "")
    if variable:
        return _named(Path(variable), f", which the environment variable {VARIABLE} names,")
    candidates = (Path(FILE_NAME), user_folder() / FILE_NAME)
    found = next((candidate for candidate in candidates if os.path.lexists(candidate)), None)
    return None if found is None else _named(found, "")


def _named(path: Path, why: str) -> Path:
    try:
        found = path.stat()
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", "this is no path")
        raise ConfigurationError(
            f"The configuration file {path}{why} cannot be read: {problem}; make it, or name another one."
        ) from None
    if not stat.S_ISREG(found.st_mode):
        raise ConfigurationError(f"The configuration file {path}{why} is not a regular file; name another one.")
    return path.absolute()


TABLES: Final = ("store", "credentials", "server")
_LARGEST_FILE: Final = 1_048_576


def read_file(file: Path) -> Table:
    """Return the configuration file as a table; raises ConfigurationError where it is not there or no TOML. Does I/O.

    Its content stays in frames that are gone when an error is raised: it may hold a secret.
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
        return "the file is larger than 1 MiB, which is too large for a configuration."
    try:
        return Table(tomllib.loads(data.decode("utf-8-sig")), file=file)
    except UnicodeDecodeError:
        return "the file is not UTF-8 text."
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        return _where(str(error))


def _where(message: str) -> str:
    # Only the position is used: the rest may repeat content of the file.
    _, found, place = message.rpartition("(at ")
    return f"this is not valid TOML {'at ' + place.rstrip(')') if found else 'in its nesting'}."
