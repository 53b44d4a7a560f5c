"""The certified OpenID server of npm, one for each process that runs tests; without Node its tests do not run."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.interop.oidc_provider import Client, OIDCProvider
from tests.interop.sources import Sources
from tests.node import need_packages

import roomkey


@pytest.fixture(scope="session")
def oidc_provider() -> Iterator[OIDCProvider]:
    need_packages(Path(__file__).parent, "the tests against a certified OpenID server")
    running = OIDCProvider()
    yield running
    running.close()


@pytest.fixture
def client(oidc_provider: OIDCProvider) -> Client:
    """A client of the test's own, registered a moment ago."""
    return oidc_provider.register("client_credentials", "password", "refresh_token")


@pytest.fixture
def manager() -> Iterator[roomkey.TokenManager]:
    with roomkey.TokenManager(roomkey.MemoryStore()) as running:
        yield running


@pytest.fixture
def sources(oidc_provider: OIDCProvider, client: Client) -> Sources:
    return Sources(oidc_provider, client)
