"""The keyring: keys from an environment variable, a file or a callable; the first encrypts, every key decrypts."""

import hashlib
import hmac
import os
from collections.abc import Callable
from pathlib import Path
from typing import Self, final

from roomkey.errors import KeyringError
from roomkey.secret import Confidential
from roomkey.stores.encryption import Key, KeyText, Miss, Opened, decrypt, encrypt, parse
from roomkey.stores.key_file import KeyFile


@final
class Keyring(Confidential):
    """Encrypts bytes under a name and decrypts them under the same name only (``seal`` and ``open``).

    Made by :meth:`from_env`, :meth:`from_file`, :meth:`from_callable` or :meth:`generate`. Its repr shows key ids
    only; it is never pickled. Safe in any thread, event loop and after a fork. One key should encrypt fewer than 2**32
    times (NIST SP 800-38D, section 8.3): at one token a second that is a century.
    """

    __slots__ = ("_description", "_file", "_ids", "_source")

    def __init__(self, read: Callable[[], tuple[Key, ...]], *, description: str, file: KeyFile | None = None) -> None:
        """For this module's own use: ``read`` answers with the keys, or raises KeyringError."""
        self._source = read
        self._description = description
        self._file = file
        self._ids: tuple[str, ...] = ()

    @classmethod
    def from_env(cls, name: str) -> Self:
        """Keys from the environment variable ``name``, read now: ``id:key,id:key`` or one bare key.

        Keys are 32 bytes in base64url, with or without padding. To rotate on several machines, add the new key at the
        end everywhere, then move it to the front everywhere. Raises KeyringError.
        """
        if not os.environ.get(name):
            raise KeyringError(
                f"The environment variable {name} is not set or empty; set it to id:key, with a key of 32 bytes in "
                "base64url."
            )
        keys = parse(KeyText(os.environ[name]))
        if isinstance(keys, str):
            raise KeyringError(f"The environment variable {name} holds no usable keys: {keys}.")
        ring = cls(lambda: keys, description=f"the environment variable {name}")
        ring._read()
        return ring

    @classmethod
    def from_file(cls, path: str | os.PathLike[str], *, create: bool = False) -> Self:
        """Keys from the file at ``path``, separated by commas or line ends; read again whenever the file changes.

        The file must be a regular one, of this user or root, that nobody else can read (mode 0600); a symlink is
        rejected. With ``create`` it is made with a new key when it is first needed and missing, and no I/O happens
        now; without, it is read now. When it turns unreadable later, the keys that were read last go on being used,
        with one warning. Raises KeyringError.
        """
        file = KeyFile(Path(path).absolute(), create=create)
        ring = cls(file.read, description=f"the key file {os.fspath(path)}", file=file)
        if not create:
            ring._read()
        return ring

    @classmethod
    def from_callable(cls, read: Callable[[], str]) -> Self:
        """Keys from ``read()``, which answers in the form that ``from_env`` reads, for example from a key service.

        It is called for each ``seal`` and ``open``, on worker threads, and may do I/O; what is slow it should cache.
        What it raises becomes a KeyringError that names the type only.
        """
        where = f"the callable {getattr(read, '__qualname__', type(read).__name__)}"

        def keys() -> tuple[Key, ...]:
            found = _call(read)
            if isinstance(found, str):
                raise KeyringError(f"No keys are available from {where}: {found}.")
            return found

        return cls(keys, description=where)

    @classmethod
    def generate(cls) -> Self:
        """One new random key that lives as long as this object and is written nowhere."""
        key = Key.generate()
        ring = cls(lambda: (key,), description="a key of this process")
        ring._read()
        return ring

    def _read(self) -> tuple[Key, ...]:
        keys = self._source()
        self._ids = tuple(key.id for key in keys)
        return keys

    @property
    def description(self) -> str:
        """Where the keys come from, as words for a message. No I/O."""
        return self._description

    @property
    def file(self) -> Path | None:
        """The key file, where the keys come from one. No I/O."""
        return None if self._file is None else self._file.path

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, the encrypting one first. May do I/O; raises KeyringError."""
        self._read()
        return self._ids

    def seal(self, plaintext: bytes, *, key: str) -> bytes:
        """Encrypt ``plaintext`` with the first key, bound to the store key ``key``. Raises KeyringError; may do I/O."""
        try:
            first = self._read()[0]
        except KeyringError as error:
            problem = str(error)
        else:
            return encrypt(plaintext, first, name=key)
        del plaintext  # a traceback that shows local variables must not show this one
        raise KeyringError(problem)

    def open(self, sealed: bytes, *, key: str) -> Opened | Miss:
        """Decrypt what was encrypted under the store key ``key``, or say why not; nothing in it makes this raise.

        Raises KeyringError where the keys are not available; may do I/O.
        """
        return decrypt(sealed, self._read, name=key)

    def rotate(self) -> str:
        """Put a new key first in the key file, keep the old ones, and return the new key's id.

        Raises KeyringError where the keys do not come from a file or it cannot be replaced. Does I/O.
        """
        if self._file is None:
            raise KeyringError(f"The keys come from {self._description}; put a new key first there, as id:key,id:key.")
        return self._file.rotate().id

    def derive(self, label: str) -> bytes:
        """32 bytes that follow from the first key and ``label``, and reveal nothing of the key. Raises KeyringError."""
        return hmac.digest(self._read()[0].value, b"roomkey derived key:" + label.encode("utf-8"), hashlib.sha256)

    def __repr__(self) -> str:
        return f"Keyring({', '.join(self._ids) or 'not read yet'}; from {self._description})"


def _call(read: Callable[[], str]) -> tuple[Key, ...] | str:
    """The callable's keys, parsed; or what went wrong, in words that carry nothing of the result."""
    try:
        answer = read()
    except Exception as error:  # noqa: BLE001 - a user's callable may raise anything, with anything in its message
        return f"it raised {type(error).__name__}"
    if not isinstance(answer, str):
        return f"it answered with {type(answer).__name__} instead of a string"
    return parse(KeyText(answer))
