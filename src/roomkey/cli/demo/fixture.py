"""The stage of the demo: the auth service, an API and a client, all real, and nothing of them left at the end."""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from roomkey.cli.demo.application import CALL_SECONDS, Application
from roomkey.cli.demo.auth_service import AUDIENCE, SCOPE, Desk
from roomkey.cli.demo.events import Heading, LogLine, Note, Party, Scene
from roomkey.cli.demo.outcome import Check, Outcome
from roomkey.cli.demo.trace import Trace
from roomkey.cli.demo.views import ArrowTable, LiveDiagram, Plan
from roomkey.client.lifetime import RefreshWindow
from roomkey.client.manager import TokenManager
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.jose.key_set import KeySet
from roomkey.oauth.grants import ClientCredentials
from roomkey.resource_server.introspection import Introspection
from roomkey.resource_server.validator import TokenValidator
from roomkey.stores.keyring import Keyring
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing import ProtectedAPI

if TYPE_CHECKING:
    from roomkey.cli.demo.screen import Screen
    from roomkey.client.credential import Credential
    from roomkey.oauth.service_account_token import ServiceAccountToken
    from roomkey.oauth.source import Source
    from roomkey.resource_server.deny_list import DenyList
    from roomkey.testing import APIRequest

# Tokens of the auth service live for minutes, and nobody wants to watch for minutes: the manager of the scenes in which
# a key grows old is set to get the next one after some 0.75 s of the five minutes.
_EAGER: Final = RefreshWindow(soft_fraction=1 / 400)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the servers counted since some moment: when requests for tokens came, and the API's requests."""

    tokens: tuple[float, ...]
    calls: tuple["APIRequest", ...]


class Stage:
    """Auth service, API and manager of one run; a context manager that leaves nothing behind."""

    api: ProtectedAPI

    def __init__(self, screen: "Screen", *, desk: Desk | None = None, api: ProtectedAPI | None = None) -> None:
        """Servers can be handed in; by default they are made here."""
        self.screen = screen
        self.desk = desk or Desk()
        self._given_api = api
        self.trace = Trace()
        self._closing = contextlib.ExitStack()
        self._before = (0, 0)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self.folder = Path(opening.enter_context(TemporaryDirectory(prefix="roomkey-demo-")))
            opening.enter_context(self.desk)
            self.api = opening.enter_context(
                self._given_api or _orders_api(self.validator(keys=KeySet.remote(self.desk.jwks_uri)))
            )
            self._manager = opening.enter_context(TokenManager(self._store("tokens.db")))
            self._eager_manager = opening.enter_context(TokenManager(self._store("eager.db"), window=_EAGER))
            opening.enter_context(self.trace)
            self.trace.watch(Party.AUTH, self.desk.relay)
            self.trace.watch(Party.API, self.api)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def _store(self, name: str) -> SQLiteStore:
        return SQLiteStore(self.folder / name, keyring=Keyring.generate())

    def in_table(self, scene: Scene) -> None:
        """Show what happens from now on as a line for each exchange."""
        self.trace.show(ArrowTable(self.screen, scene))
        self._scene = scene

    @contextlib.contextmanager
    def in_diagram(self, plan: Plan, *parties: Party) -> Iterator[LiveDiagram]:
        """Show what happens meanwhile as a sequence diagram."""
        diagram = LiveDiagram(self.screen, self._scene, plan, parties)
        self.trace.show(diagram)
        try:
            yield diagram
        finally:
            self.in_table(self._scene)

    def note(self, party: Party, words: str, number: int = 0) -> None:
        """Show what somebody does without a message."""
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
            issuer=self.desk.url, audience=AUDIENCE, keys=keys, introspection=introspection, deny_list=deny_list
        )

    def asking_validator(self) -> TokenValidator:
        """One that knows nothing but the auth service's address, and the API's own account there."""
        return self.validator(
            introspection=Introspection(
                client_id=AUDIENCE, client_secret=self.desk.api_secret, endpoint=self.desk.introspection_endpoint
            )
        )

    def another_api(self, validator: TokenValidator) -> ProtectedAPI:
        """One more API, with a validator of its own; it lives as long as the stage."""
        api = self._closing.enter_context(_orders_api(validator))
        self.trace.watch(Party.API, api)
        return api

    def application(self, client_id: str, *others: ProtectedAPI, eager: bool = False) -> Application:
        """A new application with an account of its own, which may call ``others`` too; ``eager`` to refresh."""
        source = ClientCredentials(
            token_endpoint=self.desk.token_endpoint,
            client_id=client_id,
            client_secret=self.desk.account(client_id),
            scope=SCOPE,
        )
        return self.calling_with(source, *others, eager=eager)

    def calling_with(
        self, source: "Source | ServiceAccountToken", *others: ProtectedAPI, eager: bool = False
    ) -> Application:
        """An application that gets its token from ``source``; it lives as long as the stage."""
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

    def begin(self) -> None:
        """Count from here."""
        self._before = (len(self.desk.relay.token_requests), len(self.api.requests))

    def counted(self) -> Counted:
        """What the servers counted since ``begin``."""
        tokens, calls = self._before
        return Counted(tuple(self.desk.relay.token_requests[tokens:]), tuple(self.api.requests[calls:]))

    def outcome(self, application: Application, *checks: Check) -> Outcome:
        """What ``application`` did since ``begin``, and the claims about it."""
        return Outcome(
            checks=checks,
            calls=len(application.calls),
            answered=application.answered,
            token_requests=len(self.counted().tokens),
            slowest=application.slowest,
        )

    def readable_secrets(self) -> int:
        """How many of all secrets stand in plain text in the files of the app: its stores and its settings."""
        held = b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file())
        return sum(secret.encode() in held for secret in self.desk.secret_values)


def _orders_api(validator: TokenValidator) -> ProtectedAPI:
    api = ProtectedAPI(validator=validator)
    api.required_scope = SCOPE
    return api
