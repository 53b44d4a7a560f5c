"""Commands on users."""

from typing import Annotated

from msgspec import Meta

from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Lookup, Typed
from roomkey.authorization_server.commands.paging import LARGEST, ListCommand, Page
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork

UserRef = Annotated[Lookup, Meta(description="The user name, or the id: usr_…"), Typed(metavar="USER", argument=True)]


@command("user", "GET /users", permission=Permission.READ_USERS)
class ListUsers(ListCommand[User], frozen=True):
    """List the users."""

    def run(self, uow: UnitOfWork) -> Page[User]:
        """The users that the actor sees, by name."""
        limit = min(self.limit, LARGEST - 1)
        found = users.list_users(uow, after=self.after or "", limit=limit + 1)
        shown = found[:limit]
        return Page(shown, shown[-1].username_key if len(found) > limit else None)


@command("user", "GET /users/{user}", permission=Permission.READ_USERS)
class GetUser(Command[User], frozen=True):
    """Show one user, by id or user name."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound."""
        return users.get(uow, self.user)


@command("user", "POST /users/{user}/disable", permission=Permission.CHANGE_USERS, event="user.disabled")
class DisableUser(Command[User], frozen=True):
    """Let nobody sign in as a user, and revoke their sessions and tokens."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound, NotAllowed, Conflict."""
        return users.disable(uow, self.user)
