"""Every test of BearerAuth runs through each sender of each library: synchronous, asyncio and trio."""

import importlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from roomkey.client.credential import Credential
from roomkey.client.manager import TokenManager
from roomkey.oauth.grants import ClientCredentials
from roomkey.stores.memory import MemoryStore
from roomkey.testing import Issuer, ProtectedAPI


class Sender:
    """One way to send requests: a library and, for its asynchronous client, an event loop."""

    def __init__(self, library: str, loop: str | None) -> None:
        self.library: Any = importlib.import_module(library)
        self.BearerAuth: Any = importlib.import_module(f"roomkey.integrations.{library}").BearerAuth
        self.loop = loop

    def send(self, auth: Any, method: str, url: str, *, client: dict[str, Any] | None = None, **wishes: Any) -> Any:
        """One request by a client of its own."""
        return self.send_all(auth, [(method, url, wishes)], client=client)[0]

    def send_all(self, auth: Any, calls: list[tuple[str, str, dict[str, Any]]], **options: Any) -> list[Any]:
        """Several requests, one after another, by one client."""
        made = self._settings(auth, options.get("client"))
        if self.loop is None:
            with self.library.Client(**made) as client:
                return [client.request(method, url, **wishes) for method, url, wishes in calls]

        async def main() -> list[Any]:
            async with self.library.AsyncClient(**made) as client:
                return [await client.request(method, url, **wishes) for method, url, wishes in calls]

        return anyio.run(main, backend=self.loop)

    def send_together(self, auth: Any, number: int, method: str, url: str) -> list[Any]:
        """The same request ``number`` times at once, by one client."""
        made = self._settings(auth, {"limits": self.library.Limits(max_connections=number)})
        if self.loop is None:
            with self.library.Client(**made) as client, ThreadPoolExecutor(number) as pool:
                return list(pool.map(lambda _: client.request(method, url), range(number)))
        answers: list[Any] = []

        async def one(client: Any) -> None:
            answers.append(await client.request(method, url))

        async def main() -> None:
            async with self.library.AsyncClient(**made) as client, anyio.create_task_group() as tasks:
                for _ in range(number):
                    tasks.start_soon(one, client)

        anyio.run(main, backend=self.loop)
        return answers

    def stream(self, auth: Any, method: str, url: str, **wishes: Any) -> tuple[Any, list[bytes]]:
        """A streamed answer with its pieces."""
        made = self._settings(auth, None)
        if self.loop is None:
            with self.library.Client(**made) as client, client.stream(method, url, **wishes) as response:
                return response, list(response.iter_raw())

        async def main() -> tuple[Any, list[bytes]]:
            async with (
                self.library.AsyncClient(**made) as client,
                client.stream(method, url, **wishes) as response,
            ):
                return response, [piece async for piece in response.aiter_raw()]

        return anyio.run(main, backend=self.loop)

    def generated(self, *pieces: bytes) -> Any:
        """A body that can be read once only, as this sender's client takes it."""
        if self.loop is None:
            return (piece for piece in pieces)

        async def pieces_later() -> Any:
            for piece in pieces:
                yield piece

        return pieces_later()

    def hook(self, function: Callable[[Any], None]) -> Callable[[Any], Any]:
        """``function`` as an event hook of this sender's client."""
        if self.loop is None:
            return function

        async def later(argument: Any) -> None:
            function(argument)

        return later

    def _settings(self, auth: Any, more: dict[str, Any] | None) -> dict[str, Any]:
        # No certificates are read for loopback http, and no proxy of the machine stands in between.
        return {"auth": auth, "verify": False, "trust_env": False, "timeout": 20.0} | (more or {})


SENDERS = [(library, loop) for library in ("httpx2", "httpx") for loop in (None, "asyncio", "trio")]


@pytest.fixture(params=SENDERS, ids=[f"{library}-{loop or 'sync'}" for library, loop in SENDERS])
def sender(request: pytest.FixtureRequest) -> Sender:
    return Sender(*request.param)


@pytest.fixture(params=["httpx2", "httpx"])
def sync_sender(request: pytest.FixtureRequest) -> Sender:
    return Sender(request.param, None)


@pytest.fixture
def manager() -> Iterator[TokenManager]:
    with TokenManager(MemoryStore()) as made:
        yield made


@pytest.fixture
def source(issuer: Issuer) -> ClientCredentials:
    client = issuer.client
    return ClientCredentials(
        token_endpoint=issuer.token_endpoint,
        client_id=client.client_id,
        client_secret=client.client_secret,
        scope="orders:read",
    )


@pytest.fixture
def orders(manager: TokenManager, source: ClientCredentials) -> Credential:
    return manager.credential(source, name="orders")


@pytest.fixture
def elsewhere() -> Iterator[ProtectedAPI]:
    """A foreign host: it takes every request and records whether a token came."""
    with ProtectedAPI() as running:
        yield running
