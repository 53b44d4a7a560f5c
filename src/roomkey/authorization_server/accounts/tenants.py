"""Tenants: whose things are kept apart. Whoever belongs to one sees nothing of another."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts.page import USUAL, Page, by_name, page_of
from roomkey.authorization_server.accounts.syntax import checked_name
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant, and when it was made."""

    name: str
    created_at: int


def create(uow: UnitOfWork, *, name: str) -> Tenant:
    """A new tenant; for administrators of all tenants. Raises Conflict where the name is taken."""
    uow.demand(Permission.CHANGE_ACCOUNTS)
    if uow.actor.tenant is not None:
        raise NotAllowed("Only an administrator of all tenants can make another one.")
    made = Tenant(checked_name(name, "tenant"), uow.now)
    try:
        with uow.connection.begin_nested():
            uow.connection.execute(insert(tenants).values(name=made.name, created_at=made.created_at))
    except IntegrityError:
        raise Conflict(f'There is a tenant "{name}" already.') from None
    record_event(uow, "tenant.created", Subject("tenant", name, name))
    return made


def ensure(uow: UnitOfWork, name: str) -> None:
    """Make the tenant ``name`` where there is none."""
    if not exists(uow, name):
        create(uow, name=name)


def exists(uow: UnitOfWork, name: str) -> bool:
    """Whether there is a tenant ``name``."""
    return uow.connection.scalar(select(tenants.c.name).where(tenants.c.name == name)) is not None


def find(uow: UnitOfWork, *, after: str | None = None, limit: int = USUAL) -> Page[Tenant]:
    """The tenants that the actor sees, by name."""
    uow.demand(Permission.READ)
    statement = select(tenants)
    if uow.actor.tenant is not None:
        statement = statement.where(tenants.c.name == uow.actor.tenant)
    rows = uow.connection.execute(by_name(statement, tenants.c.name, after=after, limit=limit)).all()
    return page_of(rows, limit, lambda shown: [_tenant(row) for row in shown], lambda row: str(row.name))


def tenant_of_new(uow: UnitOfWork, tenant: str | None) -> str | None:
    """The tenant that something new belongs to: the actor's own, or the one that an actor of all tenants names.

    Raises Invalid where there is no such tenant, or it is not the actor's.
    """
    own = uow.actor.tenant
    if own is not None and tenant in (None, own):
        return own
    if tenant is not None and (own is not None or not exists(uow, tenant)):
        raise Invalid(f'There is no tenant "{tenant}".', field="tenant")
    return tenant


def _tenant(row: Any) -> Tenant:
    return Tenant(row.name, row.created_at)
