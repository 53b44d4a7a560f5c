"""Settings of the auth service: addresses, lifetimes, limits (values only)."""

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
        issuer: its URL in tokens, metadata and links; never taken from a request.
        host, port: the address that it listens on.
        database: the URL of the database.
        access_token_lifetime: the default of an API.
        longest_access_token: the most that an API may set.
        longest_app_token: the most that an API may set for app tokens.
        refresh_idle: an unused refresh token expires after this time.
        refresh_absolute: a family of refresh tokens expires after this time.
        refresh_grace: a refresh that is repeated within this time gets the same response.
        jwks_max_age: how long validators may cache the JWKS; a new key is published for as long before it signs.
        signing_key_lifetime: a signing key is rotated automatically after this time.
        list_ttl: how long validators use a revocation list before they fetch it again.
        clock_leeway: tolerated difference to the clocks of clients.
        session_idle, session_absolute: of the backoffice.
        trusted_proxies: addresses whose X-Forwarded-For is trusted.
        access_log: whether each request is written to the log.
        log_format: ``logfmt`` or ``json``.
        metrics_token: the bearer token for ``/metrics``; without one it answers requests of this machine only.
    """

    data: Path
    issuer: str
    host: str = "127.0.0.1"
    port: int = 8400
    database: str = field(repr=False)  # it may contain a password
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
        """Return settings with the defaults of a service in the folder ``data``."""
        made: dict[str, object] = {"data": data, "database": f"sqlite:///{data / 'roomkey.db'}"} | others
        host = str(made.get("host", "127.0.0.1"))
        address = f"[{host}]" if ":" in host else host
        return cls(issuer=issuer or f"http://{address}:{made.get('port', 8400)}", **made)  # type: ignore[arg-type]
