"""Settings that the service was started with, read-only, and how to change them."""

from dataclasses import fields

from sqlalchemy.engine import make_url
from starlette.responses import Response

from roomkey.authorization_server.backoffice.page import Routes, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.backoffice.time_words import duration
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.settings import Settings
from roomkey.secret import Secret

_MEANINGS = {
    "data": "the folder of the database and of the key file",
    "issuer": "its name in tokens and metadata, and the base of every link",
    "host": "where it listens",
    "port": "where it listens",
    "database": "where everything is",
    "access_token_lifetime": "access tokens of APIs that name no other time",
    "longest_access_token": "what an API may name at most",
    "longest_app_token": "what an API may allow for app tokens at most",
    "refresh_idle": "an unused refresh token expires after this time",
    "refresh_absolute": "a refresh token family expires after this time in any case",
    "refresh_grace": "a refresh that is repeated within this time gets the same response",
    "jwks_max_age": "validators may keep the keys for this long",
    "signing_key_lifetime": "a signing key is rotated after this time",
    "list_ttl": "validators cache revocation lists for this long",
    "clock_leeway": "clocks of clients may differ by this much",
    "session_idle": "an unused session of this backoffice expires after this time",
    "session_absolute": "a session expires after this time in any case",
    "trusted_proxies": "IP addresses whose X-Forwarded-For is trusted",
    "access_log": "a line for each request, without its query",
    "log_format": "of that and of every other line",
    "metrics_token": "what /metrics asks for",
}
ROUTES = Routes()


@ROUTES.get("/settings", Permission.CHANGE_SETTINGS)
async def settings(visit: Visit) -> Response:
    """Show all settings, without the password of the database."""
    own = visit.service.settings
    rows = [(field.name, _shown(own, field.name), _MEANINGS.get(field.name, "")) for field in fields(own)]
    toml = f'[server]\nissuer = "{own.issuer}"\naccess_token_lifetime = {own.access_token_lifetime}'
    environment = (
        f"ROOMKEY_SERVER_ISSUER={own.issuer}\nROOMKEY_SERVER_ACCESS_TOKEN_LIFETIME={own.access_token_lifetime}"
    )
    snippets = (("roomkey.toml", toml), ("Environment", environment))
    return await show(visit, "settings.html", rows=rows, snippets=snippets)


def _shown(own: Settings, name: str) -> str:
    value = getattr(own, name)
    if name == "database":
        return make_url(value).render_as_string(hide_password=True)
    if isinstance(value, Secret):
        return f"from {value.origin}" if value.kind != "value" else "given"
    if value is None or isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int) and name != "port":
        return duration(value)
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value)
