"""The stage of the demo: a real issuer, a real API and a real client, in a temporary folder that is gone at the end."""

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, Self

from roomkey.cli.demo.trace import Trace
from roomkey.client.manager import TokenManager
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.jose.key_set import KeySet
from roomkey.oauth.grants import ClientCredentials
from roomkey.resource_server.polled_list import ListPolicy
from roomkey.resource_server.status_list import StatusLists
from roomkey.resource_server.validator import TokenValidator
from roomkey.secret import Secret
from roomkey.stores.keyring import Keyring
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing import Issuer, ProtectedAPI

if TYPE_CHECKING:
    import httpx2

    from roomkey.cli.demo.screen import Screen
    from roomkey.client.credential import Credential
    from roomkey.resource_server.introspection import Introspection
    from roomkey.testing import APIRequest, TokenRequest

TOKEN_SECONDS: Final = 300.0
SHORT_TOKEN_SECONDS: Final = 4.0
ISSUER_DELAY: Final = 0.15
LIST_SECONDS: Final = 0.05
PATH: Final = "/orders"
SCOPE: Final = "orders:read"
_CALL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """One API call as the application saw it: the status (0 for an error) and the seconds that it took."""

    status: int
    seconds: float


class Application:
    """What an application has: an HTTP client whose calls carry one credential's token.

    Attributes:
        credential: that one.
        calls: the API calls that it made.
    """

    def __init__(self, client: "httpx2.Client", credential: "Credential") -> None:
        self._client = client
        self.credential = credential
        self.calls: list[Call] = []

    def call(self, api: str = "") -> Call:
        """Call the API once, or another one at the address ``api``; an error counts as status 0. Safe in any thread."""
        from httpx2 import HTTPError

        from roomkey.errors import RoomkeyError

        begun = time.monotonic()
        try:
            status = self._client.get(api + PATH).status_code
        except (HTTPError, RoomkeyError):
            status = 0
        made = Call(status, time.monotonic() - begun)
        self.calls.append(made)
        return made

    @property
    def answered(self) -> int:
        """How many of its calls got a 200."""
        return sum(call.status == 200 for call in self.calls)

    @property
    def slowest(self) -> float:
        """Seconds of its longest call."""
        return max((call.seconds for call in self.calls), default=0.0)

    def call_at_once(self, threads: int) -> None:
        """Call the API from so many threads at the same moment."""
        barrier = threading.Barrier(threads)

        def run() -> None:
            barrier.wait()
            self.call()

        running = [threading.Thread(target=run, daemon=True) for _ in range(threads)]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join(_CALL_SECONDS)

    def call_until(self, enough: Callable[[], bool], *, seconds: float, pause: float = 0.01) -> None:
        """Call the API every ``pause`` seconds until ``enough()``, for ``seconds`` at most."""
        end = time.monotonic() + seconds
        while not enough() and time.monotonic() < end:
            self.call()
            time.sleep(pause)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the servers counted since some moment."""

    tokens: tuple["TokenRequest", ...]
    calls: tuple["APIRequest", ...]


class Stage:
    """Issuer, API and manager of one run; a context manager that leaves nothing behind."""

    api: ProtectedAPI

    def __init__(self, screen: "Screen", *, issuer: Issuer | None = None, api: ProtectedAPI | None = None) -> None:
        """Servers can be handed in; by default they are made here."""
        self.screen = screen
        self.issuer = issuer or Issuer(lifetime=TOKEN_SECONDS, delay=ISSUER_DELAY)
        self._given_api = api
        self.trace = Trace(screen.exchange, screen.more)
        self._closing = contextlib.ExitStack()
        self._before = (0, 0)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self.folder = Path(opening.enter_context(TemporaryDirectory(prefix="roomkey-demo-")))
            opening.enter_context(self.issuer)
            self.api = opening.enter_context(self._given_api or self._protected_api())
            store = SQLiteStore(self.folder / "tokens.db", keyring=Keyring.generate())
            self._manager = opening.enter_context(TokenManager(store))
            opening.enter_context(self.trace)
            self.trace.watch("issuer", self.issuer)
            self.trace.watch("api", self.api)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def _protected_api(self) -> ProtectedAPI:
        return _orders_api(
            self.validator(
                keys=KeySet.remote(self.issuer.jwks_uri),
                status_lists=StatusLists(policy=ListPolicy(every=LIST_SECONDS)),
            )
        )

    def validator(
        self,
        *,
        keys: KeySet | None = None,
        introspection: "Introspection | None" = None,
        status_lists: StatusLists | None = None,
    ) -> TokenValidator:
        """A validator for the issuer's tokens, with these settings."""
        return TokenValidator(
            issuer=self.issuer.url,
            audience=self.issuer.audience,
            keys=keys,
            introspection=introspection,
            status_lists=status_lists,
        )

    def another_api(self, validator: TokenValidator) -> ProtectedAPI:
        """One more API, with a validator of its own; it lives as long as the stage."""
        api = self._closing.enter_context(_orders_api(validator))
        self.trace.watch("api", api)
        return api

    def application(self, client_id: str, *others: ProtectedAPI) -> Application:
        """A new application for ``client_id``, which may call ``others`` too; it lives as long as the stage."""
        import httpx2

        secret = self.issuer.add_client(client_id, scope=SCOPE).client_secret
        credential = self._manager.credential(
            ClientCredentials(
                token_endpoint=self.issuer.token_endpoint,
                client_id=client_id,
                client_secret=Secret(secret or ""),
                scope=SCOPE,
            )
        )
        client = httpx2.Client(
            base_url=self.api.url,
            auth=BearerAuth(credential, origins=[api.url for api in (self.api, *others)]),
            trust_env=False,
            limits=httpx2.Limits(max_connections=100),
            timeout=_CALL_SECONDS,
        )
        self._closing.callback(client.close)
        return Application(client, credential)

    def begin(self) -> None:
        """Count from here."""
        self._before = (len(self.issuer.token_requests), len(self.api.requests))

    def counted(self) -> Counted:
        """What the servers counted since ``begin``."""
        tokens, calls = self._before
        return Counted(tuple(self.issuer.token_requests[tokens:]), tuple(self.api.requests[calls:]))

    def store_bytes(self) -> bytes:
        """All that the store's files hold."""
        return b"".join(path.read_bytes() for path in sorted(self.folder.iterdir()) if path.is_file())


def _orders_api(validator: TokenValidator) -> ProtectedAPI:
    api = ProtectedAPI(validator=validator)
    api.required_scope = SCOPE
    return api
