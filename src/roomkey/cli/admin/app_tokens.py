"""``roomkey admin app-token``: tokens that an app is configured with."""

from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.admin.options import AsJson, ClientId, Overlap, Scopes
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.app_tokens import NewAppToken

app = typer.Typer(cls=Group, help="App tokens: long-lived tokens that an app is configured with.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The app token's id: tok_…", show_default=False)]


@app.command("create", cls=Command, short_help="Make an app token; it is shown once.")
def create(
    context: typer.Context,
    name: ClientId,
    *,
    api: Annotated[str, typer.Option(metavar="AUDIENCE", help="The API that it is for.")],
    scopes: Scopes,
    expires: Annotated[str, typer.Option(metavar="TIME", help="How long it lives: 12h, 30d, 90d.")] = "30d",
    opaque: Annotated[bool, typer.Option("--opaque", help="Random text, which the API has to introspect.")] = False,
    as_json: AsJson = False,
) -> int:
    """Make an app token: a JWT that the API verifies by itself, unless the API or --opaque want another one."""
    from roomkey.authorization_server.accounts import app_tokens
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.time_span import seconds

    lifetime = seconds(expires, "--expires")
    made = done(
        context,
        lambda uow: app_tokens.create(
            uow,
            client_id=name,
            audience=api,
            scopes=scopes.split(),
            lifetime=lifetime,
            token_format="opaque" if opaque else None,
        ),
    )
    _print_new(made, f"The app token {made.app_token.id} is there.", as_json=as_json)
    return ExitCode.OK


@app.command("list", cls=Command, short_help="List the app tokens.")
def list_tokens(
    context: typer.Context,
    *,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Those of one service account.")] = None,
    api: Annotated[str | None, typer.Option(metavar="AUDIENCE", help="Those for one API.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="Those too that have ended.")] = False,
    as_json: AsJson = False,
) -> int:
    """List the app tokens, the newest first; not the tokens themselves, which nobody keeps."""
    import time

    from roomkey.authorization_server.accounts import app_tokens
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import day, print_json, print_list

    found = seen(
        context,
        lambda uow: all_pages(
            lambda after, limit: app_tokens.find(
                uow, after=after, limit=limit, client_id=account, audience=api, live=not everything
            )
        ),
    )
    now = int(time.time())
    if as_json:
        print_json(app_tokens=[plain(token) | {"state": token.state(now)} for token in found])
        return ExitCode.OK
    print_list(
        (
            {
                "id": token.id,
                "account": token.client_id,
                "api": token.audience,
                "scopes": " ".join(token.scopes),
                "ends": day(token.expires_at),
                "last used": day(token.last_used_at) or "never",
                "": token.state(now),
            }
            for token in found
        ),
        *("id", "account", "api", "scopes", "ends", "last used", ""),
        folded="scopes",
        spared=("api", "ends", "last used"),
        empty="There are no app tokens: roomkey admin app-token create ACCOUNT --api … --scopes …",
    )
    return ExitCode.OK


@app.command("rotate", cls=Command, short_help="Make a new token in place of one.")
def rotate(
    context: typer.Context,
    token_id: Id,
    *,
    overlap: Overlap = "0s",
    expires: Annotated[str | None, typer.Option(metavar="TIME", help="How long the new one lives.")] = None,
    as_json: AsJson = False,
) -> int:
    """Make a new token in place of one; without an overlap the old one ends at once."""
    from roomkey.authorization_server.accounts import app_tokens
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.time_span import seconds

    span = seconds(overlap, "--overlap")
    lifetime = None if expires is None else seconds(expires, "--expires")
    made = done(context, lambda uow: app_tokens.rotate(uow, token_id, overlap=span, lifetime=lifetime))
    old = f"the old one ends {overlap} from now" if span else "the old one has ended"
    _print_new(made, f"The app token {made.app_token.id} takes the place of {token_id}; {old}.", as_json=as_json)
    return ExitCode.OK


@app.command("revoke", cls=Command, short_help="End an app token now.")
def revoke(
    context: typer.Context,
    token_id: Id,
    *,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="Why, for the audit log.")] = "",
    as_json: AsJson = False,
) -> int:
    """End an app token now."""
    from roomkey.authorization_server.accounts import app_tokens
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    token = done(context, lambda uow: app_tokens.revoke(uow, token_id, reason=reason))
    if as_json:
        print_json(**plain(token))
    else:
        print_done(f"The app token {token_id} has ended.")
    return ExitCode.OK


def _print_new(made: "NewAppToken", sentence: str, *, as_json: bool) -> None:
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.printing import print_done, print_json
    from roomkey.cli.time_words import date

    token, secrets = made.app_token, {"token": made.minted.value}
    if as_json:
        print_json(**plain(token) | secrets)
        return
    print_done(
        sentence,
        ("id", token.id),
        ("account", token.client_id),
        ("API", token.audience),
        ("scopes", " ".join(token.scopes)),
        ("ends", date(token.expires_at)),
        secrets=secrets,
    )
