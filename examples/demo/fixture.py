"""The fixture of one run: auth service, API and token manager, all real, and nothing left of them at the end."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from examples.demo.application import CALL_SECONDS, Application
from examples.demo.auth_service import AUDIENCE, SCOPE, AuthService
from examples.demo.events import Check, Heading, LogLine, Note, Outcome, Party, Scene
from examples.demo.trace import ExchangeTable, LiveDiagram, Plan, Trace

from roomkey.client.lifetime import RefreshWindow
from roomkey.client.manager import TokenManager
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.jose.jwks.key_set import KeySet
from roomkey.oauth.grants import ClientCredentials
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.validator import TokenValidator
from roomkey.stores.keyring import Keyring
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing import ProtectedAPI

if TYPE_CHECKING:
    from examples.demo.screen import Screen

    from roomkey.client.credential import Credential
    from roomkey.oauth.service_account_token import ServiceAccountToken
    from roomkey.oauth.source import Source
    from roomkey.resource_server.revocation import DenyList
    from roomkey.testing import APIRequest

# Tokens live for five minutes; the manager of the scenes with a refresh is set to refresh after some 0.75 s of them.
_EAGER: Final = RefreshWindow(soft_fraction=1 / 400)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of the servers since some moment: the times of token requests, and the API's requests."""

    tokens: tuple[float, ...]
    calls: tuple["APIRequest", ...]


class Fixture:
    """Auth service, API and manager of one run; a context manager that leaves nothing behind."""

    api: ProtectedAPI

    def __init__(
        self, screen: "Screen", *, auth_service: AuthService | None = None, api: ProtectedAPI | None = None
    ) -> None:
        """``auth_service`` and ``api`` replace the servers, not yet started."""
        self.screen = screen
        self.auth_service = auth_service or AuthService()
        self._given_api = api
        self.trace = Trace()
        self._closing = contextlib.ExitStack()
        self._before = (0, 0)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self.folder = Path(opening.enter_context(TemporaryDirectory(prefix="roomkey-demo-")))
            opening.enter_context(self.auth_service)
            self.api = opening.enter_context(
                self._given_api or _orders_api(self.validator(keys=KeySet.remote(self.auth_service.jwks_uri)))
            )
            self._manager = opening.enter_context(TokenManager(self._store("tokens.db")))
            self._eager_manager = opening.enter_context(TokenManager(self._store("eager.db"), window=_EAGER))
            opening.enter_context(self.trace)
            self.trace.watch(Party.AUTH, self.auth_service.relay)
            self.trace.watch(Party.API, self.api)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def _store(self, name: str) -> SQLiteStore:
        return SQLiteStore(self.folder / name, keyring=Keyring.generate())

    def show_as_table(self, scene: Scene) -> None:
        """Show what happens from now on as a line for each exchange."""
        self.trace.show_in(ExchangeTable(self.screen, scene))
        self._scene = scene

    @contextlib.contextmanager
    def show_as_diagram(self, plan: Plan, *parties: Party) -> Iterator[LiveDiagram]:
        """Show what happens meanwhile as a sequence diagram."""
        diagram = LiveDiagram(self.screen, self._scene, plan, parties)
        self.trace.show_in(diagram)
        try:
            yield diagram
        finally:
            self.show_as_table(self._scene)

    def note(self, party: Party, words: str, number: int = 0) -> None:
        """Show what a party does without a message."""
        self.trace.say(Note(party, words, number, time.monotonic()))

    def heading(self, words: str) -> None:
        """Show where another part of the scene begins."""
        self.trace.say(Heading(words, time.monotonic()))

    def log(self, line: str) -> None:
        """Show a line of the API's log."""
        self.trace.say(LogLine(line, time.monotonic()))

    def validator(
        self,
        *,
        keys: KeySet | None = None,
        introspection: Introspection | None = None,
        deny_list: "DenyList | None" = None,
    ) -> TokenValidator:
        """A validator for the auth service's tokens, with these settings."""
        return TokenValidator(
            issuer=self.auth_service.url, audience=AUDIENCE, keys=keys, introspection=introspection, deny_list=deny_list
        )

    def introspecting_validator(self) -> TokenValidator:
        """A validator that asks the introspection endpoint, with the API's own account."""
        return self.validator(
            introspection=Introspection(
                client_id=AUDIENCE,
                client_secret=self.auth_service.api_secret,
                endpoint=self.auth_service.introspection_endpoint,
            )
        )

    def add_api(self, validator: TokenValidator) -> ProtectedAPI:
        """One more API, with a validator of its own; it lives as long as the fixture."""
        api = self._closing.enter_context(_orders_api(validator))
        self.trace.watch(Party.API, api)
        return api

    def application(self, client_id: str, *others: ProtectedAPI, eager: bool = False) -> Application:
        """A new application with a service account of its own, which may call ``others`` too; ``eager`` to refresh."""
        source = ClientCredentials(
            token_endpoint=self.auth_service.token_endpoint,
            client_id=client_id,
            client_secret=self.auth_service.add_account(client_id),
            scope=SCOPE,
        )
        return self.application_with(source, *others, eager=eager)

    def application_with(
        self, source: "Source | ServiceAccountToken", *others: ProtectedAPI, eager: bool = False
    ) -> Application:
        """An application that gets its token from ``source``; it lives as long as the fixture."""
        credential = (self._eager_manager if eager else self._manager).credential(source)
        return self._calling(credential, [api.url for api in (self.api, *others)])

    def _calling(self, credential: "Credential", origins: list[str]) -> Application:
        import httpx2

        client = httpx2.Client(
            base_url=self.api.url,
            auth=BearerAuth(credential, origins=origins),
            trust_env=False,
            limits=httpx2.Limits(max_connections=100),
            timeout=CALL_SECONDS,
        )
        self._closing.callback(client.close)
        return Application(client, credential)

    def start_counting(self) -> None:
        """Count from here."""
        self._before = (len(self.auth_service.relay.token_requests), len(self.api.requests))

    def counted(self) -> Counted:
        """Counts of the servers since ``start_counting``."""
        tokens, calls = self._before
        return Counted(tuple(self.auth_service.relay.token_requests[tokens:]), tuple(self.api.requests[calls:]))

    def outcome(self, application: Application, *checks: Check) -> Outcome:
        """The calls of ``application`` since ``start_counting``, and the claims about them."""
        return Outcome(
            checks=checks,
            calls=len(application.calls),
            answered=application.answered,
            token_requests=len(self.counted().tokens),
            slowest=application.slowest,
        )

    def plaintext_secrets(self) -> int:
        """The number of secrets in plain text in the files of the app: its stores and its settings."""
        held = b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file())
        return sum(secret.encode() in held for secret in self.auth_service.secret_values)


def _orders_api(validator: TokenValidator) -> ProtectedAPI:
    api = ProtectedAPI(validator=validator)
    api.required_scope = SCOPE
    return api
