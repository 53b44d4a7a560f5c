"""Fresh data folders, copied from one that the service has made: its schema and keys cost more than most tests."""

import functools
import shutil
import tempfile
from pathlib import Path

from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.clock import Clock, SystemClock
from roomkey.testing import FakeClock


def fresh_data(folder: Path, clock: Clock | None = None) -> Path:
    """Copy what ``Service.open`` makes at the time of ``clock`` into ``folder``, on SQLite, and return ``folder``."""
    wall = clock.wall() if isinstance(clock, FakeClock) else None
    shutil.copytree(_made(wall), folder, dirs_exist_ok=True)
    return folder


@functools.cache
def _made(wall: float | None) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="roomkey-fresh-")) / "data"
    Service.open(Settings.at(folder), clock=SystemClock() if wall is None else FakeClock(wall=wall)).close()
    return folder
