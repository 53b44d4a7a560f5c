"""A file of encryption keys: made once, read again when it changes, rotated with the old keys kept."""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from roomkey.errors import KeyringError
from roomkey.stores import private_file
from roomkey.stores.encryption import MOST_KEYS, Key, KeyText, parse

_log = logging.getLogger("roomkey.stores")
_LARGEST: Final = 8192
_LONGEST_WAIT: Final = 5.0
_HEADER: Final = b"# Keys that encrypt stored tokens, the encrypting one first. Keep this file secret, and keep it.\n"

_Mark = tuple[int, int, int, int]


class KeyFile:
    """The keys in the file at ``path``; with ``create`` the file is made when it is first read and missing.

    Safe in any thread and process: a file is made and replaced in one step each, and what was read is kept in one
    attribute, so that no lock is needed.
    """

    __slots__ = ("_complained", "_create", "_held", "path")

    def __init__(self, path: Path, *, create: bool = False) -> None:
        self.path = path
        self._create = create
        self._held: tuple[_Mark, tuple[Key, ...]] | None = None
        self._complained = ""

    def read(self) -> tuple[Key, ...]:
        """The keys, from memory while the file is the same one. Does I/O; raises KeyringError.

        Once keys have been read, a file that has become unreadable is warned of once, and those keys go on serving.
        """
        held = self._held
        try:
            mark = _mark(self.path.lstat())
            if held is not None and held[0] == mark:
                return held[1]
            found = self._read_file()
        except FileNotFoundError:
            if self._create and held is None:
                return self._make()
            found = "is missing"
        except OSError as error:
            found = f"cannot be read ({error.strerror})"
        if not isinstance(found, str):
            self._held, self._complained = (mark, found), ""
            return found
        problem = f"The key file {self.path} {found}."
        if held is None:
            raise KeyringError(problem)
        if problem != self._complained:
            self._complained = problem
            _log.warning("%s The keys that were read before go on being used.", problem)
        return held[1]

    def _read_file(self) -> tuple[Key, ...] | str:
        """The keys, or a clause that says what is wrong. The file is checked by the same handle that it is read by."""
        if self.path.is_symlink():
            return str(private_file.distrust(self.path.lstat()))
        descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        try:
            if (reason := private_file.distrust(os.fstat(descriptor))) is not None:
                return f"{reason}, or pass the keys with Keyring.from_env or Keyring.from_callable"
            keys = _parse(os.read(descriptor, _LARGEST + 1))
        finally:
            os.close(descriptor)
        return keys if not isinstance(keys, str) else f"holds no usable keys: {keys}"

    def _make(self) -> tuple[Key, ...]:
        try:
            private_file.make_folder(self.path.parent)
            made = private_file.write_new(self.path, _text((Key.generate(),)))
        except OSError as error:
            problem = f"The key file {self.path} cannot be made ({error.strerror})."
        else:
            if made:
                _log.warning(
                    "Made the key file %s (mode 0600), which decrypts what is kept beside it; who can read both has "
                    "the secrets, and without it they are lost.",
                    self.path,
                )
            self._create = False
            return self.read()
        raise KeyringError(problem)

    def rotate(self) -> Key:
        """Put a new key first and keep the others, up to 16 keys in all; returns the new one. Raises KeyringError.

        Everybody who uses the file encrypts with the new key from the next record on. Of several processes that rotate
        at once each adds its key. Does I/O, and waits up to 5 seconds for another rotation to end.
        """
        self.read()
        key = Key.generate()
        try:
            with self._locked():
                problem = self._put_first(key)
        except OSError as error:
            problem = f"cannot be replaced ({error.strerror or error})"
        if problem is None:
            return key
        raise KeyringError(f"The key file {self.path} {problem}; nothing was rotated.")

    def _put_first(self, key: Key) -> str | None:
        """Write the file anew, or say what is wrong with the one that is there: keys must not be lost over it."""
        keys = self._read_file()
        if isinstance(keys, str):
            return keys
        private_file.replace(self.path, _text((key, *keys[: MOST_KEYS - 1])))
        return None

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Keep other rotations out by a lock on the file, which must still be the one at its path. Raises OSError."""
        deadline = time.monotonic() + _LONGEST_WAIT
        while time.monotonic() < deadline:
            descriptor = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
            try:
                if _lock(descriptor) and os.fstat(descriptor).st_ino == self.path.lstat().st_ino:
                    yield
                    return
            finally:
                os.close(descriptor)
            time.sleep(0.01)
        raise TimeoutError("another process is rotating it")

    def __repr__(self) -> str:
        return f"KeyFile({self.path})"


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _mark(found: os.stat_result) -> _Mark:
    return (found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino)


def _parse(content: bytes) -> tuple[Key, ...] | str:
    if len(content) > _LARGEST:
        return f"it is larger than {_LARGEST} bytes"
    return parse(KeyText(content.decode("ascii"))) if content.isascii() else "it is not ASCII text"


def _text(keys: tuple[Key, ...]) -> bytes:
    return _HEADER + b"".join(key.text().value.encode("ascii") + b"\n" for key in keys)
