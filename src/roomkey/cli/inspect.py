"""``roomkey inspect``: what stands in a JWT, for people, and never as if it were verified."""

import sys
import time
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from roomkey.cli.exit_code import ExitCode

_LARGEST: Final = 65_536
_LONGEST_TERMINAL_LINE: Final = 4095


def inspect(
    arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for a script.")] = False,
) -> int:
    """Read a JWT from standard input and show its header and claims, unverified.

    A token is never taken as an argument: roomkey inspect < token.txt
    """
    from roomkey.cli.errors import complain
    from roomkey.jose.compact import read_unverified

    if arguments:
        complain(
            "A token is not taken as an argument: every process can read arguments, and the shell keeps them.",
            "hand it over on standard input: roomkey inspect < token.txt; if it was a live token, revoke it.",
        )
        return ExitCode.USAGE
    problem = "" if (token := read_unverified(_read())) is not None else _NOT_A_JWT
    if token is None:
        complain(problem, "only its issuer can say what an opaque token means (token introspection).")
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
        text = (
            "" if len(line) >= _LONGEST_TERMINAL_LINE else line
        )  # a terminal cuts longer lines, and half a token is none
    else:
        data = sys.stdin.buffer.read(_LARGEST + 1)
        text = data.decode("ascii", "replace") if len(data) <= _LARGEST else ""
    words = text.split()
    return words[-1] if words and (len(words) == 1 or words[:-1] in _PREFIXES) else ""


_PREFIXES: Final = (["Bearer"], ["bearer"], ["Authorization:", "Bearer"], ["authorization:", "Bearer"])


def _print_json(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    import json

    typer.echo(json.dumps({"verified": False, "header": dict(header), "claims": dict(claims)}, indent=2))


def _print(header: Mapping[str, Any], claims: Mapping[str, Any]) -> None:
    from rich.text import Text

    from roomkey.cli.claims_table import claims_table
    from roomkey.cli.theme import output

    console = output()
    console.print(
        Text.assemble(
            ("UNVERIFIED", "alarm"),
            ("  nobody has checked the signature: read it, decide nothing by it", "quiet"),
        )
    )
    console.print()
    console.print(claims_table("Header", header, now=time.time()))
    console.print()
    console.print(claims_table("Claims", claims, now=time.time()))
