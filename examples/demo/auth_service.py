"""The auth service of the demo: the real one, as ``roomkey serve`` runs it, in a temporary folder, behind a relay."""

import contextlib
import secrets
import threading
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from examples.demo.relay import TOKEN, Relay

from roomkey.authorization_server.accounts.access import Access
from roomkey.authorization_server.accounts.apis.commands import CreateApi
from roomkey.authorization_server.accounts.apis.model import Scope
from roomkey.authorization_server.accounts.service_accounts.commands import (
    CreateServiceAccount,
    DisableServiceAccount,
    EnableServiceAccount,
)
from roomkey.authorization_server.accounts.service_accounts.model import GrantType
from roomkey.authorization_server.actor import SERVICE, Actor
from roomkey.authorization_server.app import create_app
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.server.background_jobs import background_jobs
from roomkey.authorization_server.server.server import bind_socket, run, with_bound_port
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
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
class User(Confidential):
    """A user who may sign in."""

    id: str
    username: str
    password: str = field(repr=False)


class AuthService:
    """The auth service with the API ``orders-api``; a context manager that leaves nothing behind.

    Attributes:
        relay: the proxy in front of it, which injects faults and counts.
        api_secret: the client secret with which the API introspects.
    """

    def __init__(self, relay: Relay | None = None) -> None:
        """``relay`` replaces the proxy, not yet started."""
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
                self.api_secret = self._keep(CreateApi(audience=AUDIENCE, scopes=scopes)(uow).client_secret.value)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def _serve(self, folder: Path, opening: contextlib.ExitStack) -> None:
        settings = Settings.at(folder, issuer=self.relay.origin, port=0, list_ttl=1, access_log=False)
        taken = opening.enter_context(bind_socket(settings))
        settings = with_bound_port(settings, taken)
        self._service = opening.enter_context(Service.open(settings, keyring=Keyring.generate()))
        app = create_app(self._service, hashing=self._hashing)
        ready, ending = threading.Event(), threading.Event()
        server = threading.Thread(
            target=run,
            args=(settings, app, taken),
            kwargs={"jobs": background_jobs(self._service, app), "ready": ready.set, "ending": ending.is_set},
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
        """The absolute URL of the JWKS."""
        return f"{self.url}/oauth2/jwks"

    @property
    def introspection_endpoint(self) -> str:
        """The absolute URL of the introspection endpoint."""
        return f"{self.url}/oauth2/introspect"

    @property
    def deny_list_uri(self) -> str:
        """The absolute URL of the deny list."""
        return f"{self.url}/oauth2/deny-list"

    @property
    def jwk(self) -> "Mapping[str, Any]":
        """The public key that it signs with. Reads the database."""
        with self._service.look(SERVICE) as uow:
            return self._service.keys.load(uow).published[0]

    @property
    def secret_values(self) -> tuple[str, ...]:
        """Every secret that it has created or issued, for a leak detector."""
        return (*self._made, *self.relay.issued)

    def add_account(
        self, client_id: str, *, grants: tuple[GrantType, ...] = ("client_credentials",), owner: User | None = None
    ) -> Secret:
        """Create a service account with the scope ``orders:read``, and return its client secret. Blocks."""
        access = (Access(AUDIENCE, (SCOPE,)),)
        with self._service.unit_of_work(Actor.console()) as uow:
            made = CreateServiceAccount(
                client_id=client_id, apis=access, grants=grants, owner_id=None if owner is None else owner.id
            )(uow)
        assert made.client_secret is not None
        return Secret(self._keep(made.client_secret.value))

    def add_public_account(self, client_id: str) -> None:
        """Create a public client for the password grant. Blocks."""
        access = (Access(AUDIENCE, (SCOPE,)),)
        with self._service.unit_of_work(Actor.console()) as uow:
            CreateServiceAccount(client_id=client_id, apis=access, grants=("password",), authentication="none")(uow)

    def add_user(self, username: str, *roles: str) -> User:
        """Create a user with a random password. Blocks for some 30 ms."""
        password = self._keep(secrets.token_urlsafe(18))
        hashed = self._hashing.hash_new(password, username=username)
        with self._service.unit_of_work(Actor.console()) as uow:
            return User(CreateUser(username=username, roles=roles, password=hashed)(uow).id, username, password)

    def revoke_tokens(self, client_id: str) -> None:
        """Revoke every token of an account: disable it and enable it again. Blocks."""
        with self._service.unit_of_work(Actor.console()) as uow:
            DisableServiceAccount(client_id)(uow)
            EnableServiceAccount(client_id)(uow)

    def outage(self) -> None:
        """Answer 503 with ``Retry-After: 1`` to every token request."""
        self.relay.outage(503, retry_after=1)

    def recover(self) -> None:
        """End the outage."""
        self.relay.recover()

    def _keep(self, secret: str) -> str:
        self._made.append(secret)
        return secret
