"""Options and arguments that several verbs share."""

from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="One JSON object on stdout, for a script.")]
Scopes = Annotated[str, typer.Option(metavar='"A B"', help="Scopes, separated by spaces.")]
Tenant = Annotated[str | None, typer.Option(metavar="NAME", help="The tenant that it belongs to.")]
Description = Annotated[str | None, typer.Option(metavar="TEXT", help="In a few words.")]
Overlap = Annotated[str, typer.Option(metavar="TIME", help="How long the old one stays good: 30m, 1h, 7d.")]
Audience = Annotated[
    str, typer.Argument(metavar="AUDIENCE", help="The API, by its name in tokens.", show_default=False)
]
ClientId = Annotated[str, typer.Argument(metavar="NAME", help="The account: its client_id.", show_default=False)]
