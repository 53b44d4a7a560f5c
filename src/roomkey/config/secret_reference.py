"""Secrets as the configuration file names them: a place to read from, never the secret itself."""

import importlib
import importlib.util
from dataclasses import dataclass
from typing import Final, final

from roomkey.config.table import Table
from roomkey.errors import SecretUnavailable
from roomkey.secret import Secret

PLACES: Final = ("env", "file", "keyring")
FORM: Final = '{ env = "NAME" } or { file = "PATH" }'


@dataclass(frozen=True, slots=True)
class SecretReference:
    """Where a secret is read: ``kind`` is ``env``, ``file`` or ``keyring``, ``place`` the name in it."""

    kind: str
    place: str

    def secret(self) -> Secret:
        """The secret, read whenever it is needed and not now."""
        if self.kind == "env":
            return Secret.from_env(self.place)
        return Secret.from_file(self.place) if self.kind == "file" else Secret.from_callable(KeyringEntry(self.place))


def read_reference(table: Table, key: str) -> SecretReference | None:
    """What ``key`` refers to, or None where it is not given.

    Raises ConfigurationError for a secret in plain text and for any other form. Reads no secret.
    """
    if key not in table:
        return None
    reference = table.table(key) if table.is_table(key) else None
    if reference is None:
        raise table.problem(
            key, f"holds its secret in plain text; move it into the environment or a file of its own: {key} = {FORM}."
        )
    reference.expect(PLACES)
    if len(reference.keys) != 1:
        raise table.problem(key, f"must name one place to read from: {FORM}.")
    kind = reference.keys[0]
    place = reference.required(kind)
    if kind == "keyring":
        _check_keyring(table, key, place)
    return SecretReference(kind, str(reference.path(kind, place)) if kind == "file" else place)


def read_secret(table: Table, key: str) -> Secret | None:
    """The secret that ``key`` refers to, or None where it is not given; see :func:`read_reference`."""
    reference = read_reference(table, key)
    return None if reference is None else reference.secret()


def needed_secret(table: Table, key: str) -> Secret:
    """The secret that ``key`` refers to, which must be given."""
    found = read_secret(table, key)
    if found is None:
        raise table.problem(key, f"is needed; add {key} = {FORM}.")
    return found


def _check_keyring(table: Table, key: str, place: str) -> None:
    service, _, user = place.rpartition("/")
    if not service or not user:
        raise table.problem(key, 'must name service and user of the system\'s keyring: { keyring = "SERVICE/USER" }.')
    if importlib.util.find_spec("keyring") is None:
        raise table.problem(
            key,
            "reads the system's keyring, which needs a package that is not installed: pip install keyring, "
            f"or write {key} = {FORM}.",
        )


@final
class KeyringEntry:
    """Reads one password from the operating system's keyring whenever it is called; may block, and ask a person."""

    def __init__(self, place: str) -> None:
        self._service, _, self._user = place.rpartition("/")
        self.__qualname__ = f"keyring entry {place}"  # the words with which a Secret tells its origin

    def __call__(self) -> str:
        """The password; raises SecretUnavailable where the keyring holds none."""
        found = importlib.import_module("keyring").get_password(self._service, self._user)
        if not found:
            raise SecretUnavailable(
                f"The system's keyring holds nothing for {self._service}/{self._user}; "
                f"store it: keyring set {self._service} {self._user}"
            )
        return str(found)
