"""Where the report goes: a new file, or one that was a report before; nothing else is ever written over."""

import os
import secrets
import stat
from pathlib import Path
from typing import Final

from roomkey.cli.demo.report.document import MARK
from roomkey.errors import ConfigurationError

_BEGINNING: Final = 512


class ReportFile:
    """The file that ``--report`` names; raises ConfigurationError at once where it cannot be written, or must not be.

    What is there is replaced only where it is a report of the demo; a symbolic link is never followed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._check()

    def write(self, text: str) -> None:
        """Write it whole or not at all. Raises ConfigurationError; blocks on the disk."""
        self._check()
        beside = self._path.with_name(f".roomkey-demo.{secrets.token_hex(8)}")
        try:
            with beside.open("x", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self._path)
        except OSError as error:
            raise self._unwritable(error) from None
        finally:
            beside.unlink(missing_ok=True)

    def _check(self) -> None:
        path = self._path
        try:
            found = path.lstat()
        except FileNotFoundError:
            found = None
        except OSError as error:
            raise self._unwritable(error) from None
        if not path.parent.is_dir():
            raise ConfigurationError(f"--report names {path}, and there is no folder {path.parent}; make it first.")
        if not os.access(path.parent, os.W_OK):
            raise ConfigurationError(f"--report names {path}, and you may not write into {path.parent}.")
        if found is not None and not (stat.S_ISREG(found.st_mode) and self._is_report()):
            raise ConfigurationError(
                f"--report names {path}, which is there already and is no report of the demo; name another file."
            )

    def _is_report(self) -> bool:
        try:
            with self._path.open("rb") as file:
                return MARK.encode() in file.read(_BEGINNING)
        except OSError:
            return False

    def _unwritable(self, error: OSError) -> ConfigurationError:
        return ConfigurationError(f"--report names {self._path}, which cannot be written: {error.strerror}.")
