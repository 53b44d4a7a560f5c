"""``roomkey admin backup``: a copy of the database while it is in use."""

from pathlib import Path
from typing import Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode


def backup(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes; nothing is overwritten.")],
    *,
    as_json: AsJson = False,
) -> int:
    """Copy the SQLite database to FILE, whole and of one moment, while the service goes on; for its owner's eyes only.

    Keep the key file elsewhere: it opens the secrets in the copy, and without it they stay shut.
    """
    from roomkey.authorization_server.actor import Actor
    from roomkey.authorization_server.server.backup import back_up
    from roomkey.cli.admin.context import opened
    from roomkey.cli.admin.printing import print_done, print_json

    with opened(context, create=False) as service:
        made = back_up(service, Actor.console(), file)
    if as_json:
        print_json(path=str(made.path), bytes=made.size, keys=made.keys)
    else:
        print_done(f"The database is copied to {made.path}.", ("bytes", f"{made.size:,}"), ("its keys", made.keys))
    return ExitCode.OK
