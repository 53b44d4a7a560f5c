"""The whole auth service on a port of loopback, people who are signed in, and what a busy one knows."""

import html
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn

from roomkey.authorization_server.accounts import apis, app_tokens, service_accounts, tenants, token_requests
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.api import Scope
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.backoffice.session import cookie_name
from roomkey.authorization_server.keys import rotation
from roomkey.authorization_server.people import sessions, users
from roomkey.authorization_server.people.sessions import Stage
from roomkey.authorization_server.people.users import User
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, Settings
from roomkey.authorization_server.tokens import families
from roomkey.authorization_server.tokens.grant import Grant
from roomkey.testing import FakeClock

CONSOLE = Actor.console()
_CSRF = re.compile(r'name="csrf" value="([^"]+)"')


@dataclass
class Page:
    """An answer as somebody sees it."""

    response: httpx2.Response

    @property
    def status(self) -> int:
        return self.response.status_code

    @property
    def html(self) -> str:
        return self.response.text

    @property
    def text(self) -> str:
        """The words of the page, without its marks."""
        return html.unescape(re.sub(r"<[^>]+>", " ", self.html))

    @property
    def location(self) -> str:
        return self.response.headers["location"]


@dataclass
class Visitor:
    """A browser of somebody who is signed in; it follows no redirects."""

    client: httpx2.Client
    user: User
    proof: str = field(default="", repr=False)

    def get(self, path: str) -> Page:
        return Page(self.client.get(path))

    def post(self, path: str, *fields: tuple[str, str], **named: str) -> Page:
        """Fill in the form of one of our own pages and send it."""
        if not self.proof:
            found = _CSRF.search(self.client.get("/").text)
            assert found is not None
            self.proof = found[1]
        pairs = [("csrf", self.proof), *fields, *named.items()]
        return Page(self.client.post(path, content=str(httpx2.QueryParams(pairs)), headers=_FORM))

    def follow(self, page: Page) -> Page:
        assert page.status == 303, page.text
        return self.get(page.location)


_FORM = {"content-type": "application/x-www-form-urlencoded"}


@dataclass
class Desk:
    """A service and its address."""

    service: Service
    clock: FakeClock

    @property
    def url(self) -> str:
        return self.service.settings.issuer

    def act(self, act: Any, *arguments: Any, by: Actor = CONSOLE, **named: Any) -> Any:
        with self.service.work(by) as work:
            return act(work, *arguments, **named)

    def user(self, name: str, *roles: str, tenant: str | None = None) -> User:
        user: User = self.act(users.create, username=name, roles=roles, tenant=tenant)
        return user

    def cookie(self, user: User) -> str:
        """The cookie of a session of ``user``, as the sign-in begins it."""
        begun = self.act(
            sessions.begin, user, stage=Stage.FULL, acr="mfa", by=user.actor("127.0.0.1"), password_asked=True
        )
        value: str = begun.cookie.value
        return value

    def visitor(self, user: User) -> Visitor:
        cookies = {cookie_name(self.service.settings): self.cookie(user)}
        return Visitor(httpx2.Client(base_url=self.url, cookies=cookies), user)


@contextmanager
def open_desk(folder: Path, clock: FakeClock) -> Iterator[Desk]:
    """The application on a free port, until the end of the block."""
    listener = socket.create_server(("127.0.0.1", 0))
    with Service.open(Settings.at(folder, port=listener.getsockname()[1]), clock=clock) as service:
        server = uvicorn.Server(uvicorn.Config(create_app(service), log_level="critical", lifespan="off"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            end = time.monotonic() + 20.0
            while not server.started and time.monotonic() < end:
                time.sleep(0.005)
            assert server.started
            yield Desk(service, clock)
        finally:
            server.should_exit = True
            thread.join()
            listener.close()


@dataclass(frozen=True)
class Known:
    """What a busy service knows: people, and ids that stand in addresses."""

    alice: User  # administrator
    bob: User  # approver
    carol: User  # developer
    token: str
    request: str
    family: str


def fill(desk: Desk) -> Known:
    """A service that has been in use for some months."""
    act, clock = desk.act, desk.clock
    act(tenants.create, name="acme")
    alice = desk.user("alice", "administrator", "developer")
    bob = desk.user("bob", "approver", "auditor")
    carol = desk.user("carol", "developer", "orders-clerk")
    desk.user("dave", tenant="acme")
    scopes = [Scope("orders:read", "Read all orders"), Scope("orders:write", "Change and cancel orders")]
    act(apis.create, audience="orders-api", scopes=scopes, description="Orders of all shops", needs_approval=True)
    invoices = [Scope("invoices:read", "See invoices & payments")]
    act(
        apis.create,
        audience="https://billing.example/v2",
        scopes=invoices,
        description="<b>Billing</b>",
        token_format="opaque",
        longest_app_token=365 * DAY,
    )
    access = [Access("orders-api", ("orders:read", "orders:write"), ("orders:read",))]
    act(service_accounts.create, client_id="old-importer", apis=access, description="Nobody knows any more")
    clock.advance(100 * DAY)
    reports = {"client_id": "reports", "apis": access, "description": "Builds the weekly reports"}
    act(service_accounts.create, **reports, owner_id=carol.id)
    both = [*access, Access("https://billing.example/v2", ("invoices:read",), ("invoices:read",))]
    act(service_accounts.create, client_id="warehouse-sync", apis=both, description="Keeps the stock right")
    act(service_accounts.create, client_id="acme-shop", tenant="acme", apis=access, description="The shop of acme")
    act(service_accounts.disable, "acme-shop")
    order = {"client_id": "reports", "audience": "orders-api", "scopes": ["orders:read"]}
    ending = act(app_tokens.create, **order, lifetime=30 * DAY).app_token
    old = act(app_tokens.create, **order, lifetime=60 * DAY).app_token
    gone = act(app_tokens.create, **order, lifetime=10 * DAY, token_format="opaque").app_token
    act(app_tokens.revoke, gone.id, reason="It stood in a log")
    clock.advance(26 * DAY)
    act(app_tokens.rotate, old.id, overlap=DAY)
    act(rotation.rotate)
    wanted = order | {"lifetime": 30 * DAY, "note": "Nightly export to the warehouse"}
    first = act(token_requests.request, **wanted, by=carol.actor())
    act(token_requests.refuse, first.id, answer="Ask for less", by=bob.actor())
    clock.advance(3600)
    second = act(token_requests.request, **wanted, by=carol.actor())
    grant = Grant(
        client_id="reports",
        audience="orders-api",
        scope=("orders:read",),
        user_id=carol.id,
        username="carol",
        family_id=families.new_family_id(),
    )
    act(families.start_family, grant)
    clock.advance(120)
    return Known(alice, bob, carol, ending.id, second.id, str(grant.family_id))
