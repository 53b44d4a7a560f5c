"""The declaration of every command: arguments, options and help. The code of a command is imported when it runs."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import typer

from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import HelpCommand, HelpGroup

_CODES: Final = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<4} {code.meaning}" for code in ExitCode)
_LONG_WORD: Final = re.compile(r"[^\s'\"]{25,}")

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object for a script.")]
Name = Annotated[str, typer.Argument(metavar="NAME", help="A credential of roomkey.toml.", show_default=False)]


class _Root(HelpGroup):
    """The commands, and the groups whose modules are imported when they are used."""

    lazy = {  # noqa: RUF012 - typer makes the instance
        "admin": ("roomkey.cli.admin.app", "Administer the auth service: APIs, accounts, tokens, users, keys."),
    }


app = typer.Typer(
    name="roomkey",
    cls=_Root,
    epilog=_CODES,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
store = typer.Typer(cls=HelpGroup, help="The store: list its records, rotate its encryption key, delete tokens.")
app.add_typer(store, name="store", short_help="List and clear the store; rotate its key.")


def _version(wanted: bool) -> None:  # noqa: FBT001 - typer calls it
    if wanted:
        from roomkey import __version__

        typer.echo(f"roomkey {__version__}")
        raise typer.Exit


@app.callback()
def roomkey(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Token-based authentication for the REST APIs that you call.

    Credentials are configured in roomkey.toml: the file that $ROOMKEY_CONFIG names, the one in this folder, or your own
    in ~/.config/roomkey. Without one, begin with: roomkey serve --example, or roomkey init
    """


@app.command(cls=HelpCommand, short_help="Write a first roomkey.toml with comments.")
def init(
    path: Annotated[
        Path, typer.Argument(metavar="FILE", help="By default roomkey.toml in this folder.", show_default=False)
    ] = Path("roomkey.toml"),
) -> int:
    """Write a first roomkey.toml with comments; an existing file is never replaced.

    It holds no secret: each one is read from the environment or from a file of its own when it is needed.
    """
    from roomkey.cli.init import write_configuration

    return write_configuration(path)


@app.command(cls=HelpCommand, short_help="Get or reuse a token; show its expiry and claims.")
def token(
    name: Name,
    *,
    raw: Annotated[bool, typer.Option("--raw", help="The token itself and nothing else, for a script.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object without the token.")] = False,
    refresh: Annotated[
        bool, typer.Option("--refresh", help="Get a new token even if the stored one is fresh.")
    ] = False,
) -> int:
    """Get a token, or reuse the stored one, and show its expiry and claims.

    The token itself is shown with --raw only.
    """
    from roomkey.cli.token import show_token

    return show_token(name, raw=raw, as_json=as_json, refresh=refresh)


@app.command(cls=HelpCommand, short_help="Call an API with a credential's token.")
def call(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A credential of roomkey.toml with a base_url.", show_default=False)
    ],
    method: Annotated[str, typer.Argument(metavar="METHOD", help="GET, POST, …", show_default=False)],
    path: Annotated[
        str, typer.Argument(metavar="PATH", help="Relative to base_url, such as /orders?page=2.", show_default=False)
    ],
    *,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TEXT", help="The body; @FILE reads a file, @- standard input.")
    ] = None,
    json_data: Annotated[
        str | None, typer.Option("--json", metavar="JSON", help="The same, checked and sent as application/json.")
    ] = None,
    header: Annotated[
        list[str] | None, typer.Option("--header", "-H", metavar="'NAME: VALUE'", help="A further header; repeatable.")
    ] = None,
) -> int:
    """Call an API with a credential's token: the body goes to stdout, the status to stderr.

    A rejected token is replaced and the call repeated once where that is safe.
    """
    from roomkey.cli.call import call_api

    return call_api(name, method, path, data=data, json_data=json_data, headers=header or [])


@app.command(cls=HelpCommand, short_help="Show what the store holds for each credential.")
def status(*, as_json: AsJson = False) -> int:
    """Show every configured credential and what the store holds for it; asks no server and shows no token."""
    from roomkey.cli.status import show_status

    return show_status(as_json=as_json)


@app.command(cls=HelpCommand, short_help="Show header and claims of a JWT from standard input.")
def inspect(
    arguments: Annotated[list[str] | None, typer.Argument(hidden=True)] = None, *, as_json: AsJson = False
) -> int:
    """Read a JWT from standard input and show its header and claims, unverified.

    A token is never taken as an argument: roomkey inspect < token.txt
    """
    from roomkey.cli.inspect import inspect_token

    return inspect_token(arguments or [], as_json=as_json)


@app.command(cls=HelpCommand, short_help="Run the auth service with its backoffice.")
def serve(
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Its folder; by default ~/.local/share/roomkey.")
    ] = None,
    listen: Annotated[str | None, typer.Option(metavar="HOST:PORT", help="By default 127.0.0.1:8400.")] = None,
    issuer: Annotated[
        str | None, typer.Option(metavar="URL", help="Its URL in tokens and links, as clients reach it.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="By default SQLite in the folder; or postgresql://…")
    ] = None,
    check: Annotated[bool, typer.Option("--check", help="Report what is wrong with its setup; serve nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="With --check: one JSON object for a script.")] = False,
    example: Annotated[
        bool,
        typer.Option(
            "--example", help="Also run a sample API, with a service account and a roomkey.toml to call it with."
        ),
    ] = False,
) -> int:
    """Run the auth service until SIGTERM or Ctrl+C; running requests are answered first.

    On a fresh machine it creates its folder, database and keys, and prints a link that creates the first administrator.
    Settings also come from ROOMKEY_SERVER_… and from [server] in roomkey.toml; options take precedence.
    """
    from roomkey.cli.serve import serve_or_check

    return serve_or_check(
        data=data, listen=listen, issuer=issuer, database=database, check=check, as_json=as_json, example=example
    )


@store.command("list", cls=HelpCommand, short_help="List the records, and the key that encrypts each.")
def list_records(*, as_json: AsJson = False) -> int:
    """List the records of the store: owner, generation, and the key that encrypts each. No tokens."""
    from roomkey.cli.store_list import list_records

    return list_records(as_json=as_json)


@store.command("rotate-key", cls=HelpCommand, short_help="Create a new key and encrypt every record with it.")
def rotate_key() -> int:
    """Create a new key, put it first in the store's key file and encrypt every record with it.

    Keys in the environment are changed where they come from: put a new one first, then run this.
    """
    from roomkey.cli.store import rotate_key

    return rotate_key()


@store.command("clear", cls=HelpCommand, short_help="Delete what is stored for one credential, or for all.")
def clear(
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="A credential of roomkey.toml.", show_default=False)
    ] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every record, of every credential.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> int:
    """Delete what is stored for NAME, or with --all for every user of the store: the next use authenticates again.

    Refresh tokens are deleted too; where only a user can sign in, a user will have to.
    """
    from roomkey.cli.store import clear

    return clear(name, everything=everything, yes=yes)


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; raises what the command raises."""
    from roomkey.cli.errors import print_error

    command = typer.main.get_command(app)
    try:
        result = command(list(arguments) or ["--help"], prog_name="roomkey", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _USAGE_ERROR as error:
        problem = error
    else:
        if result == ExitCode.INTERRUPTED:  # newer versions of typer return it
            raise KeyboardInterrupt
        return int(result or 0)
    # Words from the arguments are cut: a long one may be a secret in the wrong place.
    sentence = _LONG_WORD.sub("…", str(getattr(problem, "format_message", problem.__str__)()))
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "roomkey"
    print_error(sentence or "A command is missing.", f"{path} --help")
    return ExitCode.USAGE


# Newer versions of typer carry their own copy of click; the name that they all export leads to the right family.
_USAGE_ERROR: Final[type[Exception]] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
