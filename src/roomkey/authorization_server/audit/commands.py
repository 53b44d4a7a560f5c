"""Commands on the audit log."""

from typing import Annotated

from msgspec import Meta

from roomkey.authorization_server.audit import search
from roomkey.authorization_server.audit.search import Event
from roomkey.authorization_server.commands.command import command
from roomkey.authorization_server.commands.fields import Lookup
from roomkey.authorization_server.commands.paging import ListCommand, Page
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@command("audit", "GET /audit-events", permission=Permission.READ_AUDIT)
class ListAuditEvents(ListCommand[Event], frozen=True):
    """List the events of the audit log."""

    actor: Annotated[Lookup, Meta(description="Those of an actor, such as user:usr_… or console.")] = ""
    action: Annotated[Lookup, Meta(description="Those of an action or its beginning, such as app_token.")] = ""
    subject: Annotated[Lookup, Meta(description="Those about something, by its id.")] = ""

    def run(self, uow: UnitOfWork) -> Page[Event]:
        """The newest first."""
        return search.find(
            uow, actor=self.actor, action=self.action, subject=self.subject, after=self.after, limit=self.limit
        )
