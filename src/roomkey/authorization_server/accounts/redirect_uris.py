"""Where an authorization code may be sent: exact addresses, registered beforehand (RFC 9700 2.1, RFC 8252; pure)."""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from roomkey.authorization_server.errors import Invalid
from roomkey.http.address import address_problem

_MOST: Final = 20
_LONGEST: Final = 500
_CHARACTERS: Final = re.compile(r"[A-Za-z0-9._~:/?&=%+@!$'()*,;\[\]-]+", re.ASCII)
_PRIVATE_USE: Final = re.compile(r"[a-z][a-z0-9-]*(\.[a-z0-9-]+)+", re.ASCII)


def checked_redirect_uris(values: Iterable[str], *, native: bool) -> tuple[str, ...]:
    """``values``, each once: https, http on loopback, for a ``native`` program a scheme of its own; raises Invalid."""
    chosen = tuple(dict.fromkeys(values))
    if len(chosen) > _MOST:
        raise Invalid(f"At most {_MOST} redirect URIs can be named.", field="redirect_uris")
    for value in chosen:
        problem = _problem(value, native=native)
        if problem:
            raise Invalid(f"A redirect URI {problem}.", field="redirect_uris")
    return chosen


def _problem(value: str, *, native: bool) -> str:
    if len(value) > _LONGEST or not _CHARACTERS.fullmatch(value):
        return f"must be at most {_LONGEST} ASCII characters, without a fragment, spaces and backslashes"
    try:
        scheme = urlsplit(value).scheme
    except ValueError:
        return "is not an address"
    if native and _PRIVATE_USE.fullmatch(scheme):
        return ""
    return address_problem(value)
