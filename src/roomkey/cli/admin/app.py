"""The nouns of ``roomkey admin``, each imported when it is used: the server's packages take most of the time."""

from pathlib import Path
from typing import Annotated

import typer

from roomkey.cli.admin import backup
from roomkey.cli.admin.context import Place
from roomkey.cli.help import Command, Group

_HERE = "roomkey.cli.admin"


class _Nouns(Group):
    """The nouns."""

    lazy = {  # noqa: RUF012 - typer makes the instance
        "api": (f"{_HERE}.apis", "What tokens are for, and which scopes there are."),
        "service-account": (f"{_HERE}.service_accounts", "The apps that get tokens, and their secrets."),
        "app-token": (f"{_HERE}.app_tokens", "Long-lived tokens that an app is configured with."),
        "token-request": (f"{_HERE}.token_requests", "The app tokens that users asked for, and the answer."),
        "family": (f"{_HERE}.families", "The tokens that apps hold for users, and their end."),
        "user": (f"{_HERE}.users", "Who signs in, and what they may do."),
        "tenant": (f"{_HERE}.tenants", "Whose data is kept apart."),
        "keys": (f"{_HERE}.keys", "Those that sign tokens, and the one that encrypts the database."),
        "audit": (f"{_HERE}.audit_log", "What was done, by whom, and whether its chain holds."),
    }


app = typer.Typer(cls=_Nouns)
app.command(cls=Command, short_help="Copy the database while it is in use.")(backup.backup)


@app.callback()
def admin(
    context: typer.Context,
    *,
    data: Annotated[
        Path | None, typer.Option(metavar="DIR", help="The service's folder; by default ~/.local/share/roomkey.")
    ] = None,
    database: Annotated[
        str | None, typer.Option(metavar="URL", help="Its database, where it is not in the folder.")
    ] = None,
) -> None:
    """Work on the auth service's own database, also while it runs.

    Whoever holds its files is its administrator; the audit log calls them "console".
    """
    context.obj = Place(data, database)
