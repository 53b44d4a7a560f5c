"""``roomkey admin audit``: the audit log, and whether its hash chain holds."""

from typing import Annotated

import typer

from roomkey.authorization_server.audit.commands import ListAuditEvents, VerifyAuditChain
from roomkey.cli.admin.context import reading
from roomkey.cli.admin.options import AsJson
from roomkey.cli.admin.printing import print_done, print_json, print_list
from roomkey.cli.admin.typer_command import Noun
from roomkey.cli.errors import print_error
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.time_words import date

noun = Noun("audit", "The audit log, and whether its hash chain holds.")


@noun.command("list", "List the latest events.")
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
    listing = ListAuditEvents(after=after, limit=limit, actor=actor, action=action, subject=subject)
    with reading(context) as uow:
        page = listing(uow)
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
        empty="There are no events.",
    )
    return ExitCode.OK


@noun.command("verify", "Check that nobody has changed the log.")
def verify(context: typer.Context, *, as_json: AsJson = False) -> int:
    """Verify the hash chain of all events: whether one was changed, moved or removed. Exits with 1 where it was."""
    with reading(context) as uow:
        chain = VerifyAuditChain()(uow)
    if as_json:
        print_json(holds=chain.holds, number=chain.number)
    elif chain.holds:
        print_done(f"The hash chain of all {chain.number} events holds.")
    else:
        print_error(f"The hash chain breaks at event {chain.number}: it was changed, moved or removed.")
    return ExitCode.OK if chain.holds else ExitCode.FAILED
