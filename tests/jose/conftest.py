"""An issuer that publishes keys, and a set that follows it on a clock that is moved by hand."""

from collections.abc import Iterator

import pytest
from tests.jose.key_server import KeyServer
from tests.jose.tokens import Key

from roomkey.jose import KeySet
from roomkey.testing import FakeClock


@pytest.fixture
def key() -> Key:
    return Key(kid="first")


@pytest.fixture
def server(clock: FakeClock, key: Key) -> Iterator[KeyServer]:
    with KeyServer(clock) as running:
        running.keys = [key.jwk()]
        yield running
    assert running.failures == []


@pytest.fixture
def keys(server: KeyServer, clock: FakeClock) -> KeySet:
    return KeySet.remote(server.url, clock=clock)
