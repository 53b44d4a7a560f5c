"""Where the auth service is told its settings: the command line, then ROOMKEY_SERVER_*, then [server] of roomkey.toml.

No message repeats a value: somebody may have written a secret into the wrong place.
"""

import enum
import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from roomkey.authorization_server.settings import DAY, Settings
from roomkey.config.file import find_any, read_file
from roomkey.config.table import Table, needed_secret, suggestion
from roomkey.errors import ConfigurationError
from roomkey.http.endpoint_url import is_loopback, url_problem
from roomkey.secret import Secret

PREFIX: Final = "ROOMKEY_SERVER_"
_FORMATS: Final = ("logfmt", "json")
_PORT: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})", re.ASCII)
# What Kubernetes puts into the environment of every pod beside a service called "roomkey-server".
_SERVICE_LINK: Final = re.compile(r"(SERVICE|PORT)(_.*)?")


class _Kind(enum.Enum):
    TEXT = enum.auto()
    FOLDER = enum.auto()
    DATABASE = enum.auto()
    SECONDS = enum.auto()
    FLAG = enum.auto()
    TEXTS = enum.auto()
    SECRET = enum.auto()


_SETTINGS: Final[Mapping[str, _Kind]] = {
    "data": _Kind.FOLDER,
    "issuer": _Kind.TEXT,
    "listen": _Kind.TEXT,
    "database": _Kind.DATABASE,
    "access_token_lifetime": _Kind.SECONDS,
    "longest_access_token": _Kind.SECONDS,
    "longest_app_token": _Kind.SECONDS,
    "refresh_idle": _Kind.SECONDS,
    "refresh_absolute": _Kind.SECONDS,
    "refresh_grace": _Kind.SECONDS,
    "jwks_max_age": _Kind.SECONDS,
    "clock_leeway": _Kind.SECONDS,
    "session_idle": _Kind.SECONDS,
    "session_absolute": _Kind.SECONDS,
    "trusted_proxies": _Kind.TEXTS,
    "access_log": _Kind.FLAG,
    "log_format": _Kind.TEXT,
    "metrics_token": _Kind.SECRET,
}
_LONGEST: Final[Mapping[str, int]] = {
    "access_token_lifetime": DAY,
    "longest_access_token": DAY,
    "longest_app_token": 10 * 366 * DAY,
    "refresh_idle": 366 * DAY,
    "refresh_absolute": 366 * DAY,
    "refresh_grace": 300,
    "jwks_max_age": DAY,
    "clock_leeway": 300,
    "session_idle": DAY,
    "session_absolute": 7 * DAY,
}
_WITHIN: Final = (
    ("access_token_lifetime", "longest_access_token"),
    ("refresh_idle", "refresh_absolute"),
    ("session_idle", "session_absolute"),
)


@dataclass(frozen=True, slots=True)
class _Given:
    """One value, and how a message calls the place where it was given."""

    value: object
    named: str

    def problem(self, words: str) -> ConfigurationError:
        return ConfigurationError(f"{self.named} {words}")


def data_folder() -> Path:
    """Where the service keeps everything by default: ``$XDG_DATA_HOME/roomkey``, or ``~/.local/share/roomkey``. No I/O.

    Raises ConfigurationError for a user without a home folder.
    """
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    if named.is_absolute():
        return named / "roomkey"
    try:
        return Path("~/.local/share/roomkey").expanduser()
    except RuntimeError:
        problem = "This user has no home folder to keep the service's data in; name a folder with --data."
    raise ConfigurationError(problem)


def read_settings(
    *, data: Path | None = None, listen: str | None = None, issuer: str | None = None, database: str | None = None
) -> Settings:
    """The settings of the auth service; what is handed over comes from the command line and wins.

    Raises ConfigurationError with one sentence that names the setting and where it stands. Reads the environment and
    at most one file; safe in any thread.
    """
    given: dict[str, _Given] = {}
    file = find_any()
    if file is not None:
        given |= _from_file(read_file(file).table("server"))
    given |= _from_environment()
    line = {"data": data, "listen": listen, "issuer": issuer, "database": database}
    given |= {name: _Given(value, f"--{name}") for name, value in line.items() if value is not None}
    if database is not None and urlsplit(database).password is not None:
        raise given["database"].problem(
            f"holds a password, which every process of this machine can read; put the address into {PREFIX}DATABASE."
        )
    return _checked(given)


def _from_file(table: Table | None) -> dict[str, _Given]:
    if table is None:
        return {}
    table.expect(tuple(_SETTINGS))
    found: dict[str, _Given] = {}
    for name in table.keys:
        value = _FILE[_SETTINGS[name]](table, name)
        found[name] = _Given(value, f"{table.file}: [server] {name}")
    return found


def _folder_of(table: Table, name: str) -> Path:
    return table.path(name, table.required(name))


def _database_of(table: Table, name: str) -> str | Secret:
    if table.is_table(name):
        return needed_secret(table, name)
    url = table.required(name)
    if urlsplit(url).password is not None:
        raise table.problem(
            name, 'holds its password in plain text; write database = { env = "NAME" } or { file = "PATH" }.'
        )
    path = url.removeprefix("sqlite:///")
    return url if path == url or not path else f"sqlite:///{table.path(name, path).absolute()}"


_FILE: Final[Mapping[_Kind, Callable[[Table, str], object]]] = {
    _Kind.TEXT: Table.required,
    _Kind.FOLDER: _folder_of,
    _Kind.DATABASE: _database_of,
    _Kind.SECONDS: Table.whole,
    _Kind.FLAG: Table.flag,
    _Kind.TEXTS: Table.strings,
    _Kind.SECRET: needed_secret,
}


def _from_environment() -> dict[str, _Given]:
    found: dict[str, _Given] = {}
    for variable, text in os.environ.items():
        rest = variable.removeprefix(PREFIX)
        if rest == variable or not text or _SERVICE_LINK.fullmatch(rest):
            continue
        if rest.lower() not in _SETTINGS or not rest.isupper():
            near = suggestion(rest, [name.upper() for name in _SETTINGS]) or "remove it."
            raise ConfigurationError(f"The environment variable {variable[:64]} is no setting of the service; {near}")
        found[rest.lower()] = _Given(_value(variable, text, _SETTINGS[rest.lower()]), variable)
    return found


def _value(variable: str, text: str, kind: _Kind) -> object:
    if kind is _Kind.SECONDS:
        if not (text.isascii() and text.isdigit() and len(text) < 12 and int(text)):
            raise ConfigurationError(f"{variable} must be a whole number of seconds above 0.")
        return int(text)
    if kind is _Kind.FLAG:
        if text not in ("true", "false"):
            raise ConfigurationError(f"{variable} must be true or false.")
        return text == "true"
    if kind is _Kind.TEXTS:
        return tuple(each.strip() for each in text.split(",") if each.strip())
    if kind is _Kind.FOLDER:
        return Path(text)
    return Secret.from_env(variable) if kind is _Kind.SECRET else text


def _checked(given: dict[str, _Given]) -> Settings:
    data = given.pop("data", None)
    folder = Path(str(data.value)).absolute() if data is not None else data_folder()
    listen = given.pop("listen", None)
    host, port = ("127.0.0.1", 8400) if listen is None else _address(listen)
    issuer = given.get("issuer")
    if issuer is not None:
        _check_issuer(issuer)
    if not is_loopback(host) and (issuer is None or not str(issuer.value).startswith("https://")):
        raise (listen or _Given("", "The address")).problem(
            "can be reached by other machines, who must come by https: name the address that they use by "
            "--issuer https://…, and put a proxy that speaks TLS before this service."
        )
    for name, longest in _LONGEST.items():
        if name in given and isinstance(value := given[name].value, int) and value > longest:
            raise given[name].problem(f"must be at most {longest} seconds.")
    values = {name: _plain(each) for name, each in given.items()}
    settings = Settings.at(folder, host=host, port=port, **values)  # type: ignore[arg-type]
    for name, most in _WITHIN:
        if getattr(settings, name) > getattr(settings, most):
            raise (given.get(name) or given[most]).problem(f"does not fit: {name} must not be longer than {most}.")
    _check_choices(settings, given)
    return settings


def _plain(given: _Given) -> object:
    """The value itself; a database's address is needed now, every other secret later."""
    if given.named.endswith("database") and isinstance(given.value, Secret):
        return given.value.reveal()
    return given.value


def _check_choices(settings: Settings, given: Mapping[str, _Given]) -> None:
    if settings.log_format not in _FORMATS:
        raise given["log_format"].problem(f"must be one of {', '.join(_FORMATS)}.")
    for proxy in settings.trusted_proxies:
        try:
            ipaddress.ip_network(proxy)
        except ValueError:
            raise given["trusted_proxies"].problem(
                "must be a list of addresses or networks, such as 10.0.0.7 or 10.0.0.0/24."
            ) from None


def _address(listen: _Given) -> tuple[str, int]:
    found = _PORT.fullmatch(str(listen.value))
    if found is None or int(found["port"]) > 65_535:
        raise listen.problem("must be HOST:PORT, such as 127.0.0.1:8400 or [::1]:8400.")
    return found["host"].strip("[]"), int(found["port"])


def _check_issuer(issuer: _Given) -> None:
    url = str(issuer.value)
    problem = url_problem(url)
    if not problem and ("?" in url or urlsplit(url).path):
        problem = "has a path, a slash at its end or a query"
    if problem:
        raise issuer.problem(f"{problem}; give https://HOST or https://HOST:PORT (http:// is for loopback alone).")
