"""What the auth service is told: where it listens, what it is called, how long things live (values only)."""

from dataclasses import dataclass, field
from pathlib import Path

from roomkey.secret import Secret

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of one auth service; all times in seconds.

    Attributes:
        data: the folder of the database and of the key file.
        issuer: its name in tokens and metadata, and the base of every link; never taken from a request.
        host, port: where it listens.
        database: the address of the database.
        access_token_lifetime: of APIs that name none.
        longest_access_token: what an API may name at most.
        longest_app_token: what an API may allow for app tokens at most.
        refresh_idle: a refresh token that nobody uses ends after this time.
        refresh_absolute: a family ends after this time, whatever is refreshed.
        refresh_grace: a refresh that is sent again within this time gets the same answer.
        jwks_max_age: how long validators may keep the keys; the next key is published for at least as long.
        signing_key_lifetime: after this time a signing key is replaced by itself.
        list_ttl: how long validators go by a list of revoked tokens before they look again.
        clock_leeway: by how much the clocks of clients may differ.
        session_idle, session_absolute: of the backoffice.
        trusted_proxies: addresses whose X-Forwarded-For is believed.
        access_log: whether each request is written to the log.
        log_format: ``logfmt`` or ``json``.
        metrics_token: the bearer token that ``/metrics`` asks for; without one it answers this machine alone.
    """

    data: Path
    issuer: str
    host: str = "127.0.0.1"
    port: int = 8400
    database: str = field(repr=False)  # there may be a password in it
    access_token_lifetime: int = 300
    longest_access_token: int = HOUR
    longest_app_token: int = 366 * DAY
    refresh_idle: int = 14 * DAY
    refresh_absolute: int = 90 * DAY
    refresh_grace: int = 30
    jwks_max_age: int = 300
    signing_key_lifetime: int = 90 * DAY
    list_ttl: int = 15
    clock_leeway: int = 30
    session_idle: int = HOUR
    session_absolute: int = 12 * HOUR
    trusted_proxies: tuple[str, ...] = ()
    access_log: bool = True
    log_format: str = "logfmt"
    metrics_token: Secret | None = None

    @classmethod
    def at(cls, data: Path, *, issuer: str | None = None, **others: object) -> "Settings":
        """The settings of a service that keeps everything in the folder ``data``."""
        made: dict[str, object] = {"data": data, "database": f"sqlite:///{data / 'roomkey.db'}"} | others
        host = str(made.get("host", "127.0.0.1"))
        address = f"[{host}]" if ":" in host else host
        return cls(issuer=issuer or f"http://{address}:{made.get('port', 8400)}", **made)  # type: ignore[arg-type]
