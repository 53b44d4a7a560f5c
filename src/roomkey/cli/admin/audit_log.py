"""``roomkey admin audit``: what was done, by whom, and whether anybody has changed what was written down."""

from typing import Annotated

import typer

from roomkey.cli.admin.options import AsJson
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

app = typer.Typer(cls=Group, help="The audit log: what was done, by whom, and whether its chain holds.")


@app.command("list", cls=Command, short_help="List the latest events.")
def list_events(
    context: typer.Context,
    *,
    limit: Annotated[int, typer.Option(metavar="N", help="How many, up to 200.")] = 50,
    after: Annotated[str | None, typer.Option(metavar="N", help="Those before the event with this number.")] = None,
    actor: Annotated[str, typer.Option(metavar="ACTOR", help="Of one actor: console, user:usr_…")] = "",
    action: Annotated[str, typer.Option(metavar="ACTION", help="Of one action, or its beginning: app_token.")] = "",
    subject: Annotated[str, typer.Option(metavar="ID", help="About one subject.")] = "",
    as_json: AsJson = False,
) -> int:
    """List the latest events of the audit log, the newest first; --json has what was before and after."""
    from roomkey.authorization_server.audit import search
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import print_json, print_list
    from roomkey.cli.time_words import date

    page = seen(
        context,
        lambda uow: search.find(uow, actor=actor, action=action, subject=subject, after=after, limit=limit),
    )
    if as_json:
        print_json(events=page.items, after=page.after)
        return ExitCode.OK
    print_list(
        (
            {
                "no.": str(event.number),
                "when": date(event.at).removesuffix(" UTC"),
                "who": event.actor,
                "what": event.action,
                "about": event.subject,
            }
            for event in page.items
        ),
        *("no.", "when", "who", "what", "about"),
        folded="about",
        spared=("when",),
        numbers=("no.",),
        empty="Nothing was written down.",
    )
    return ExitCode.OK


@app.command("verify", cls=Command, short_help="Check that nobody has changed the log.")
def verify(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Check the chain of all events: whether one was changed, moved or taken out. Exits with 1 where it was."""
    from roomkey.authorization_server.audit.verify import verify as verify_chain
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import print_done, print_json
    from roomkey.cli.errors import print_error

    verdict = seen(context, verify_chain)
    if as_json:
        print_json(holds=verdict.holds, number=verdict.number)
    elif verdict.holds:
        print_done(f"All {verdict.number} events are as they were written.")
    else:
        print_error(f"The chain breaks at event {verdict.number}: it was changed, moved or taken out.")
    return ExitCode.OK if verdict.holds else ExitCode.FAILED
