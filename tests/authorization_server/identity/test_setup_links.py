from collections.abc import Callable
from urllib.parse import parse_qs, urlsplit

import pytest

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.identity import setup_links, users
from roomkey.authorization_server.identity.passwords import PasswordHash, PasswordHashing
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock

CONSOLE = Actor.console()


@pytest.fixture
def hashed(hashing: PasswordHashing) -> PasswordHash:
    return hashing.hash_new("seven green lanterns hum", username="boss")


def token_of(link: str) -> str:
    return parse_qs(urlsplit(link).query)["token"][0]


def created(service: Service) -> str:
    with service.unit_of_work(CONSOLE) as uow:
        link = setup_links.create(uow)
    assert link.startswith("https://auth.example/setup?token=rksu_")
    return token_of(link)


def is_valid(service: Service, token: str) -> bool:
    with service.look(CONSOLE) as uow:
        return setup_links.is_valid(uow, token)


def test_the_link_makes_one_administrator(service: Service, hashed: PasswordHash) -> None:  # auth service 49
    token = created(service)
    assert is_valid(service, token)
    with pytest.raises(Invalid), service.unit_of_work(Actor.service()) as uow:
        setup_links.use(uow, token, username="no name", password=hashed)
    with service.unit_of_work(Actor.service()) as uow:
        boss = setup_links.use(uow, token, username="boss", password=hashed)
    assert boss.roles == ("administrator",)
    assert boss.must_enrol
    assert not is_valid(service, token)
    with pytest.raises(NotFound), service.unit_of_work(Actor.service()) as uow:
        setup_links.use(uow, token, username="second", password=hashed)
    with pytest.raises(Conflict):
        created(service)


def test_the_link_ends_after_an_hour_and_with_the_next_one(  # auth service 49
    service: Service, clock: FakeClock, hashed: PasswordHash
) -> None:
    first = created(service)
    second = created(service)
    assert not is_valid(service, first)
    clock.advance(3599)
    assert is_valid(service, second)
    clock.advance(1)
    assert not is_valid(service, second)
    with pytest.raises(NotFound), service.unit_of_work(Actor.service()) as uow:
        setup_links.use(uow, second, username="boss", password=hashed)


def test_the_link_is_dead_once_there_is_an_administrator(  # auth service 49
    service: Service, make: Callable[..., User]
) -> None:
    token = created(service)
    make("boss", "administrator")
    assert not is_valid(service, token)


def test_nobody_but_the_console_makes_one_and_junk_is_none(service: Service, make: Callable[..., User]) -> None:
    alice = make("alice", "developer")
    with pytest.raises(NotAllowed), service.unit_of_work(alice.actor()) as uow:
        setup_links.create(uow)
    token = created(service)
    for junk in ("", token[:-1], token.swapcase(), "\ud800", "x" * 100_000):
        assert not is_valid(service, junk)
    assert token.encode() not in b"".join(path.read_bytes() for path in service.settings.data.iterdir())
    with service.look(CONSOLE) as uow:
        assert not users.administrators_exist(uow.connection)
