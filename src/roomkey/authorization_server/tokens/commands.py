"""Commands on refresh token families."""

from typing import Annotated

from msgspec import Meta

from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Lookup, Reason, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.tokens import search
from roomkey.authorization_server.tokens.search import TokenFamily
from roomkey.authorization_server.unit_of_work import UnitOfWork

_READ = (Permission.READ_USERS, Permission.REVOKE_TOKENS)
FamilyRef = Annotated[Lookup, Meta(description="The family's id: fam_…"), Typed(metavar="ID", argument=True)]


@command("family list", "GET /families", permission=_READ)
class ListFamilies(ListCommand[TokenFamily], frozen=True):
    """List the families of refresh tokens, the latest first."""

    account: Annotated[Lookup, Meta(description="Those of one service account."), Typed(metavar="NAME")] = ""
    user: Annotated[Lookup, Meta(description="Those of one user."), Typed(metavar="USER")] = ""

    def run(self, uow: UnitOfWork) -> Page[TokenFamily]:
        """Raises NotFound for an unknown user."""
        user_id = users.get(uow, self.user).id if self.user else None
        return search.find_families(
            uow, client_id=self.account or None, user_id=user_id, after=self.after, limit=self.limit
        )


@command("family", "GET /families/{family}", permission=_READ)
class GetFamily(Command[TokenFamily], frozen=True):
    """Show one family of refresh tokens."""

    family: FamilyRef

    def run(self, uow: UnitOfWork) -> TokenFamily:
        """Raises NotFound."""
        return search.get_family(uow, self.family)


@command("family revoke", "POST /families/{family}/revoke", permission=Permission.REVOKE_TOKENS, event="family.revoked")
class RevokeFamily(Command[TokenFamily], frozen=True):
    """Revoke a family: its refresh tokens are rejected, and its access tokens are revoked."""

    family: FamilyRef
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> TokenFamily:
        """Raises NotFound; a family that is revoked already stays as it is."""
        return search.revoke_family(uow, self.family, reason=self.reason)
