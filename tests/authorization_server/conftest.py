"""Databases for the tests of the auth service: a SQLite file each, and where PostgreSQL is installed one there too."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.authorization_server.fresh_data import fresh_data
from tests.authorization_server.oauth_service import OAuthService, oauth_service
from tests.authorization_server.postgresql import Cluster, Missing

from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.testing import FakeClock


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A PostgreSQL server for the whole run; tests that need it are skipped where it is missing."""
    try:
        cluster = Cluster.start()
    except Missing as reason:
        pytest.skip(str(reason))
    with cluster:
        yield cluster


@pytest.fixture
def postgresql_url(postgresql: Cluster) -> str:
    """The address of a new, empty PostgreSQL database."""
    return postgresql.database()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a new, empty database: the test runs once on SQLite and once on PostgreSQL."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'data' / 'roomkey.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture
def service(database_url: str, tmp_path: Path, clock: FakeClock) -> Iterator[Service]:
    """The service over a new database, by a clock that a test moves; on SQLite and on PostgreSQL."""
    data = tmp_path / "data"
    if database_url.startswith("sqlite:"):
        fresh_data(data, clock)
    with Service.open(Settings.at(data, database=database_url), clock=clock) as opened:
        yield opened


@pytest.fixture
def small_service(tmp_path: Path, clock: FakeClock) -> Iterator[Service]:
    """The same on SQLite alone."""
    with Service.open(Settings.at(fresh_data(tmp_path / "data", clock)), clock=clock) as opened:
        yield opened


@pytest.fixture
def oauth(small_service: Service) -> Iterator[OAuthService]:
    """A node of a service with the API ``orders-api``, asked over ASGI; on SQLite."""
    with oauth_service(small_service) as made:
        yield made


@pytest.fixture
def oauth_on_each_database(service: Service) -> Iterator[OAuthService]:
    """The same on SQLite and on PostgreSQL."""
    with oauth_service(service) as made:
        yield made
