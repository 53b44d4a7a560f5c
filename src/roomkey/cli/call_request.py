"""Parses the arguments of ``roomkey call`` into one request, or into one sentence with the problem."""

import json
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110, section 5.6.2
_LARGEST_BODY: Final = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class CallRequest:
    """The request to send; ``body`` is None for a request without one."""

    method: str
    path: str
    headers: tuple[tuple[str, str], ...] = field(repr=False)
    body: bytes | None = field(repr=False)


def read_request(
    method: str, path: str, *, data: str | None, json_data: str | None, headers: Sequence[str]
) -> CallRequest | str:
    """The request, or a sentence with the problem. Reads the file or standard input of ``@``."""
    if not _TOKEN.fullmatch(method):
        return "METHOD must be one word such as GET."
    if not path.isprintable():
        return "PATH holds a character that no URL can hold."
    if "://" in path.partition("?")[0] or path.startswith("//"):
        return "PATH must be relative to the credential's base_url, which alone gets the token; leave the host out."
    if data is not None and json_data is not None:
        return "--data and --json exclude each other."
    pairs = [_header(text) for text in headers]
    problem = next((pair for pair in pairs if isinstance(pair, str)), None)
    if problem is not None:
        return problem
    named = [pair for pair in pairs if not isinstance(pair, str)]
    text = data if json_data is None else json_data
    body = None if text is None else _body(text)
    if isinstance(body, str):
        return body
    if body is not None and json_data is not None and not _is_json(body):
        return "--json does not hold valid JSON."
    if body is not None and not any(name.lower() == "content-type" for name, _ in named):
        kind = "application/json" if json_data is not None else "application/x-www-form-urlencoded"
        named.append(("Content-Type", kind))
    return CallRequest(method.upper(), path, tuple(named), body)


def _header(text: str) -> tuple[str, str] | str:
    name, colon, value = (part.strip() for part in text.partition(":"))
    if not colon or not _TOKEN.fullmatch(name) or not (value.isascii() and value.isprintable()):
        return "--header must look like 'Name: value', in ASCII."
    if name.lower() == "authorization":
        return "--header must not be Authorization: roomkey sends the credential's token there."
    return name, value


def _body(text: str) -> bytes | str:
    if not text.startswith("@"):
        return text.encode("utf-8", "surrogateescape")
    if text == "@-":
        body = sys.stdin.buffer.read(_LARGEST_BODY + 1)
    else:
        try:
            with Path(text[1:]).open("rb") as file:
                body = file.read(_LARGEST_BODY + 1)
        except OSError as error:
            return f"The file {text[1:]} cannot be read: {error.strerror}."
    return body if len(body) <= _LARGEST_BODY else "The body is larger than 64 MiB."


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body)
    except (ValueError, RecursionError):
        return False
    return True
