"""Secrets: values that know where they come from and never show themselves."""

import hashlib
import hmac
import os
import secrets
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NoReturn, Self, final

from roomkey.errors import SecretUnavailable

_LARGEST_FILE: Final = 65_536
_PROCESS_KEY: Final = secrets.token_bytes(32)


def fingerprint(value: str | bytes) -> str:
    """Eight hex digits that tell two secrets apart in a log, keyed afresh in each process so that they reveal nothing.

    Does no I/O; safe in any thread.
    """
    data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return hmac.digest(_PROCESS_KEY, data, hashlib.sha256).hex()[:8]


class Confidential:
    """A value that carries a secret: it is immutable, copies as itself and cannot be pickled.

    Subclasses are frozen dataclasses with slots, or use ``__slots__``; their ``__repr__`` shows no secret.
    """

    __slots__ = ()

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"{type(self).__name__} holds a secret and is not pickled; pass the source of the secret instead"
        )


@final
class Secret(Confidential):
    """A secret value, or the place to read it from: an environment variable, a file or a callable.

    ``Secret("...")`` holds the value itself. ``repr``, ``str``, ``format`` and pickling never show it.
    Safe in any thread and event loop.
    """

    __slots__ = ("_cached", "_kind", "_place", "_read")

    def __init__(self, value: str) -> None:
        """Hold ``value``, which must not be empty; raises ValueError or TypeError otherwise. Does no I/O."""
        if not isinstance(value, str):
            raise TypeError("a Secret must be a string; read bytes with Secret.from_callable")
        if not value:
            raise ValueError("a Secret must not be empty")
        self._set("value", "a value given in code", lambda: value)

    def _set(self, kind: str, place: str, read: Callable[[], str]) -> None:
        self._kind = kind
        self._place = place
        self._read = read
        self._cached: tuple[tuple[int, int, int], str] | None = None

    @classmethod
    def _from(cls, kind: str, place: str, read: Callable[[], str]) -> Self:
        made = cls.__new__(cls)
        made._set(kind, place, read)
        return made

    @classmethod
    def from_env(cls, name: str) -> Self:
        """Read the environment variable ``name`` whenever the secret is needed."""

        def read() -> str:
            value = os.environ.get(name, "").rstrip("\r\n")  # as with files: the line's end is no part of a secret
            if not value:
                raise SecretUnavailable(f"The environment variable {name} is not set or empty; set it to the secret.")
            return value

        return cls._from("env", name, read)

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Read the file at ``path`` (UTF-8, at most 64 KiB, trailing line ends dropped), again whenever it changes."""
        made = cls._from("file", os.fspath(path), lambda: "")
        made._read = made._read_file
        return made

    @classmethod
    def from_callable(cls, read: Callable[[], str]) -> Self:
        """Call ``read()`` whenever the secret is needed; it may do I/O and is called from worker threads."""
        return cls._from("callable", getattr(read, "__qualname__", type(read).__name__), read)

    @classmethod
    def of(cls, value: "str | Secret") -> "Secret":
        """``value`` itself where it is a Secret, else a Secret that holds it."""
        return value if isinstance(value, Secret) else cls(value)

    @property
    def origin(self) -> str:
        """Where the secret comes from, as words for an error message; never the secret."""
        words = {"env": "the environment variable ", "file": "the file ", "callable": "the callable "}
        return words.get(self._kind, "") + self._place

    @property
    def kind(self) -> str:
        """``value``, ``env``, ``file`` or ``callable``."""
        return self._kind

    @property
    def identity(self) -> bytes:
        """Bytes that are equal for two secrets from the same place; means nothing outside this process. No I/O."""
        if self._kind == "value":
            return b"value:" + hmac.digest(_PROCESS_KEY, self._read().encode("utf-8", "surrogatepass"), hashlib.sha256)
        if self._kind == "callable":
            return f"callable:{id(self._read)}".encode()
        return f"{self._kind}:{self._place}".encode("utf-8", "surrogateescape")

    def reveal(self) -> str:
        """The secret itself. May block on I/O (a file, a callable); raises SecretUnavailable where there is none."""
        value, problem = self._looked_up()
        if problem:
            raise SecretUnavailable(problem)
        return value

    def _looked_up(self) -> tuple[str, str]:
        """The secret, or a sentence that says why there is none: an error's frames and causes would hold it."""
        try:
            value = self._read()
        except SecretUnavailable as error:
            return "", str(error)
        except Exception as error:  # noqa: BLE001 - a user's callable may raise anything, with anything in its message
            problem = type(error).__name__
        else:
            if not isinstance(value, str):
                problem = f"an answer of type {type(value).__name__}"
            elif not value:
                problem = "an empty answer"
            elif not _is_text(value):
                problem = "it is not UTF-8 text"
            else:
                return value, ""
        return "", f"The secret from {self.origin} cannot be read: {problem}."

    def _read_file(self) -> str:
        path = Path(self._place)
        try:
            found = path.stat()
            mark = (found.st_mtime_ns, found.st_size, found.st_ino)
            cached = self._cached
            if cached is not None and cached[0] == mark:
                return cached[1]
            if not stat.S_ISREG(found.st_mode) or found.st_size > _LARGEST_FILE:
                raise SecretUnavailable(f"The secret file {path} is not a regular file of at most 64 KiB.")
            value = path.read_bytes()[: _LARGEST_FILE + 1].decode("utf-8-sig").rstrip("\r\n")
        except OSError as error:
            raise SecretUnavailable(f"The secret file {path} cannot be read: {error.strerror}.") from None
        except UnicodeDecodeError:
            raise SecretUnavailable(f"The secret file {path} is not UTF-8 text.") from None
        if not value:
            raise SecretUnavailable(f"The secret file {path} is empty; write the secret into it.")
        self._cached = (mark, value)  # one attribute, set at once: no lock, which a fork could leave locked
        return value

    def __repr__(self) -> str:
        # A traceback may show a Secret that could not be made, and which has no kind yet.
        return f"Secret(from {self.origin})" if getattr(self, "_kind", "value") != "value" else "Secret(••••)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self.identity, other.identity)

    def __hash__(self) -> int:
        return hash(self.identity)


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # what stands in the environment may be no text at all
        return False
    return True
