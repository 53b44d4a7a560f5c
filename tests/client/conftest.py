"""A manager against a real issuer, on the machine's clock or on one that is moved by hand."""

from collections.abc import Callable, Iterator

import pytest
from tests.client.sources import client_credentials
from tests.support.issuer import ExtendedIssuer

import roomkey
from roomkey.testing import FakeClock, Issuer

MakeManager = Callable[..., roomkey.TokenManager]


@pytest.fixture
def make_manager() -> Iterator[MakeManager]:
    made: list[roomkey.TokenManager] = []

    def make(store: object = None, **settings: object) -> roomkey.TokenManager:
        manager = roomkey.TokenManager(store or roomkey.MemoryStore(), **settings)  # type: ignore[arg-type]
        made.append(manager)
        return manager

    yield make
    for manager in made:
        manager.close()


@pytest.fixture
def issuer(request: pytest.FixtureRequest) -> Iterator[Issuer]:
    """An issuer that lives by the test's own clock where the test has one."""
    clock = request.getfixturevalue("clock") if "clock" in request.fixturenames else None
    with ExtendedIssuer(clock=clock) as server:
        yield server


@pytest.fixture
def source(issuer: Issuer) -> roomkey.ClientCredentials:
    return client_credentials(issuer)


@pytest.fixture
def orders(make_manager: MakeManager, source: roomkey.ClientCredentials) -> roomkey.Credential:
    """A credential on the machine's clock."""
    return make_manager().credential(source, "acme", name="orders")


@pytest.fixture
def timed(make_manager: MakeManager, source: roomkey.ClientCredentials, clock: FakeClock) -> roomkey.Credential:
    """A credential whose time is moved by hand."""
    return make_manager(clock=clock).credential(source, "acme", name="orders")
