"""Files that only their owner may read: how they are made, and when one must not be trusted."""

import os
import stat
from pathlib import Path
from typing import Final

_NEW: Final = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW


def distrust(found: os.stat_result) -> str | None:
    """Why a file must not be trusted with secrets, as a clause that follows its name; None where it may be."""
    if stat.S_ISLNK(found.st_mode):
        return "is a symbolic link, which could point anywhere; name the file itself"
    if not stat.S_ISREG(found.st_mode):
        return "is not a regular file; name another one"
    if found.st_mode & 0o077:
        return f"may be used by others (mode {stat.S_IMODE(found.st_mode):04o}); run chmod 600 on it"
    user = os.geteuid()
    if user != 0 and found.st_uid not in (0, user):
        return "belongs to another user; give it to the user that runs this, or name another one"
    return None


def make_folder(folder: Path) -> None:
    """Make ``folder`` and what is missing above it, open to this user only (0700). Raises OSError."""
    if not folder.is_dir():
        if folder.parent != folder:
            make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)


def make_empty(path: Path) -> bool:
    """Make an empty file (0600), never through a symlink; False where something is there already. Raises OSError.

    An existing file is not opened: closing it again would drop the locks that SQLite holds on it in this process.
    """
    try:
        descriptor = os.open(path, _NEW, 0o600)
    except FileExistsError:
        return False
    os.close(descriptor)
    sync_folder(path.parent)
    return True


def write_new(path: Path, content: bytes) -> bool:
    """Make a file (0600) that is whole from its first moment; False where there is one already. Raises OSError.

    Of several processes that do this at once exactly one wins, and all find the winner's content.
    """
    written = _write_beside(path, content)
    try:
        os.link(written, path)
    except FileExistsError:
        return False
    finally:
        written.unlink(missing_ok=True)
    sync_folder(path.parent)
    return True


def replace(path: Path, content: bytes) -> None:
    """Replace a file's content in one step that a crash cannot tear; the new file has mode 0600. Raises OSError."""
    written = _write_beside(path, content)
    try:
        written.replace(path)
    except OSError:
        written.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def _write_beside(path: Path, content: bytes) -> Path:
    import tempfile  # slow to import, and not needed to read

    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def sync_folder(folder: Path) -> None:
    """Make sure that a new name in ``folder`` outlives a power cut. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
