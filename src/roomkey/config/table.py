"""One table of the configuration file, read strictly: known keys only, each of one type.

No message repeats a value: somebody may have written a secret into the wrong place.
"""

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final, cast, final

from roomkey.errors import ConfigurationError
from roomkey.secret import Confidential

_SAFE_KEY: Final = re.compile(r"[A-Za-z0-9_.-]{1,64}")


def suggestion(word: str, known: Iterable[str]) -> str:
    """``did you mean "…"?`` with the nearest of ``known``, or nothing. Pure."""
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
        """The keys that stand in the file, in its order."""
        return tuple(self._values)

    def expect(self, known: Sequence[str]) -> None:
        """Raise ConfigurationError for the first key that is not in ``known``, with the one it may be meant for."""
        for key in self._values:
            if key not in known:
                if not _SAFE_KEY.fullmatch(key):
                    raise ConfigurationError(f"{self._place()} holds a key that is no setting; remove it.")
                missing = [name for name in known if name not in self._values]
                near = suggestion(key, missing) or f"settings here are {', '.join(known)}."
                raise self.problem(key, f"is not known; {near}")

    def problem(self, key: str, words: str) -> ConfigurationError:
        """The error that names the file, this table and ``key``."""
        return ConfigurationError(f"{self._place()} {key} {words}" if self.name else f"{self.file}: [{key}] {words}")

    def _place(self) -> str:
        return f"{self.file}: [{self.name}]" if self.name else f"{self.file}:"

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def text(self, key: str) -> str | None:
        """The text at ``key``, or None where it is not given."""
        if key not in self:
            return None
        value = self._values[key]
        if not isinstance(value, str) or not value.strip():
            raise self.problem(key, 'must be a text in quotes, such as "…", and not empty.')
        return value

    def required(self, key: str) -> str:
        """The text at ``key``, which must be given."""
        value = self.text(key)
        if value is None:
            raise self.problem(key, "is needed; add it.")
        return value

    def choice(self, key: str, options: Sequence[str], *, default: str | None = None) -> str:
        """One of ``options`` at ``key``; without a ``default`` it must be given."""
        value = self.text(key) or default
        if value is not None and value in options:
            return value
        words = f"must be one of {', '.join(options)}"
        near = "" if value is None else suggestion(value, options)
        raise self.problem(key, f"{words}; {near}" if near else f"{words}.")

    def number(self, key: str) -> float | None:
        """The number at ``key``, above zero, or None where it is not given."""
        if key not in self:
            return None
        value = self._values[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise self.problem(key, "must be a number above 0.")
        return float(value)

    def whole(self, key: str) -> int | None:
        """The whole number at ``key``, above zero, or None where it is not given."""
        value = self.number(key)
        if value is not None and not value.is_integer():
            raise self.problem(key, "must be a whole number.")
        return None if value is None else int(value)

    def flag(self, key: str) -> bool | None:
        """True or false at ``key``, or None where it is not given."""
        value = self._values.get(key)
        if not isinstance(value, bool | None):
            raise self.problem(key, "must be true or false, without quotes.")
        return value

    def texts(self, key: str) -> tuple[str, ...]:
        """The list of texts at ``key``; one text counts as a list of one. Empty where it is not given."""
        value = self._values.get(key, [])
        items = [value] if isinstance(value, str) else value
        if not isinstance(items, list) or not all(isinstance(item, str) and item for item in items):
            raise self.problem(key, 'must be a list of texts, such as ["…", "…"].')
        return tuple(cast("list[str]", items))

    def table(self, key: str) -> "Table | None":
        """The table at ``key``, or None where it is not given."""
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
        """Whether a table stands at ``key``."""
        return isinstance(self._values.get(key), dict)

    def path(self, key: str, text: str) -> Path:
        """``text``, which stands at ``key``, as a path: from the file's own folder, with ``~`` for the home folder."""
        try:
            return self.file.parent / Path(text).expanduser()
        except RuntimeError:
            problem = self.problem(key, "begins with ~, and there is no such home folder; write the whole path.")
        raise problem

    def __repr__(self) -> str:
        return f"Table({self.file}, [{self.name}])"
