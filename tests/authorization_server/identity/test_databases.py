"""The statements that the two databases could understand differently, once on each."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Conflict, NotFound
from roomkey.authorization_server.identity import recovery_codes, sessions, setup_links, totp, users
from roomkey.authorization_server.identity.commands import CreateUser, DeleteUser, DisableUser, ListUsers
from roomkey.authorization_server.identity.password_login import SignInAttempt, sign_in
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.testing import FakeClock

PASSWORD = "seven green lanterns hum"
CONSOLE = Actor.console()


@pytest.fixture
def service(tmp_path: Path, clock: FakeClock, database_url: str) -> Iterator[Service]:
    with Service.open(Settings.at(tmp_path, database=database_url), clock=clock) as opened:
        yield opened


def test_from_the_first_link_to_the_end(service: Service, hashing: PasswordHashing, clock: FakeClock) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        token = parse_qs(urlsplit(setup_links.create(uow)).query)["token"][0]
    with service.unit_of_work(Actor.service()) as uow:
        boss = setup_links.use(uow, token, username="boss", password=hashing.hash_new(PASSWORD, username="boss"))
    with service.unit_of_work(CONSOLE) as uow:
        CreateUser(username="alice", roles=["developer", "auditor"])(uow)
    with pytest.raises(Conflict), service.unit_of_work(CONSOLE) as uow:
        CreateUser(username="ALICE")(uow)
    with pytest.raises(Conflict), service.unit_of_work(CONSOLE) as uow:
        DisableUser("boss")(uow)

    def attempt(username: str, password: str) -> str | None:
        given = SignInAttempt(username, password, "192.0.2.1")
        return asyncio.run(sign_in(service, hashing, given, lambda _work, user: user.id))

    assert attempt("boss", PASSWORD) == boss.id
    assert attempt("boss\x00", PASSWORD) is attempt("\ud800", "x") is None
    assert [attempt("boss", "wrong wrong wrong") for _ in range(5)] == [None] * 5
    assert attempt("boss", PASSWORD) is None
    clock.advance(31)
    assert attempt("boss", PASSWORD) == boss.id

    with service.unit_of_work(boss.actor()) as uow:
        begun = sessions.begin(uow, boss, stage=Stage.FULL)
        sessions.leave_notice(uow, begun.session, b"once")
        challenge = sessions.new_challenge(uow, begun.session)
        seed = totp.begin(uow, boss).secret
        assert totp.confirm(uow, boss, pyotp.TOTP(seed).at(uow.now), session=begun.session.id) is not None
        (code, *_) = recovery_codes.renew(uow, boss, session=begun.session.id)
    with service.unit_of_work(boss.actor()) as uow:
        assert sessions.take_challenge(uow, begun.session) == challenge
        assert sessions.take_notice(uow, begun.session) == b"once"
        assert not totp.matches(uow, boss, pyotp.TOTP(seed).at(uow.now))
        assert recovery_codes.matches(uow, boss, code)
        assert not recovery_codes.matches(uow, boss, code)
    with service.unit_of_work(CONSOLE) as uow:
        assert [user.username for user in ListUsers()(uow).items] == ["alice", "boss"]
        DeleteUser("alice")(uow)
        with pytest.raises(NotFound):
            users.get(uow, "alice\x00")
        assert sessions.look_up(uow, begun.cookie.value) is not None
