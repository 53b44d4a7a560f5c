"""A PostgreSQL cluster for one test run: on a socket of its own, without a port, gone with the run."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

import psycopg

_PATIENCE = 30.0
_FAST = ("fsync=off", "synchronous_commit=off", "full_page_writes=off", "max_connections=200", "listen_addresses=")


class Missing(Exception):
    """Why there is no PostgreSQL on this machine."""


class Cluster:
    """A server of its own with as many databases as tests ask for; a context manager."""

    def __init__(self, folder: Path, process: "subprocess.Popen[bytes]") -> None:
        self._folder = folder
        self._process = process
        self._made = 0

    @classmethod
    def start(cls) -> Self:
        """Make and start it; raises Missing where PostgreSQL, or a user who may run it, is missing."""
        programs = _programs()
        as_user, owner = _user()
        folder = Path(tempfile.mkdtemp(prefix="roomkey-pg-"))  # a socket's path must be short
        if owner is not None:
            os.chown(folder, *owner)
        data = folder / "data"
        subprocess.run(
            [*as_user, programs / "initdb", "-D", data, "-A", "trust", "-U", "roomkey", "-N", "-E", "UTF8"],
            check=True,
            capture_output=True,
            cwd="/",
        )
        options = [word for setting in _FAST for word in ("-c", setting)]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [*as_user, programs / "postgres", "-D", data, "-k", folder, *options], stdout=log, stderr=log, cwd="/"
            )
        made = cls(folder, process)
        try:
            made._wait()
        except BaseException:
            made.stop()
            raise
        return made

    def _wait(self) -> None:
        end = time.monotonic() + _PATIENCE
        while True:
            try:
                psycopg.connect(self._words("postgres"), connect_timeout=5).close()
            except psycopg.OperationalError:
                if time.monotonic() > end or self._process.poll() is not None:
                    raise RuntimeError((self._folder / "log").read_text()) from None
                time.sleep(0.05)
            else:
                return

    def _words(self, name: str) -> str:
        return f"host={self._folder} user=roomkey dbname={name}"

    def database(self) -> str:
        """The address of a new, empty database."""
        self._made += 1
        name = f"test_{self._made}"
        with psycopg.connect(self._words("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return f"postgresql://roomkey@/{name}?host={self._folder}"

    @contextmanager
    def outage(self, url: str) -> Iterator[None]:
        """Meanwhile nobody gets into the database at ``url``, and whoever was there is thrown out."""
        name = urlsplit(url).path.removeprefix("/")
        with psycopg.connect(self._words("postgres"), autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
            try:
                connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
                yield
            finally:
                connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())

    def stop(self) -> None:
        """End it at once and remove what it has written."""
        self._process.send_signal(signal.SIGQUIT)  # it tells its own children as well
        try:
            self._process.wait(_PATIENCE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()


def _programs() -> Path:
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve().parent] if on_path else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    folder = next((folder for folder in found if (folder / "postgres").exists() and (folder / "initdb").exists()), None)
    if folder is None:
        raise Missing("PostgreSQL is not installed: there is no initdb on PATH or in /usr/lib/postgresql")
    return folder


def _user() -> tuple[list[str], tuple[int, int] | None]:
    """The words before the command that run it as somebody whom PostgreSQL serves, and who that is."""
    setpriv = shutil.which("setpriv")
    ends_with_us = [setpriv, "--pdeathsig", "QUIT"] if setpriv else []
    if os.geteuid() != 0:
        return ends_with_us, None
    try:
        user = pwd.getpwnam("postgres")
    except KeyError:
        raise Missing("PostgreSQL does not run as root, and there is no user postgres") from None
    if setpriv is None:
        raise Missing("PostgreSQL does not run as root, and there is no setpriv to run it as another user")
    groups = ["--reuid", str(user.pw_uid), "--regid", str(user.pw_gid), "--clear-groups"]
    return [*ends_with_us, *groups], (user.pw_uid, user.pw_gid)
