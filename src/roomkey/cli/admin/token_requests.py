"""``roomkey admin token-request``: what people asked for in the backoffice, and the answer to it."""

from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.token_requests import TokenRequest

app = typer.Typer(cls=Group, help="Requests for app tokens, which people make in the backoffice.")
Id = Annotated[str, typer.Argument(metavar="ID", help="The request's id: req_…", show_default=False)]
Answer = Annotated[str, typer.Option(metavar="TEXT", help="A word to whoever asked.")]


@app.command("list", cls=Command, short_help="List the requests.")
def list_requests(
    context: typer.Context,
    *,
    state: Annotated[str | None, typer.Option(metavar="STATE", help="pending, approved, refused, …")] = None,
    as_json: AsJson = False,
) -> int:
    """List what people asked for, the newest first."""
    from roomkey.authorization_server.accounts import token_requests
    from roomkey.cli.admin.context import all_pages, seen
    from roomkey.cli.admin.printing import day, print_json, print_list

    found = seen(
        context,
        lambda uow: all_pages(lambda after, limit: token_requests.find(uow, after=after, limit=limit, state=state)),
    )
    if as_json:
        print_json(token_requests=found)
        return ExitCode.OK
    print_list(
        (
            {
                "id": one.id,
                "account": one.client_id,
                "api": one.audience,
                "scopes": " ".join(one.scopes),
                "asked": day(one.requested_at),
                "": one.state,
            }
            for one in found
        ),
        *("id", "account", "api", "scopes", "asked", ""),
        folded="scopes",
        spared=("api", "asked"),
        empty="Nobody has asked for a token.",
    )
    return ExitCode.OK


@app.command("approve", cls=Command, short_help="Agree to a request.")
def approve(context: typer.Context, request_id: Id, *, answer: Answer = "", as_json: AsJson = False) -> int:
    """Agree to a request; whoever asked collects the token in the backoffice within a week."""
    from roomkey.authorization_server.accounts import token_requests
    from roomkey.cli.admin.context import done

    return _print(done(context, lambda uow: token_requests.approve(uow, request_id, answer=answer)), as_json=as_json)


@app.command("refuse", cls=Command, short_help="Refuse a request.")
def refuse(context: typer.Context, request_id: Id, *, answer: Answer = "", as_json: AsJson = False) -> int:
    """Refuse a request; --answer says why."""
    from roomkey.authorization_server.accounts import token_requests
    from roomkey.cli.admin.context import done

    return _print(done(context, lambda uow: token_requests.refuse(uow, request_id, answer=answer)), as_json=as_json)


def _print(request: "TokenRequest", *, as_json: bool) -> int:
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.printing import print_done, print_json

    if as_json:
        print_json(**plain(request))
    else:
        print_done(f"The request {request.id} is {request.state}.")
    return ExitCode.OK
