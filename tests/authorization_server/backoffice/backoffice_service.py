"""The whole auth service, people who are signed in there, and what a busy one knows."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvicorn
from sqlalchemy import select
from tests.authorization_server.backoffice.browser import ISSUER, Browser
from tests.authorization_server.fresh_data import fresh_data

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.app_tokens.commands import CreateAppToken, RevokeAppToken, RotateAppToken
from roomkey.authorization_server.accounts.service_accounts.commands import CreateServiceAccount, DisableServiceAccount
from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.accounts.token_requests.commands import RefuseTokenRequest, RequestAppToken
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, Settings
from roomkey.authorization_server.tokens import refresh_tokens
from roomkey.authorization_server.tokens.issue import TokenGrant
from roomkey.testing import FakeClock

CONSOLE = Actor.console()


@dataclass
class Backoffice:
    """A service, its application, and browsers of people who are signed in."""

    service: Service
    clock: FakeClock
    hashing: PasswordHashing = field(default_factory=lambda: PasswordHashing(Cost(memory=64, passes=1)))
    _open: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.app = create_app(self.service, hashing=self.hashing)

    @property
    def url(self) -> str:
        return self.service.settings.issuer

    def act(self, act: Any, *arguments: Any, by: Actor = CONSOLE, **named: Any) -> Any:
        """One act in a transaction of its own."""
        with self.service.unit_of_work(by) as uow:
            return act(*arguments, **named)(uow) if isinstance(act, type) else act(uow, *arguments, **named)

    def user(self, name: str, *roles: str, tenant: str | None = None) -> User:
        user: User = self.act(CreateUser(username=name, roles=roles, tenant=tenant))
        return user

    def cookie(self, user: User, *, agent: str = "a browser") -> str:
        """The cookie of a session of ``user``, as the sign-in begins it."""
        actor = user.actor("192.0.2.1")
        begun = self.act(sessions.begin, user, stage=Stage.FULL, acr="mfa", user_agent=agent, by=actor)
        value: str = begun.cookie.value
        return value

    def browser(self, user: User | None = None, **named: str) -> Browser:
        """A browser without scripts, in which ``user`` is signed in."""
        browser = self._open.enter_context(Browser(self.app))
        if user is not None:
            browser.cookie = self.cookie(user, **named)
        return browser

    def events(self, action: str) -> list[Any]:
        """What the audit log says of an action."""
        with self.service.look(CONSOLE) as uow:
            return list(uow.connection.execute(select(audit_events).where(audit_events.c.action == action)))

    def close(self) -> None:
        self._open.close()
        self.hashing.close()


@contextmanager
def open_backoffice(folder: Path, clock: FakeClock, **settings: Any) -> Iterator[Backoffice]:
    """The application, asked without a network."""
    with Service.open(
        Settings.at(fresh_data(folder, clock), **({"issuer": ISSUER} | settings)), clock=clock
    ) as service:
        backoffice = Backoffice(service, clock)
        try:
            yield backoffice
        finally:
            backoffice.close()


@contextmanager
def served_backoffice(folder: Path, clock: FakeClock) -> Iterator[Backoffice]:
    """The application on a free port of loopback, in a thread."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with open_backoffice(folder, clock, issuer=f"http://127.0.0.1:{port}", port=port) as backoffice:
            server = uvicorn.Server(uvicorn.Config(backoffice.app, log_level="critical", lifespan="off"))
            thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                end = time.monotonic() + 20.0
                while not server.started and time.monotonic() < end:
                    time.sleep(0.005)
                assert server.started
                yield backoffice
            finally:
                server.should_exit = True
                thread.join()


@dataclass(frozen=True)
class Known:
    """What a busy service knows: people, and names that stand in addresses."""

    alice: User  # administrator
    bob: User  # approver
    carol: User  # developer
    token: str
    request: str
    family: str
    key: str


def fill(backoffice: Backoffice) -> Known:
    """A service that has been in use for some months."""
    act, clock = backoffice.act, backoffice.clock
    act(CreateTenant, name="acme")
    alice = backoffice.user("alice", "administrator", "developer")
    bob = backoffice.user("bob", "approver", "auditor")
    carol = backoffice.user("carol", "developer", "orders-clerk")
    backoffice.user("dave", tenant="acme")
    scopes = [Scope("orders:read", "Read all orders"), Scope("orders:write", "Change and cancel orders")]
    act(CreateApi, audience="orders-api", scopes=scopes, description="Orders of all shops", needs_approval=True)
    act(
        CreateApi,
        audience="https://billing.example/v2",
        scopes=[Scope("invoices:read", "See invoices & payments")],
        description="Invoices of all shops",
        token_format="opaque",
        longest_app_token=365 * DAY,
    )
    access = [Access("orders-api", ("orders:read", "orders:write"), ("orders:read",))]
    act(CreateServiceAccount, client_id="old-importer", apis=access, description="Nobody knows any more")
    clock.advance(100 * DAY)
    reports = {"client_id": "reports", "apis": access, "description": "Builds the weekly reports"}
    act(CreateServiceAccount, **reports, owner_id=carol.id)
    both = [*access, Access("https://billing.example/v2", ("invoices:read",), ("invoices:read",))]
    act(CreateServiceAccount, client_id="warehouse-sync", apis=both, description="Keeps the stock right")
    act(CreateServiceAccount, client_id="acme-shop", tenant="acme", apis=access, description="The shop of acme")
    act(DisableServiceAccount, "acme-shop")
    order = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"]}
    ending = act(CreateAppToken, **order, lifetime=30 * DAY).app_token
    old = act(CreateAppToken, **order, lifetime=60 * DAY).app_token
    gone = act(CreateAppToken, **order, lifetime=10 * DAY, token_format="opaque").app_token
    act(RevokeAppToken, gone.id, reason="It stood in a log")
    clock.advance(26 * DAY)
    act(RotateAppToken, old.id, overlap=DAY)
    act(rotation.rotate)
    wanted = order | {"lifetime": 30 * DAY, "note": "Nightly export to the warehouse"}
    first = act(RequestAppToken, **wanted, by=carol.actor())
    act(RefuseTokenRequest, first.id, answer="Ask for less", by=bob.actor())
    clock.advance(3600)
    second = act(RequestAppToken, **wanted, by=carol.actor())
    act(rotation.rotate)
    key = act(rotation.rotate).kid
    family_id = refresh_tokens.new_family_id()
    grant = TokenGrant(
        client_id="reports",
        audience="orders-api",
        scope=("orders:read",),
        user_id=carol.id,
        username="carol",
        family_id=family_id,
    )
    act(refresh_tokens.start_family, grant)
    clock.advance(120)
    return Known(alice, bob, carol, ending.id, second.id, family_id, key)


def pages(known: Known) -> dict[str, str]:
    """Every page that somebody can open, by the name of its picture."""
    account, token, user = "/service-accounts/reports", f"/app-tokens/{known.token}", f"/users/{known.carol.id}"
    api = "/apis/orders-api"
    return {
        "home": "/",
        "service-accounts": "/service-accounts",
        "service-account": account,
        "service-account-new": "/service-accounts/~new",
        "service-account-apis": f"{account}/apis",
        "service-account-rotate-secret": f"{account}/rotate-secret",
        "service-account-disable": f"{account}/disable",
        "service-account-enable": "/service-accounts/acme-shop/enable",
        "app-tokens": "/app-tokens",
        "app-token": token,
        "app-token-rotate": f"{token}/rotate",
        "app-token-revoke": f"{token}/revoke",
        "token-requests": "/token-requests",
        "token-request-which": "/token-requests/~new",
        "token-request-what": "/token-requests/~new?for=reports%20orders-api",
        "token-request": f"/token-requests/{known.request}",
        "apis": "/apis",
        "api": api,
        "api-new": "/apis/~new",
        "api-edit": f"{api}/edit",
        "api-rotate-secret": f"{api}/rotate-secret",
        "api-shared-secret": f"{api}/shared-secret",
        "api-disable": f"{api}/disable",
        "keys": "/keys",
        "keys-rotate": "/keys/rotate",
        "key-withdraw": f"/keys/{known.key}/withdraw",
        "users": "/users",
        "user": user,
        "user-new": "/users/~new",
        "user-roles": f"{user}/roles",
        "user-password": f"{user}/password",
        "user-second-factor": f"{user}/second-factor",
        "user-end-sessions": f"{user}/end-sessions",
        "user-disable": f"{user}/disable",
        "tokens": "/tokens?username=carol",
        "family-revoke": f"/tokens/families/{known.family}/revoke",
        "audit": "/audit",
        "explain": "/explain",
        "settings": "/settings",
        "account": "/account",
        "nothing": "/app-tokens/tok_nothing",
    }
