"""Tenants and the commands on them: users and accounts that belong to one see nothing of another."""

from dataclasses import dataclass
from typing import Annotated

from msgspec import Meta
from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts.syntax import from_row
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import TenantName, Typed
from roomkey.authorization_server.commands.paging import ListCommand, Page, by_name, page_of
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and when it was created, in seconds since 1970."""

    name: str
    created_at: int


@command("tenant list", "GET /tenants", permission=Permission.READ)
class ListTenants(ListCommand[Tenant], frozen=True):
    """List the tenants."""

    def run(self, uow: UnitOfWork) -> Page[Tenant]:
        """The tenants that the actor sees, by name."""
        statement = select(tenants)
        if uow.actor.tenant is not None:
            statement = statement.where(tenants.c.name == uow.actor.tenant)
        rows = uow.connection.execute(by_name(statement, tenants.c.name, after=self.after, limit=self.limit)).all()
        return page_of(
            rows, self.limit, lambda shown: [from_row(Tenant, row) for row in shown], lambda row: str(row.name)
        )


@command("tenant create", "POST /tenants", permission=Permission.CHANGE_ACCOUNTS, event="tenant.created", status=201)
class CreateTenant(Command[Tenant], frozen=True):
    """Create a tenant.

    Users who belong to it see nothing of another one.
    """

    name: Annotated[TenantName, Meta(description="Its name."), Typed(metavar="NAME", argument=True)]

    def run(self, uow: UnitOfWork) -> Tenant:
        """For administrators of all tenants. Raises NotAllowed, and Conflict where the name is taken."""
        if uow.actor.tenant is not None:
            raise NotAllowed("Only an administrator of all tenants can create another one.")
        try:
            with uow.connection.begin_nested():
                uow.connection.execute(insert(tenants).values(name=self.name, created_at=uow.now))
        except IntegrityError:
            raise Conflict(f'There is a tenant "{self.name}" already.') from None
        self.record(uow, Subject("tenant", self.name, self.name))
        return Tenant(self.name, uow.now)


def tenant_of_new(uow: UnitOfWork, tenant: str | None) -> str | None:
    """The tenant that something new belongs to: the actor's own, or the one that an actor of all tenants names.

    Raises Invalid where there is no such tenant, or it is not the actor's: no command makes one on the side, so that a
    slip of the finger does not.
    """
    own = uow.actor.tenant
    if own is not None and tenant in (None, own):
        return own
    if tenant is None:
        return None
    known = own is None and uow.connection.scalar(select(tenants.c.name).where(tenants.c.name == tenant)) is not None
    if not known:
        step = "" if own is not None else f"; create it first: roomkey admin tenant create {tenant}"
        raise Invalid(f'There is no tenant "{tenant}"{step}.', field="tenant")
    return tenant
