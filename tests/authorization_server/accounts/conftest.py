"""Short ways to act as somebody in a service with an API."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi, CreatedApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.identity import users
from roomkey.authorization_server.service import Service

CONSOLE = Actor.console()


@dataclass
class Acting:
    """``acting(act, …, by=actor)`` runs one act in a transaction of its own."""

    service: Service

    def __call__(self, act: Callable[..., Any], *arguments: Any, by: Actor = CONSOLE, **named: Any) -> Any:
        with self.service.unit_of_work(by) as uow:
            return act(*arguments, **named)(uow) if isinstance(act, type) else act(uow, *arguments, **named)

    def api(self, audience: str = "orders-api", *scopes: str, **named: Any) -> CreatedApi:
        chosen = [Scope(scope) for scope in scopes or ("orders:read", "orders:write")]
        return self(CreateApi, audience=audience, scopes=chosen, **named)

    def account(self, client_id: str = "reports", *scopes: str, by: Actor = CONSOLE, **named: Any) -> Any:
        named.setdefault("apis", [Access("orders-api", scopes or ("orders:read",))])
        return self(CreateServiceAccount, client_id=client_id, by=by, **named)

    def tenant(self, *names: str) -> None:
        for name in names:
            self(CreateTenant, name=name)

    def user(self, name: str, *roles: str, tenant: str | None = None, scopes: str | None = None) -> Actor:
        row = {"id": f"usr_{name}", "username": name, "username_key": name, "created_at": 1}
        with self.service.unit_of_work(CONSOLE) as uow:
            uow.connection.execute(insert(users).values(**row, tenant=tenant, scopes=scopes))
        return Actor(ActorKind.USER, row["id"], name, frozenset(roles), tenant)

    def events(self) -> list[Any]:
        with self.service.look(CONSOLE) as uow:
            return list(uow.connection.execute(audit_events.select().order_by(audit_events.c.number)))


@pytest.fixture
def acting(small_service: Service) -> Acting:
    return Acting(small_service)
