"""The protected apps, each started when a test first asks for it and kept until the last one has run."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.integrations.protected.protected_app import PROGRAMS, ProtectedApp
from tests.jose.key_server import KeyServer

from roomkey.clock import SystemClock
from roomkey.testing import Issuer
from roomkey.testing.issuer_keys import process_jwk


@pytest.fixture(scope="session")
def issuer() -> Iterator[Issuer]:
    with Issuer() as running:
        yield running
    assert running.failures == []


@pytest.fixture(scope="session")
def second() -> Iterator[KeyServer]:
    """Another trusted issuer, whose keys can be made to come late or not at all."""
    with KeyServer(SystemClock()) as running:
        running.keys = [process_jwk()]
        yield running
    assert running.failures == []


@pytest.fixture(scope="session")
def app_named(issuer: Issuer, second: KeyServer) -> Iterator[Callable[[str], ProtectedApp]]:
    running: dict[str, ProtectedApp] = {}

    def started(name: str) -> ProtectedApp:
        if name not in running:
            with pytest.MonkeyPatch.context() as environment:
                environment.setenv("SERVED_BY", "asgi" if name == "django-asgi" else "wsgi")
                running[name] = ProtectedApp(name, issuer, second.origin)
        return running[name]

    yield started
    with ThreadPoolExecutor(len(PROGRAMS)) as pool:
        assert set(pool.map(ProtectedApp.stop, running.values())) <= {0}


@pytest.fixture(params=PROGRAMS)
def app(request: pytest.FixtureRequest, app_named: Callable[[str], ProtectedApp]) -> ProtectedApp:
    return app_named(request.param)
