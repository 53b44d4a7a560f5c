"""``roomkey inspect``: header and claims of a JWT, unverified and never presented as verified."""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

from roomkey.cli.exit_code import ExitCode

_LARGEST: Final = 65_536
_LONGEST_TERMINAL_LINE: Final = 4095


def inspect_token(arguments: Sequence[str], *, as_json: bool) -> int:
    """Read a JWT from standard input and print it; ``arguments`` must be empty."""
    from roomkey.cli.errors import print_error
    from roomkey.jose.compact import read_unverified

    if arguments:
        print_error(
            "A token is not taken as an argument: every process can read arguments, and the shell keeps them.",
            "pass it on standard input: roomkey inspect < token.txt; if it was a valid token, revoke it.",
        )
        return ExitCode.USAGE
    token = read_unverified(_read())
    if token is None:
        print_error(_NOT_A_JWT, "only its issuer can tell the claims of an opaque token (introspection).")
        return ExitCode.USAGE
    if as_json:
        _print_json(token.header, token.claims)
    else:
        _print(token.header, token.claims)
    return ExitCode.OK


_NOT_A_JWT: Final = "Standard input does not hold a JWT: three parts of base64url with dots between them."


def _read() -> str:
    if sys.stdin.isatty():
        from getpass import getpass

        line = getpass("Token (will not be shown): ")
        text = line if len(line) < _LONGEST_TERMINAL_LINE else ""  # a terminal cuts longer lines
    else:
        data = sys.stdin.buffer.read(_LARGEST + 1)
        text = data.decode("ascii", "replace") if len(data) <= _LARGEST else ""
    words = text.split()
    return words[-1] if words and (len(words) == 1 or words[:-1] in _PREFIXES) else ""


_PREFIXES: Final = (["Bearer"], ["bearer"], ["Authorization:", "Bearer"], ["authorization:", "Bearer"])


def _print_json(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    members = {"verified": False, "header": dict(header), "claims": dict(claims)}
    sys.stdout.write(json.dumps(members, indent=2) + "\n")


def _print(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    from rich.text import Text

    from roomkey.cli.claims_table import claims_table
    from roomkey.cli.theme import output

    console = output()
    console.print(
        Text.assemble(
            ("UNVERIFIED", "alarm"),
            ("  the signature was not checked: decide nothing by it", "quiet"),
        )
    )
    console.print()
    console.print(claims_table("Header", header, now=time.time()))
    console.print()
    console.print(claims_table("Claims", claims, now=time.time()))
