"""Tenants."""

from dataclasses import dataclass
from typing import Final

from roomkey.authorization_server.accounts import tenants
from roomkey.authorization_server.accounts.page import Page
from roomkey.authorization_server.accounts.tenants import Tenant
from roomkey.authorization_server.admin_api.operation import Asked, Operation
from roomkey.authorization_server.admin_api.operations.paging import Paging
from roomkey.authorization_server.permissions import Permission
from roomkey.authorization_server.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantToCreate:
    """A new tenant."""

    name: str


def _tenants(uow: UnitOfWork, asked: Asked) -> Page[Tenant]:
    return tenants.find(uow, after=asked.query.after, limit=asked.query.limit)


def _create_tenant(uow: UnitOfWork, asked: Asked) -> Tenant:
    return tenants.create(uow, name=asked.body.name)


OPERATIONS: Final = (
    Operation(
        method="GET",
        path="/tenants",
        name="list_tenants",
        summary="List the tenants.",
        permissions=(Permission.READ,),
        query=Paging,
        answer=Page[Tenant],
        act=_tenants,
    ),
    Operation(
        method="POST",
        path="/tenants",
        name="create_tenant",
        summary="Make a tenant.",
        permissions=(Permission.CHANGE_ACCOUNTS,),
        body=TenantToCreate,
        answer=Tenant,
        status=201,
        act=_create_tenant,
    ),
)
