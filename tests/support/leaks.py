"""A search for secrets in everything that a program shows: logs, output, reprs, pickles, tracebacks with locals."""

import base64
import contextlib
import io
import json
import logging
import pickle
import pprint
import re
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, is_dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import quote, quote_plus

import roomkey.testing
from roomkey.secret import Confidential, fingerprint

_PIECE: Final = 12
_SHORTEST: Final = 6
_LAYOUT: Final = re.compile(r"[\s│┃|╭╮╰╯─━]+")
_TEST_SERVERS: Final = (str(Path(__file__).parent), str(Path(roomkey.testing.__file__).parent))
_RUNNERS: Final = ("/_pytest/", "/pluggy/", "/pytest/")


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret that was found: ``where``, in which ``form``, and the secret's fingerprint; never the secret."""

    where: str
    form: str
    fingerprint: str

    def __str__(self) -> str:
        return f"{self.where}: the secret {self.fingerprint} as {self.form}"


class _Planted(Confidential):
    """A secret with the forms in which it can show itself."""

    __slots__ = ("forms", "mark", "pieces")

    def __init__(self, value: str) -> None:
        self.mark = fingerprint(value)
        self.forms = _forms(value)
        self.pieces = _pieces(value)

    def __repr__(self) -> str:
        return f"_Planted({self.mark})"


class LeakDetector:
    """Searches what a program shows for known secrets: plain, base64, base64url, percent-encoded, escaped, hex.

    Of a secret of 16 characters or more (of a JWT: its payload and its signature) every piece of 12 characters counts.
    ``secrets`` are planted at once; ``known`` is asked for more at each search, such as the tokens issued meanwhile.
    Line breaks and table frames inside a secret do not hide it. Not for use by several threads at once, but what
    :meth:`watch` sees may come from any thread.
    """

    def __init__(self, secrets: Iterable[str] = (), *, known: Callable[[], Iterable[str]] = tuple) -> None:
        self._planted: dict[str, _Planted] = {}
        self._known = known
        self._seen: list[tuple[str, str]] = []
        self.plant(*secrets)

    def plant(self, *secrets: str) -> None:
        """Search for these too; raises ValueError for one of fewer than six characters: it would be found anywhere."""
        for value in secrets:
            if len(value) < _SHORTEST:
                raise ValueError("a planted secret needs at least 6 characters")
            if value not in self._planted:
                self._planted[value] = _Planted(value)

    @contextlib.contextmanager
    def watch(self) -> Iterator["LeakDetector"]:
        """Keep what is logged (root logger at DEBUG, exceptions included) or printed in the meantime, for a search."""
        root, handler = logging.getLogger(), _Collector(self._seen)
        level = root.level
        out, err = _Copy(sys.stdout, self._seen, "stdout"), _Copy(sys.stderr, self._seen, "stderr")
        root.addHandler(handler)
        root.setLevel(logging.DEBUG)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                yield self
        finally:
            root.setLevel(level)
            root.removeHandler(handler)

    @property
    def watched(self) -> str:
        """All that :meth:`watch` has seen so far, as one text."""
        return "\n".join(text for _, text in self._seen)

    def find_leaks(self, *things: object) -> list[Leak]:
        """The secrets that ``things`` show, or that :meth:`watch` has seen.

        A str or bytes is searched as it is. Of any other object every way of showing it is searched: repr, str, format,
        vars, asdict, pprint, JSON, pickle, rich where it is installed; of an exception also its tracebacks with locals
        (frames of test files, of pytest and of this package are left out: they hold the secrets on purpose).
        """
        self.plant(*self._known())
        leaks: dict[Leak, None] = {}
        shown = list(self._seen)
        for thing in things:
            shown.extend(exposures(thing))
        for where, text in shown:
            for leak in self._search(where, text):
                leaks[leak] = None
        return list(leaks)

    def assert_clean(self, *things: object) -> None:
        """Raise AssertionError, which names place and form of every leak, where :meth:`find_leaks` finds any."""
        leaks = self.find_leaks(*things)
        if leaks:
            raise AssertionError("secrets were shown:\n" + "\n".join(f"  {leak}" for leak in leaks))

    def _search(self, where: str, text: str) -> Iterator[Leak]:
        for candidate in {text, _LAYOUT.sub("", text)}:
            windows = {candidate[start : start + _PIECE] for start in range(len(candidate) - _PIECE + 1)}
            for planted in self._planted.values():
                for form, value in planted.forms:
                    if value in candidate:
                        yield Leak(where, form, planted.mark)
                if not windows.isdisjoint(planted.pieces):
                    yield Leak(where, "a piece of it", planted.mark)

    def __repr__(self) -> str:
        return f"LeakDetector({len(self._planted)} secrets)"


class _Collector(logging.Handler):
    def __init__(self, seen: list[tuple[str, str]]) -> None:
        super().__init__(logging.DEBUG)
        self._seen = seen
        self.setFormatter(logging.Formatter("%(name)s %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        where = f"log record of {record.name}"
        self._seen.append((where, self.format(record)))
        self._seen.append((where, repr({**vars(record), "exc_info": None})))
        if record.exc_info and record.exc_info[1] is not None:
            self._seen.extend((f"{where}: {how}", text) for how, text in _tracebacks(record.exc_info[1]))


class _Copy(io.TextIOBase):
    """A stream that passes everything on and keeps a copy of it."""

    def __init__(self, stream: Any, seen: list[tuple[str, str]], name: str) -> None:
        self._stream = stream
        self._seen = seen
        self._name = name

    def write(self, text: str) -> int:
        self._seen.append((self._name, text))
        return int(self._stream.write(text) or 0)

    def flush(self) -> None:
        self._stream.flush()


def exposures(thing: object) -> Iterator[tuple[str, str]]:
    """Every way in which ``thing`` can be shown, as (how, text) pairs. Runs the object's own code; prints nothing."""
    if isinstance(thing, str | bytes):
        yield "text", thing if isinstance(thing, str) else thing.decode("utf-8", "replace")
        return
    kind = type(thing).__name__
    ways: list[tuple[str, Callable[[], Any]]] = [
        ("repr", lambda: repr(thing)),
        ("str", lambda: str(thing)),
        ("format", lambda: f"{thing}"),
        ("vars", lambda: repr(vars(thing))),
        ("pprint", lambda: pprint.pformat(thing)),
        ("json", lambda: json.dumps(thing, default=repr)),
        ("pickle", lambda: pickle.dumps(thing).decode("latin-1")),
        ("reduce", lambda: repr(thing.__reduce_ex__(2))),
        ("rich", lambda: _rich_text(thing)),
    ]
    if is_dataclass(thing) and not isinstance(thing, type):
        ways.append(("asdict", lambda: repr(asdict(thing))))
    for how, show in ways:
        try:
            text = show()
        except Exception as error:
            text = repr(error)
        yield f"{how} of {kind}", text
    if isinstance(thing, BaseException):
        yield f"args of {kind}", repr((thing.args, getattr(thing, "__notes__", ())))
        yield from ((f"{how} of {kind}", text) for how, text in _tracebacks(thing))


def _foreign(filename: str) -> bool:
    name = Path(filename).name
    return (
        name.startswith(("test_", "conftest"))
        or filename.startswith(_TEST_SERVERS)
        or any(part in filename.replace("\\", "/") for part in _RUNNERS)
    )


def _tracebacks(error: BaseException) -> Iterator[tuple[str, str]]:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    todo: list[traceback.TracebackException | None] = [shown]
    while todo:
        part = todo.pop()
        if part is not None:
            part.stack = traceback.StackSummary.from_list([f for f in part.stack if not _foreign(f.filename)])
            todo += [part.__cause__, None if part.__suppress_context__ else part.__context__, *(part.exceptions or ())]
    yield "traceback with locals", "".join(shown.format())
    rich_text = _rich_traceback(type(error), error, error.__traceback__)
    if rich_text is not None:
        yield "rich traceback with locals", rich_text


def _rich_text(thing: object) -> str:
    try:
        from rich.pretty import pretty_repr
    except ImportError:
        return ""
    return pretty_repr(thing)


def _rich_traceback(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str | None:
    try:
        from rich.console import Console
        from rich.traceback import Traceback
    except ImportError:
        return None
    extracted = Traceback.extract(
        kind, error, trace, show_locals=True, locals_max_string=100_000, locals_max_length=100
    )
    for stack in extracted.stacks:
        stack.frames[:] = [frame for frame in stack.frames if not _foreign(frame.filename)]
    target = io.StringIO()
    Console(file=target, width=4000, color_system=None).print(Traceback(extracted, width=4000, max_frames=0))
    return target.getvalue()


def _trimmed(value: bytes, encode: Callable[[bytes], bytes]) -> Iterator[str]:
    """The part of an encoding that stays the same wherever in a longer text (a Basic pair) the secret stands."""
    for offset in range(3):
        usable = (len(value) + offset) // 3 * 3 - offset
        text = encode(b"\0" * offset + value[:usable]).decode()
        piece = text[4:] if offset else text
        if len(piece) >= 8:
            yield piece


def _forms(value: str) -> tuple[tuple[str, str], ...]:
    data = value.encode("utf-8", "surrogatepass")
    named = [("plain text", value)]
    named += [("base64", piece) for piece in _trimmed(data, base64.b64encode)]
    named += [("base64url", piece) for piece in _trimmed(data, base64.urlsafe_b64encode)]
    named += [
        ("percent-encoded", text)
        for text in (
            quote(data, safe=""),
            quote(data),
            quote_plus(data),
            "".join(f"%{byte:02X}" for byte in data),
            re.sub("%..", lambda found: found[0].lower(), quote(data, safe="")),
        )
    ]
    named += [("JSON-escaped", json.dumps(value)[1:-1]), ("JSON-escaped", json.dumps(value, ensure_ascii=False)[1:-1])]
    named += [("escaped", repr(value)[1:-1]), ("escaped", repr(data)[2:-1]), ("hex", data.hex())]
    return tuple({text: (form, text) for form, text in reversed(named)}.values())


def _pieces(value: str) -> frozenset[str]:
    parts = value.split(".")
    texts = parts[1:] if len(parts) == 3 and value.startswith("eyJ") else [value] if len(value) >= 16 else []
    return frozenset(text[start : start + _PIECE] for text in texts for start in range(len(text) - _PIECE + 1))
