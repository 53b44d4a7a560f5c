"""What is wrong, or soon will be, with how the service is set up: each finding with an id that stays what it is.

docs/how-to/run-the-auth-service.md lists the ids. Looking changes nothing and makes no file.
"""

import ipaddress
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, exists, func, make_url, select, text
from sqlalchemy.exc import ArgumentError

from roomkey.authorization_server.database.database import Database
from roomkey.authorization_server.database.migrate import NEWEST
from roomkey.authorization_server.errors import DatabaseUnavailable
from roomkey.authorization_server.identity.users import administrators_exist
from roomkey.authorization_server.schema.accounts import account_secrets, apis
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.keys import signing_keys
from roomkey.authorization_server.settings import DAY, HOUR, Settings
from roomkey.http.address import is_loopback

_LEAST_FREE: Final = 256 * 1024 * 1024  # bytes
_MOST_PROXIES: Final = 65_536  # addresses
_OLDEST_KEY: Final = 90 * DAY
_NETWORK: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "ceph", "glusterfs", "afs"})


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it should be: a stable id, what it is, and what to do."""

    id: str
    problem: str
    step: str


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What was found; ``database_seen`` is False where there is no database yet, and only settings were looked at."""

    found: tuple[Finding, ...]
    database_seen: bool


def look(settings: Settings, now: int) -> CheckReport:
    """Look at the settings, the files and the database; ``now`` is in seconds since 1970. Blocks, but not for long."""
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
            "put a proxy that speaks TLS before the service and name its address with --issuer https://…",
        )
    if max(settings.access_token_lifetime, settings.longest_access_token) > HOUR:
        yield Finding(
            "RK103",
            "Access tokens may live longer than an hour, and a stolen one as long.",
            "lower access_token_lifetime and longest_access_token; apps renew their tokens by themselves.",
        )
    if sum(ipaddress.ip_network(proxy).num_addresses for proxy in settings.trusted_proxies) > _MOST_PROXIES:
        yield Finding(
            "RK107",
            "trusted_proxies names so many addresses that others may say where a request comes from.",
            "name the proxies alone.",
        )


def _files(settings: Settings) -> Iterator[Finding]:
    database = _sqlite_path(settings.database)
    paths = [settings.data, settings.data / "roomkey.key"] + ([Path(database)] if database else [])
    for path in paths:
        mode = _mode(path)
        if mode is not None and mode & 0o077:
            yield Finding(
                "RK102",
                f"{path} may be used by others (mode {stat.S_IMODE(mode):04o}).",
                f"chmod {'700' if stat.S_ISDIR(mode) else '600'} {path}",
            )
    folder = next((each for each in (settings.data, *settings.data.parents) if each.is_dir()), None)
    if folder is None or not database:
        return
    kind = file_system(Path(database), _mounts())
    if kind in _NETWORK:
        yield Finding(
            "RK104",
            f"The database lies on a network file system ({kind}), whose locks SQLite cannot rely on.",
            "keep it on a local disk, or use PostgreSQL.",
        )
    if shutil.disk_usage(folder).free < _LEAST_FREE:
        yield Finding(
            "RK108",
            f"Less than {_LEAST_FREE // 1024 // 1024} MiB are free where the database lies.",
            "make room: a full disk lets no token be issued.",
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
            "The way to PostgreSQL is not protected: nothing makes sure that it is the right server.",
            "add ?sslmode=verify-full&sslrootcert=PATH to the database's address.",
        )
    try:
        database = Database.open(settings.database)
        try:
            with database.reading() as connection:
                yield from _content(connection, now)
        finally:
            database.close()
    except DatabaseUnavailable as error:
        yield Finding("RK105", str(error), "see that the database can be reached, then run this again.")


def _content(connection: Connection, now: int) -> Iterator[Finding]:
    revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
    if revision != NEWEST:
        yield Finding(
            "RK109",
            f"The database has the schema {revision}, this version of roomkey {NEWEST}.",
            "an older schema is brought up at the next start, so make a backup first; for a newer one, update roomkey.",
        )
        return
    if not administrators_exist(connection):
        yield Finding("RK110", "There is no administrator yet.", "start the service and open the link that it prints.")
    oldest = connection.scalar(select(func.min(signing_keys.c.activated_at)).where(signing_keys.c.state == "signing"))
    if oldest is not None and now - oldest > _OLDEST_KEY:
        yield Finding(
            "RK111", f"A signing key has been in use for {(now - oldest) // DAY} days.", "roomkey admin keys rotate"
        )
    yield from _accounts(connection, now)
    latest = connection.scalar(select(func.max(audit_events.c.at)))
    if latest is not None and latest > now + HOUR:
        yield Finding(
            "RK114",
            "The audit log's last event lies in the future: a clock was, or is, wrong.",
            "set this machine's clock, and keep it right with NTP.",
        )


def _accounts(connection: Connection, now: int) -> Iterator[Finding]:
    long = connection.scalars(
        select(apis.c.audience).where(apis.c.token_lifetime > HOUR, apis.c.disabled_at.is_(None)).limit(1)
    ).first()
    if long is not None:
        yield Finding(
            "RK112",
            f"Tokens for the API {long} live longer than an hour.",
            "lower its token lifetime in the backoffice.",
        )
    ends = account_secrets.c.expires_at
    newer = account_secrets.alias()
    replaced = exists().where(
        newer.c.client_id == account_secrets.c.client_id, newer.c.expires_at.is_(None) | (newer.c.expires_at > ends)
    )
    soon = connection.scalars(
        select(account_secrets.c.client_id).where(ends > now, ends < now + 7 * DAY, ~replaced).limit(1)
    ).first()
    if soon is not None:
        yield Finding(
            "RK113",
            f"The last secret of the service account {soon} ends within a week.",
            f"roomkey admin service-account rotate-secret {soon}",
        )


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system that ``path`` is on, by the lines of /proc/mounts; empty where they do not tell. Pure."""
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
