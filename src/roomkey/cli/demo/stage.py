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
from roomkey.oauth.grants import ClientCredentials
from roomkey.secret import Secret
from roomkey.stores.keyring import Keyring
from roomkey.stores.sqlite import SQLiteStore
from roomkey.testing import Issuer, ProtectedAPI

if TYPE_CHECKING:
    import httpx2

    from roomkey.cli.demo.screen import Screen
    from roomkey.testing import APIRequest, TokenRequest

TOKEN_SECONDS: Final = 300.0
SHORT_TOKEN_SECONDS: Final = 4.0
ISSUER_DELAY: Final = 0.15
PATH: Final = "/orders"
_CALL_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Call:
    """One API call as the application saw it: the status (0 for an error) and the seconds that it took."""

    status: int
    seconds: float


class Application:
    """What an application has: an HTTP client whose calls carry one credential's token."""

    def __init__(self, client: "httpx2.Client") -> None:
        self._client = client
        self.calls: list[Call] = []

    def call(self) -> Call:
        """Call the API once; an error counts as status 0. Safe in any thread."""
        from httpx2 import HTTPError

        from roomkey.errors import RoomkeyError

        begun = time.monotonic()
        try:
            status = self._client.get(PATH).status_code
        except (HTTPError, RoomkeyError):
            status = 0
        made = Call(status, time.monotonic() - begun)
        self.calls.append(made)
        return made

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

    def __init__(self, screen: "Screen", *, issuer: Issuer | None = None, api: ProtectedAPI | None = None) -> None:
        """Servers can be handed in; by default they are made here."""
        self.screen = screen
        self.issuer = issuer or Issuer(lifetime=TOKEN_SECONDS, delay=ISSUER_DELAY)
        self.api = api or ProtectedAPI(self.issuer)
        self.trace = Trace(screen.exchange, screen.more)
        self._closing = contextlib.ExitStack()
        self._before = (0, 0)

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as opening:
            self.folder = Path(opening.enter_context(TemporaryDirectory(prefix="roomkey-demo-")))
            opening.enter_context(self.issuer)
            opening.enter_context(self.api)
            store = SQLiteStore(self.folder / "tokens.db", keyring=Keyring.generate())
            self._manager = opening.enter_context(TokenManager(store))
            opening.enter_context(self.trace)
            self.trace.watch("issuer", self.issuer)
            self.trace.watch("api", self.api)
            self._closing = opening.pop_all()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._closing.close()

    def application(self, client_id: str) -> Application:
        """A new application that signs in as ``client_id``; it lives as long as the stage."""
        import httpx2

        secret = self.issuer.add_client(client_id, scope="orders:read").client_secret
        credential = self._manager.credential(
            ClientCredentials(
                token_endpoint=self.issuer.token_endpoint,
                client_id=client_id,
                client_secret=Secret(secret or ""),
                scope="orders:read",
            )
        )
        client = httpx2.Client(
            base_url=self.api.url,
            auth=BearerAuth(credential, origins=[self.api.url]),
            trust_env=False,
            limits=httpx2.Limits(max_connections=100),
            timeout=_CALL_SECONDS,
        )
        self._closing.callback(client.close)
        return Application(client)

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
