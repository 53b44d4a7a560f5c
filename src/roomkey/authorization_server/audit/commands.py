"""Commands on the audit log."""

from typing import Annotated

from msgspec import Meta

from roomkey.authorization_server.audit import search, verify
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.audit.verify import ChainStatus
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Lookup, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@command("audit list", "GET /audit-events", permission=Permission.READ_AUDIT)
class ListAuditEvents(ListCommand[Event], frozen=True):
    """List the events of the audit log, the newest first."""

    actor: Annotated[Lookup, Meta(description="Of one actor: console, user:usr_…"), Typed(metavar="ACTOR")] = ""
    action: Annotated[
        Lookup, Meta(description="Of one action, or its beginning: app_token."), Typed(metavar="ACTION")
    ] = ""
    subject: Annotated[Lookup, Meta(description="About one subject, by its id."), Typed(metavar="ID")] = ""

    def run(self, uow: UnitOfWork) -> Page[Event]:
        """Raises NotAllowed."""
        return search.find(
            uow, actor=self.actor, action=self.action, subject=self.subject, after=self.after, limit=self.limit
        )


@command("audit verify", "GET /audit-events/chain", permission=Permission.READ_AUDIT)
class VerifyAuditChain(Command[ChainStatus], frozen=True):
    """Verify the hash chain of all events; reads them all."""

    def run(self, uow: UnitOfWork) -> ChainStatus:
        """Raises NotAllowed for an actor of one tenant."""
        return verify.verify(uow)
