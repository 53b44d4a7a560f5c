"""A table of roomkey.toml, read strictly: known keys only, each of one type; secrets by reference only.

No message repeats a value: it may be a secret in the wrong place.
"""

import importlib
import importlib.util
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast, final

from roomkey.errors import ConfigurationError, SecretUnavailable
from roomkey.secret import Confidential, Secret

_SAFE_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """Return ``did you mean "…"?`` with the nearest of ``known``, or nothing. Pure."""
    import difflib  # needed for an error only

    near = difflib.get_close_matches(word[:64], list(known), n=1, cutoff=0.6)
    return f'did you mean "{near[0]}"?' if near else ""


@final
class Table(Confidential):
    """The keys of one table; ``file`` is the configuration file, ``name`` the table's dotted name, empty at the top.

    Every method that reads a key raises ConfigurationError where its value has another type. Does no I/O.
    """

    __slots__ = ("_values", "file", "name")

    def __init__(self, values: Mapping[str, object], *, file: Path, name: str = "") -> None:
        self._values = values
        self.file = file
        self.name = name

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the table, in the file's order."""
        return tuple(self._values)

    def expect(self, known: Sequence[str]) -> None:
        """Raise ConfigurationError for the first key that is not in ``known``, with the one it may be meant for."""
        for key in self._values:
            if key not in known:
                if not _SAFE_KEY.fullmatch(key):
                    raise ConfigurationError(f"{self._prefix()} holds an invalid key; remove it.")
                missing = [name for name in known if name not in self._values]
                near = suggestion(key, missing) or f"settings here are {', '.join(known)}."
                raise self.problem(key, f"is not known; {near}")

    def problem(self, key: str, message: str) -> ConfigurationError:
        """Return the error that names the file, this table and ``key``."""
        return ConfigurationError(
            f"{self._prefix()} {key} {message}" if self.name else f"{self.file}: [{key}] {message}"
        )

    def _prefix(self) -> str:
        return f"{self.file}: [{self.name}]" if self.name else f"{self.file}:"

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def string(self, key: str) -> str | None:
        """Return the string at ``key``, or None where it is not given."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, str) or not value.strip():
            raise self.problem(key, 'must be a string in quotes, such as "…", and not empty.')
        return value

    def required(self, key: str) -> str:
        """Return the string at ``key``, which must be given."""
        value = self.string(key)
        if value is None:
            raise self.problem(key, "is missing; add it.")
        return value

    def choice(self, key: str, options: Sequence[str], *, default: str | None = None) -> str:
        """Return one of ``options`` at ``key``; without a ``default`` it must be given."""
        value = self.string(key) or default
        if value is not None and value in options:
            return value
        message = f"must be one of {', '.join(options)}"
        near = "" if value is None else suggestion(value, options)
        raise self.problem(key, f"{message}; {near}" if near else f"{message}.")

    def number(self, key: str) -> float | None:
        """Return the number at ``key``, above zero, or None where it is not given."""
        if key not in self:
            return None
        value = self._values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise self.problem(key, "must be a number above 0.")
        return float(value)

    def whole(self, key: str) -> int | None:
        """Return the whole number at ``key``, above zero, or None where it is not given."""
        value = self.number(key)
        if value is not None and not value.is_integer():
            raise self.problem(key, "must be a whole number.")
        return None if value is None else int(value)

    def flag(self, key: str) -> bool | None:
        """Return the boolean at ``key``, or None where it is not given."""
        value = self._values.get(key)
        if not isinstance(value, bool | None):
            raise self.problem(key, "must be true or false, without quotes.")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """Return the list of strings at ``key``; one string is a list of one. Empty where it is not given."""
        value = self._values.get(key, [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            raise self.problem(key, 'must be a list of strings, such as ["…", "…"].')
        return tuple(cast("list[str]", items))

    def table(self, key: str) -> "Table | None":
        """Return the table at ``key``, or None where it is not given."""
        if key not in self:
            return None
        if not self.is_table(key):
            raise self.problem(key, "must be a table.")
        return Table(
            cast("Mapping[str, object]", self._values[key]),
            file=self.file,
            name=f"{self.name}.{key}" if self.name else key,
        )

    def is_table(self, key: str) -> bool:
        """Return True where ``key`` has a table."""
        return isinstance(self._values.get(key), dict)

    def path(self, key: str, value: str) -> Path:
        """Return ``value``, that of ``key``, as a path: relative to the file, with ``~`` for the home folder."""
        try:
            return self.file.parent / Path(value).expanduser()
        except RuntimeError:
            problem = self.problem(key, "begins with ~, but there is no home folder; write the whole path.")
        raise problem

    def __repr__(self) -> str:
        return f"Table({self.file}, [{self.name}])"


SECRET_KINDS: Final = ("env", "file", "keyring")
REFERENCE_FORM: Final = '{ env = "NAME" } or { file = "PATH" }'


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is read: ``kind`` is ``env``, ``file`` or ``keyring``, ``name`` the name in it."""

    kind: str
    name: str

    def secret(self) -> Secret:
        """Return the secret, which is read whenever it is needed and not now."""
        if self.kind == "env":
            return Secret.from_env(self.name)
        return Secret.from_file(self.name) if self.kind == "file" else Secret.from_callable(KeyringEntry(self.name))


def read_reference(table: Table, key: str) -> SecretReference | None:
    """Return the reference at ``key``, or None where it is not given.

    Raises ConfigurationError for a secret in plain text and for any other form. Reads no secret.
    """
    if key not in table:
        return None
    reference = table.table(key) if table.is_table(key) else None
    if reference is None:
        raise table.problem(
            key,
            f"has its secret in plain text; move it into an environment variable or a file: {key} = {REFERENCE_FORM}.",
        )
    reference.expect(SECRET_KINDS)
    if len(reference.keys) != 1:
        raise table.problem(key, f"must name one source: {REFERENCE_FORM}.")
    kind = reference.keys[0]
    name = reference.required(kind)
    if kind == "keyring":
        _check_keyring(table, key, name)
    return SecretReference(kind, str(reference.path(kind, name)) if kind == "file" else name)


def read_secret(table: Table, key: str) -> Secret | None:
    """Return the secret that ``key`` refers to, or None where it is not given; see :func:`read_reference`."""
    reference = read_reference(table, key)
    return None if reference is None else reference.secret()


def needed_secret(table: Table, key: str) -> Secret:
    """Return the secret that ``key`` refers to, which must be given."""
    found = read_secret(table, key)
    if found is None:
        raise table.problem(key, f"is missing; add {key} = {REFERENCE_FORM}.")
    return found


def _check_keyring(table: Table, key: str, name: str) -> None:
    service, _, user = name.rpartition("/")
    if not service or not user:
        raise table.problem(key, 'must name service and user of the system\'s keyring: { keyring = "SERVICE/USER" }.')
    if importlib.util.find_spec("keyring") is None:
        raise table.problem(
            key,
            "reads the system's keyring, which needs a package that is not installed: pip install keyring, "
            f"or write {key} = {REFERENCE_FORM}.",
        )


@final
class KeyringEntry:
    """Reads one password from the operating system's keyring whenever it is called; may block, and ask the user."""

    def __init__(self, name: str) -> None:
        self._service, _, self._user = name.rpartition("/")
        self.__qualname__ = f"keyring entry {name}"  # how a Secret names its origin

    def __call__(self) -> str:
        """Return the password; raises SecretUnavailable where the keyring holds none."""
        found = importlib.import_module("keyring").get_password(self._service, self._user)
        if not found:
            raise SecretUnavailable(
                f"The system's keyring has nothing for {self._service}/{self._user}; "
                f"store it: keyring set {self._service} {self._user}"
            )
        return str(found)
