"""``roomkey admin tenant``: whose things are kept apart."""

from typing import Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

app = typer.Typer(cls=Group, help="Tenants: whose things are kept apart.")


@app.command("create", cls=Command, short_help="Make a tenant.")
def create(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its name.", show_default=False)],
    *,
    as_json: AsJson = False,
) -> int:
    """Make a tenant; people who belong to it see nothing of another one."""
    from roomkey.authorization_server.accounts import tenants
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import done
    from roomkey.cli.admin.printing import print_done, print_json

    made = done(context, lambda uow: tenants.create(uow, name=name))
    if as_json:
        print_json(**plain(made))
    else:
        print_done(f"The tenant {name} is there.")
    return ExitCode.OK


@app.command("list", cls=Command, short_help="List the tenants.")
def list_tenants(context: typer.Context, *, as_json: AsJson = False) -> int:
    """List the tenants."""
    from roomkey.authorization_server.accounts import tenants
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import print_json, print_list, when

    found = seen(context, lambda uow: all_pages(lambda after, limit: tenants.find(uow, after=after, limit=limit)))
    if as_json:
        print_json(tenants=found)
        return ExitCode.OK
    rows = ({"tenant": one.name, "created": when(one.created_at)} for one in found)
    print_list(rows, "tenant", "created", folded="created", empty="There are no tenants: everything is everybody's.")
    return ExitCode.OK
