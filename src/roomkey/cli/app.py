"""The commands and how they are reached; what they do stands in a file for each, loaded when it is called."""

import re
from collections.abc import Sequence
from typing import Annotated, Final

import typer

from roomkey.cli import call, inspect, serve, status, store, token
from roomkey.cli.admin import app as admin
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

_CODES: Final = "\b\nExit codes:\n" + "\n".join(f"  {code.value:<4} {code.meaning}" for code in ExitCode)
_LONG_WORD: Final = re.compile(r"[^\s'\"]{25,}")

app = typer.Typer(
    name="roomkey",
    cls=Group,
    epilog=_CODES,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
for _run, _words in (
    (token.token, "Get or reuse a token; show its expiry and claims."),
    (call.call, "Call an API with a credential's token."),
    (status.status, "Show what the store holds for each credential."),
    (inspect.inspect, "Show what stands in a JWT from standard input."),
    (serve.serve, "Run the auth service with its backoffice."),
):
    app.command(cls=Command, short_help=_words)(_run)
app.add_typer(store.app, name="store", short_help="List and clear the store; change its key.")
app.add_typer(admin.app, name="admin", short_help="Administer the auth service: APIs, accounts, tokens, users, keys.")


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

    Credentials stand in roomkey.toml: the file that $ROOMKEY_CONFIG names, the one in this folder, or your own in
    ~/.config/roomkey. Without one, begin with: roomkey serve --example
    """


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; raises what the command raises."""
    from roomkey.cli.errors import complain, show_notes

    show_notes()
    command = typer.main.get_command(app)
    try:
        result = command(list(arguments) or ["--help"], prog_name="roomkey", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except _USAGE_ERROR as error:
        problem = error
    else:
        if result == ExitCode.INTERRUPTED:  # what newer versions of typer make of it
            raise KeyboardInterrupt
        return int(result or 0)
    # What is quoted from the arguments is cut: a long word may be a secret that was put in the wrong place.
    sentence = _LONG_WORD.sub("…", str(getattr(problem, "format_message", problem.__str__)()))
    context = getattr(problem, "ctx", None)
    path = context.command_path if context is not None else "roomkey"
    complain(sentence or "A command is missing.", f"{path} --help")
    return ExitCode.USAGE


# Newer versions of typer carry their own copy of click; the name that they all export leads to the right family.
_USAGE_ERROR: Final[type[Exception]] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)
