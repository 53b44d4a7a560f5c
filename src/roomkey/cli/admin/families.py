"""``roomkey admin family``: what apps hold for people, and its end."""

from typing import Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

app = typer.Typer(cls=Group, help="Families of refresh tokens: what an app holds for a person since one sign-in.")


@app.command("list", cls=Command, short_help="List the families.")
def list_families(
    context: typer.Context,
    *,
    account: Annotated[str | None, typer.Option(metavar="NAME", help="Those of one service account.")] = None,
    user: Annotated[str | None, typer.Option(metavar="USER", help="Those of one user.")] = None,
    as_json: AsJson = False,
) -> int:
    """List the families, the latest first."""
    from roomkey.authorization_server.identity import users
    from roomkey.authorization_server.tokens import search
    from roomkey.authorization_server.unit_of_work import UnitOfWork
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import day, print_json, print_list

    def read(uow: UnitOfWork) -> tuple[search.TokenFamily, ...]:
        user_id = None if user is None else users.get(uow, user).id
        return all_pages(
            lambda after, limit: search.find_families(uow, client_id=account, user_id=user_id, after=after, limit=limit)
        )

    found = seen(context, read)
    if as_json:
        print_json(families=found)
        return ExitCode.OK
    print_list(
        (
            {
                "id": one.id,
                "account": one.client_id,
                "user": one.username or "",
                "api": one.audience,
                "scopes": one.scope,
                "ends": day(one.expires_at),
                "": "" if one.revoked_at is None else "revoked",
            }
            for one in found
        ),
        *("id", "account", "user", "api", "scopes", "ends", ""),
        folded="scopes",
        spared=("api", "ends"),
        empty="No app holds anything for a person.",
    )
    return ExitCode.OK


@app.command("revoke", cls=Command, short_help="End a family and its access tokens.")
def revoke(
    context: typer.Context,
    family_id: Annotated[str, typer.Argument(metavar="ID", help="The family's id: fam_…", show_default=False)],
    *,
    as_json: AsJson = False,
) -> int:
    """End a family: its refresh tokens are refused, and its access tokens do not count any more."""
    from roomkey.authorization_server.plain import plain
    from roomkey.authorization_server.tokens import search
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    family = done(context, lambda uow: search.revoke_family(uow, family_id))
    if as_json:
        print_json(**plain(family))
    else:
        print_done(f"The family {family_id} has ended.")
    return ExitCode.OK
