"""The auth service of the demo: the real one, as ``roomkey serve`` runs it, in a temporary folder, behind a relay."""

import contextlib
import secrets
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from roomkey.authorization_server.accounts import apis, service_accounts
from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.api import Scope
from roomkey.authorization_server.actor import SERVICE, Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.server.background_jobs import chores
from roomkey.authorization_server.server.listener import bound, listener
from roomkey.authorization_server.server.server import run
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.cli.demo.relay import TOKEN, Relay
from roomkey.secret import Confidential, Secret
from roomkey.stores.keyring import Keyring

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

AUDIENCE: Final = "orders-api"
SCOPE: Final = "orders:read"
TOKEN_DELAY: Final = 0.1
LIST_SECONDS: Final = 1.0
_PATIENCE: Final = 10.0


@dataclass(frozen=True, slots=True)
class Login(Confidential):
    """A person who may sign in."""

    id: str
    username: str
    password: str = field(repr=False)


class Desk:
    """The auth service and the API ``orders-api`` that it knows; a context manager that leaves nothing behind.

    Attributes:
        relay: what everybody reaches it by; it has the faults, and counts.
        api_secret: by which the API itself may introspect.
    """

    def __init__(self, relay: Relay | None = None) -> None:
        """A relay can be handed in, not yet started; by default it is made here."""
        self.relay = relay or Relay()
        self.relay.delay = TOKEN_DELAY
        self.api_secret = ""
        self._made: list[str] = []
        self._closing = contextlib.ExitStack()

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            folder = Path(opening.enter_context(TemporaryDirectory(prefix="roomkey-demo-")))
            opening.enter_context(self.relay)
            self._hashing = PasswordHashing()
            opening.callback(self._hashing.close)
            self._serve(folder, opening)
            with self._service.unit_of_work(Actor.console()) as uow:
                scopes = (Scope(SCOPE, "See all orders."),)
                self.api_secret = self._keep(apis.create(uow, audience=AUDIENCE, scopes=scopes).client_secret.value)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def _serve(self, folder: Path, opening: contextlib.ExitStack) -> None:
        settings = Settings.at(folder, issuer=self.relay.origin, port=0, list_ttl=1, access_log=False)
        taken = opening.enter_context(listener(settings))
        settings = bound(settings, taken)
        self._service = opening.enter_context(Service.open(settings, keyring=Keyring.generate()))
        app = create_app(self._service, hashing=self._hashing)
        ready, ending = threading.Event(), threading.Event()
        server = threading.Thread(
            target=run,
            args=(settings, app, taken),
            kwargs={"chores": chores(self._service, app), "ready": ready.set, "ending": ending.is_set},
            name="demo-auth-service",
            daemon=True,
        )
        server.start()
        opening.callback(server.join, _PATIENCE)
        opening.callback(ending.set)
        if not ready.wait(_PATIENCE):
            raise TimeoutError("the auth service did not start")
        self.relay.behind = f"http://127.0.0.1:{settings.port}"

    @property
    def url(self) -> str:
        """The issuer."""
        return self.relay.origin

    @property
    def token_endpoint(self) -> str:
        """The absolute URL of the token endpoint."""
        return self.url + TOKEN

    @property
    def jwks_uri(self) -> str:
        """The absolute URL of its published keys."""
        return f"{self.url}/oauth2/jwks"

    @property
    def introspection_endpoint(self) -> str:
        """The absolute URL at which APIs ask about tokens."""
        return f"{self.url}/oauth2/introspect"

    @property
    def deny_list_uri(self) -> str:
        """The absolute URL of the list of ended tokens."""
        return f"{self.url}/oauth2/deny-list"

    @property
    def jwk(self) -> "Mapping[str, Any]":
        """The public key that it signs with, to be handed over. Reads the database."""
        with self._service.look(SERVICE) as uow:
            return self._service.keys.load(uow).published[0]

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret that it has made or given out, for a leak detector."""
        return (*self._made, *self.relay.passed)

    def account(
        self, client_id: str, *, grants: Iterable[str] = ("client_credentials",), owner: Login | None = None
    ) -> Secret:
        """Make a service account that may ask for ``orders:read``, and return its client_secret. Blocks."""
        access = (Access(AUDIENCE, (SCOPE,)),)
        with self._service.unit_of_work(Actor.console()) as uow:
            made = service_accounts.create(
                uow, client_id=client_id, apis=access, grants=grants, owner_id=None if owner is None else owner.id
            )
        assert made.client_secret is not None  # noqa: S101 - it authenticates by one
        return Secret(self._keep(made.client_secret.value))

    def public_account(self, client_id: str) -> None:
        """Make a service account without a secret, whose people give it their passwords. Blocks."""
        access = (Access(AUDIENCE, (SCOPE,)),)
        with self._service.unit_of_work(Actor.console()) as uow:
            service_accounts.create(uow, client_id=client_id, apis=access, grants=("password",), authentication="none")

    def person(self, username: str, *roles: str) -> Login:
        """Make a user with a random password. Blocks for some 30 ms."""
        password = self._keep(secrets.token_urlsafe(18))
        hashed = self._hashing.hash_new(password, username=username)
        with self._service.unit_of_work(Actor.console()) as uow:
            return Login(users.create(uow, username=username, roles=roles, password=hashed).id, username, password)

    def end_tokens(self, client_id: str) -> None:
        """End every token of an account, as an administrator does who disables it and enables it again. Blocks."""
        with self._service.unit_of_work(Actor.console()) as uow:
            service_accounts.disable(uow, client_id)
            service_accounts.enable(uow, client_id)

    def outage(self) -> None:
        """Answer 503 to every request for a token, and ask callers to wait a second before the next one."""
        self.relay.outage(503, retry_after=1)

    def recover(self) -> None:
        """End the outage."""
        self.relay.recover()

    def _keep(self, secret: str) -> str:
        self._made.append(secret)
        return secret
