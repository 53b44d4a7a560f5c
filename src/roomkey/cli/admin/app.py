"""The nouns of ``roomkey admin``, each imported when it is used: the server's packages take most of the time."""

from pathlib import Path
from typing import Annotated

import typer

from roomkey.cli.admin import NOUNS, backup
from roomkey.cli.admin.context import Place
from roomkey.cli.help import HelpCommand, HelpGroup


class _Nouns(HelpGroup):
    """The nouns."""

    lazy = NOUNS


app = typer.Typer(cls=_Nouns)
app.command(cls=HelpCommand, short_help="Copy the database while it is in use.")(backup.backup)


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
