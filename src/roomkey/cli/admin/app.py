"""The nouns of ``roomkey admin``."""

from pathlib import Path
from typing import Annotated

import typer

from roomkey.cli.admin import (
    apis,
    app_tokens,
    audit_log,
    backup,
    families,
    keys,
    service_accounts,
    tenants,
    token_requests,
    users,
)
from roomkey.cli.admin.context import Place
from roomkey.cli.help import Command, Group

app = typer.Typer(cls=Group)
for _noun, _verbs, _words in (
    ("api", apis.app, "What tokens are for, and which scopes there are."),
    ("service-account", service_accounts.app, "The apps that get tokens, and their secrets."),
    ("app-token", app_tokens.app, "Long-lived tokens that an app is configured with."),
    ("token-request", token_requests.app, "What people asked for, and the answer to it."),
    ("family", families.app, "What apps hold for people, and its end."),
    ("user", users.app, "Who signs in, and what they may do."),
    ("tenant", tenants.app, "Whose things are kept apart."),
    ("keys", keys.app, "Those that sign tokens, and the one that seals the database."),
    ("audit", audit_log.app, "What was done, by whom, and whether its chain holds."),
):
    app.add_typer(_verbs, name=_noun, short_help=_words)
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
