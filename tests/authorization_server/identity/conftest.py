"""A service on a SQLite file of its own, whose passwords cost little, and the people in it."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.authorization_server.fresh_data import fresh_data

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.identity.commands import CreateUser
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.testing import FakeClock

PASSWORD = "seven green lanterns hum"
OTHER = "nine copper kettles sing"
CONSOLE = Actor.console()


@pytest.fixture
def service(tmp_path: Path, clock: FakeClock) -> Iterator[Service]:
    with Service.open(Settings.at(fresh_data(tmp_path, clock), issuer="https://auth.example"), clock=clock) as opened:
        yield opened


@pytest.fixture(scope="session")
def hashing() -> Iterator[PasswordHashing]:
    made = PasswordHashing(Cost(memory=8, passes=1))
    yield made
    made.close()


@pytest.fixture
def make(service: Service, hashing: PasswordHashing) -> Callable[..., User]:
    """Make a user with ``PASSWORD``."""

    def made(username: str = "alice", *roles: str, actor: Actor = CONSOLE, tenant: str | None = None) -> User:
        hashed = hashing.hash_new(PASSWORD, username=username)
        with service.unit_of_work(actor) as uow:
            return CreateUser(username=username, roles=roles, tenant=tenant, password=hashed)(uow)

    return made
