"""Sources of the settings: the command line, then ROOMKEY_SERVER_* variables, then [server] in roomkey.toml.

No message repeats a value: it may be a secret in the wrong place.
"""

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
from roomkey.http.transport import is_loopback, url_problem
from roomkey.secret import Secret

PREFIX: Final = "ROOMKEY_SERVER_"
_FORMATS: Final = ("logfmt", "json")
_PORT: Final = re.compile(r"(?P<host>\[[0-9a-fA-F:.]+\]|[^:\[\]\s]+):(?P<port>[0-9]{1,5})", re.ASCII)
# Set by Kubernetes in every pod of a namespace with a service called "roomkey-server".
_SERVICE_LINK: Final = re.compile(r"(SERVICE|PORT)(_.*)?")


@dataclass(frozen=True, slots=True)
class _Given:
    """One value, and its source for messages."""

    value: object
    source: str

    def problem(self, message: str) -> ConfigurationError:
        return ConfigurationError(f"{self.source} {message}")


@dataclass(frozen=True, slots=True)
class _Setting:
    """Parsers of a setting in the file and in a variable, and its maximum in seconds."""

    in_file: Callable[[Table, str], object]
    in_environment: Callable[[str, str], object] = lambda _, value: value
    maximum: int | None = None


def _path_in_file(table: Table, name: str) -> Path:
    return table.path(name, table.required(name))


def _database_in_file(table: Table, name: str) -> str | Secret:
    if table.is_table(name):
        return needed_secret(table, name)
    url = table.required(name)
    if urlsplit(url).password is not None:
        raise table.problem(
            name, 'has its password in plain text; write database = { env = "NAME" } or { file = "PATH" }.'
        )
    path = url.removeprefix("sqlite:///")
    return url if path == url or not path else f"sqlite:///{table.path(name, path).absolute()}"


def _seconds(variable: str, value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) < 12 and int(value)):
        raise ConfigurationError(f"{variable} must be a whole number of seconds above 0.")
    return int(value)


def _flag(variable: str, value: str) -> bool:
    if value not in ("true", "false"):
        raise ConfigurationError(f"{variable} must be true or false.")
    return value == "true"


def _strings(_: str, value: str) -> tuple[str, ...]:
    return tuple(each.strip() for each in value.split(",") if each.strip())


def _up_to(maximum: int) -> _Setting:
    return _Setting(Table.whole, _seconds, maximum)


_SETTINGS: Final[Mapping[str, _Setting]] = {
    "data": _Setting(_path_in_file),
    "issuer": _Setting(Table.required),
    "listen": _Setting(Table.required),
    "database": _Setting(_database_in_file),
    "access_token_lifetime": _up_to(DAY),
    "longest_access_token": _up_to(DAY),
    "longest_app_token": _up_to(10 * 366 * DAY),
    "refresh_idle": _up_to(366 * DAY),
    "refresh_absolute": _up_to(366 * DAY),
    "refresh_grace": _up_to(300),
    "jwks_max_age": _up_to(DAY),
    "clock_leeway": _up_to(300),
    "session_idle": _up_to(DAY),
    "session_absolute": _up_to(7 * DAY),
    "trusted_proxies": _Setting(Table.strings, _strings),
    "access_log": _Setting(Table.flag, _flag),
    "log_format": _Setting(Table.required),
    "metrics_token": _Setting(needed_secret, lambda variable, _: Secret.from_env(variable)),
}
_NOT_ABOVE: Final = (
    ("access_token_lifetime", "longest_access_token"),
    ("refresh_idle", "refresh_absolute"),
    ("session_idle", "session_absolute"),
)


def data_folder() -> Path:
    """Return the default data folder: ``$XDG_DATA_HOME/roomkey``, or ``~/.local/share/roomkey``. No I/O.

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
    """Return the settings of the auth service; the parameters come from the command line and take precedence.

    Raises ConfigurationError, which names the setting and its source. Reads the environment and at most one file; safe
    in any thread.
    """
    given: dict[str, _Given] = {}
    file = find_any()
    if file is not None:
        given |= _from_file(read_file(file).table("server"))
    given |= _from_environment()
    options = {"data": data, "listen": listen, "issuer": issuer, "database": database}
    given |= {name: _Given(value, f"--{name}") for name, value in options.items() if value is not None}
    if database is not None and urlsplit(database).password is not None:
        raise given["database"].problem(
            f"has a password, which every process of this machine can read; put the URL into {PREFIX}DATABASE."
        )
    return _validate(given)


def _from_file(table: Table | None) -> dict[str, _Given]:
    if table is None:
        return {}
    table.expect(tuple(_SETTINGS))
    return {name: _Given(_SETTINGS[name].in_file(table, name), f"{table.file}: [server] {name}") for name in table.keys}


def _from_environment() -> dict[str, _Given]:
    given: dict[str, _Given] = {}
    for variable, value in os.environ.items():
        rest = variable.removeprefix(PREFIX)
        if rest == variable or not value or _SERVICE_LINK.fullmatch(rest):
            continue
        if rest.lower() not in _SETTINGS or not rest.isupper():
            near = suggestion(rest, [name.upper() for name in _SETTINGS]) or "remove it."
            raise ConfigurationError(f"The environment variable {variable[:64]} is no setting of the service; {near}")
        given[rest.lower()] = _Given(_SETTINGS[rest.lower()].in_environment(variable, value), variable)
    return given


def _validate(given: dict[str, _Given]) -> Settings:
    data = given.pop("data", None)
    folder = Path(str(data.value)).absolute() if data is not None else data_folder()
    listen = given.pop("listen", None)
    host, port = ("127.0.0.1", 8400) if listen is None else _host_and_port(listen)
    issuer = given.get("issuer")
    if issuer is not None:
        _check_issuer(issuer)
    if not is_loopback(host) and (issuer is None or not str(issuer.value).startswith("https://")):
        raise (listen or _Given("", "The address")).problem(
            "can be reached by other machines, which must use https: name the URL that they use with "
            "--issuer https://…, and put a TLS proxy before this service."
        )
    for name, each in given.items():
        maximum = _SETTINGS[name].maximum
        if maximum is not None and isinstance(each.value, int) and each.value > maximum:
            raise each.problem(f"must be at most {maximum} seconds.")
    values = {name: each.value for name, each in given.items()}
    if isinstance(url := values.get("database"), Secret):
        values["database"] = url.reveal()
    settings = Settings.at(folder, host=host, port=port, **values)  # type: ignore[arg-type]
    for name, most in _NOT_ABOVE:
        if getattr(settings, name) > getattr(settings, most):
            raise (given.get(name) or given[most]).problem(f"does not fit: {name} must not be longer than {most}.")
    _check_choices(settings, given)
    return settings


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


def _host_and_port(listen: _Given) -> tuple[str, int]:
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
        raise issuer.problem(f"{problem}; give https://HOST or https://HOST:PORT (http:// is for loopback only).")
