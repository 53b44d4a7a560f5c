"""Checks of ``roomkey serve --check``: settings, files and database, each finding with a stable id.

docs/how-to/run-the-auth-service.md lists the ids. A check changes nothing and creates no file.
"""

import ipaddress
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, make_url, text
from sqlalchemy.exc import ArgumentError

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import NEWEST
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.health import rules
from roomkey.authorization_server.identity.users import administrators_exist
from roomkey.authorization_server.settings import DAY, HOUR, Settings
from roomkey.http.transport import is_loopback

_LEAST_FREE: Final = 256 * 1024 * 1024  # bytes
_MOST_PROXIES: Final = 65_536  # addresses
_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem: its stable id, a description, and what to do."""

    id: str
    problem: str
    step: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """Result of a check; ``database_seen`` is False where there is no database yet, so that no data was checked."""

    found: tuple[Finding, ...]
    database_seen: bool


def look(settings: Settings, now: int) -> CheckReport:
    """Check settings, files and database; ``now`` is in seconds since 1970. Blocks for some milliseconds."""
    found = [*_settings(settings), *_files(settings)]
    url = _parsed(settings.database)
    seen = url is not None and (not url.startswith("sqlite") or Path(_sqlite_path(settings.database)).exists())
    if seen:
        found += _database(settings, now)
    return CheckReport(tuple(found), seen)


def _settings(settings: Settings) -> Iterator[Finding]:
    if not settings.issuer.startswith("https://"):
        yield Finding(
            "RK101",
            f"The issuer {settings.issuer} is not https, so only this machine can use it.",
            "put a TLS proxy in front of the service and give its URL as --issuer https://…",
        )
    if max(settings.access_token_lifetime, settings.longest_access_token) > HOUR:
        yield Finding(
            "RK103",
            "Access tokens may live longer than an hour, and a stolen one as long.",
            "lower access_token_lifetime and longest_access_token; clients renew their tokens automatically.",
        )
    if sum(ipaddress.ip_network(proxy).num_addresses for proxy in settings.trusted_proxies) > _MOST_PROXIES:
        yield Finding(
            "RK107",
            "trusted_proxies names so many addresses that others could forge the client address of a request.",
            "name only the addresses of the proxies.",
        )


def _files(settings: Settings) -> Iterator[Finding]:
    database = _sqlite_path(settings.database)
    paths = [settings.data, settings.data / "roomkey.key"] + ([Path(database)] if database else [])
    for path in paths:
        mode = _mode(path)
        if mode is not None and mode & 0o077:
            yield Finding(
                "RK102",
                f"{path} is accessible to other users (mode {stat.S_IMODE(mode):04o}).",
                f"chmod {'700' if stat.S_ISDIR(mode) else '600'} {path}",
            )
    folder = next((each for each in (settings.data, *settings.data.parents) if each.is_dir()), None)
    if folder is None or not database:
        return
    kind = file_system(Path(database), _mounts())
    if kind in _NETWORK:
        yield Finding(
            "RK104",
            f"The database is on a network file system ({kind}), whose locks SQLite cannot rely on.",
            "keep it on a local disk, or use PostgreSQL.",
        )
    if shutil.disk_usage(folder).free < _LEAST_FREE:
        yield Finding(
            "RK108",
            f"Less than {_LEAST_FREE // 1024 // 1024} MiB are free on the disk of the database.",
            "free some space: on a full disk no token can be issued.",
        )


def _database(settings: Settings, now: int) -> Iterator[Finding]:
    url = make_url(settings.database)
    host = str(url.query.get("host") or url.host or "")
    secured = url.query.get("sslmode") in ("verify-full", "verify-ca")
    if (
        url.get_backend_name() != "sqlite"
        and host
        and not host.startswith("/")
        and not is_loopback(host)
        and not secured
    ):
        yield Finding(
            "RK106",
            "The connection to PostgreSQL does not verify the server.",
            "add ?sslmode=verify-full&sslrootcert=PATH to the database URL.",
        )
    try:
        database = Database.open(settings.database)
        try:
            with database.reading() as connection:
                yield from _content(connection, settings, now)
        finally:
            database.close()
    except DatabaseUnavailable as error:
        yield Finding("RK105", str(error), "check that the database is reachable, then run the check again.")


def _content(connection: Connection, settings: Settings, now: int) -> Iterator[Finding]:
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision != NEWEST:
        yield Finding(
            "RK109",
            f"The database has the schema {revision}, this version of roomkey {NEWEST}.",
            "an older schema is migrated at the next start, so make a backup first; for a newer one, update roomkey.",
        )
        return
    if not administrators_exist(connection):
        yield Finding("RK110", "There is no administrator yet.", "start the service and open the link that it prints.")
    for row in rules.overdue_keys(connection, now, settings.signing_key_lifetime)[:1]:
        days = (now - row.due + settings.signing_key_lifetime) // DAY
        yield Finding(
            "RK111",
            f"The {row.algorithm} key {row.kid} has signed for {days} days and was not rotated.",
            "keep the service running, it rotates keys by itself; or: roomkey admin keys rotate",
        )
    for row in rules.long_lived_apis(connection)[:1]:
        yield Finding(
            "RK112",
            f"Tokens for the API {row.audience} live longer than an hour.",
            f"roomkey admin api change {row.audience} --token-lifetime 1h",
        )
    for row in rules.expiring_secrets(connection, now)[:1]:
        successor = "and its successor is not used yet" if row.replaced else "and has no successor"
        noun = "api" if row.kind == "api" else "service-account"
        yield Finding(
            "RK113",
            f"A secret of {row.client_id} expires within a week {successor}.",
            f"roomkey admin {noun} rotate-secret {row.client_id}, and give the client the new secret",
        )
    if rules.audit_in_future(connection, now):
        yield Finding(
            "RK114",
            "The audit log's last event lies in the future: a clock was, or is, wrong.",
            "set this machine's clock, and keep it right with NTP.",
        )
    chain = rules.audit_chain(connection)
    if not chain.holds:
        yield Finding(
            "RK115",
            f"The audit log's hash chain breaks at event {chain.number}: it was changed, moved or removed.",
            "compare the database with a backup, and find out who can write to it.",
        )


def file_system(path: Path, mounts: str) -> str:
    """Type of the file system of ``path`` by the lines of /proc/mounts; empty where unknown. Pure."""
    best, kind = "", ""
    for line in mounts.splitlines():
        words = line.split(" ")
        if len(words) > 2:
            place = words[1].replace("\\040", " ")
            if path.is_relative_to(place) and len(place) >= len(best):
                best, kind = place, words[2]
    return kind


def _mounts() -> str:
    try:
        return Path("/proc/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _mode(path: Path) -> int | None:
    try:
        return path.stat().st_mode
    except OSError:
        return None


def _parsed(url: str) -> str | None:
    try:
        return make_url(url).get_backend_name()
    except ArgumentError:
        return None


def _sqlite_path(url: str) -> str:
    return str(Path(url.removeprefix("sqlite:///")).absolute()) if url.startswith("sqlite:///") else ""
