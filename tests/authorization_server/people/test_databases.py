"""The statements that the two databases could understand differently, once on each."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Conflict, NotFound
from roomkey.authorization_server.people import recovery_codes, sessions, setup_links, totp, users
from roomkey.authorization_server.people.password_login import Attempt, sign_in
from roomkey.authorization_server.people.passwords import PasswordHashing
from roomkey.authorization_server.people.sessions import Stage
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
    with service.work(CONSOLE) as work:
        token = parse_qs(urlsplit(setup_links.create(work)).query)["token"][0]
    with service.work(Actor.service()) as work:
        boss = setup_links.use(work, token, username="boss", password=hashing.hash_new(PASSWORD, username="boss"))
    with service.work(CONSOLE) as work:
        users.create(work, username="alice", roles=["developer", "auditor"])
    with pytest.raises(Conflict), service.work(CONSOLE) as work:
        users.create(work, username="ALICE")
    with pytest.raises(Conflict), service.work(CONSOLE) as work:
        users.disable(work, "boss")

    def attempt(username: str, password: str) -> str | None:
        given = Attempt(username, password, "192.0.2.1")
        return asyncio.run(sign_in(service, hashing, given, lambda _work, user: user.id))

    assert attempt("boss", PASSWORD) == boss.id
    assert attempt("boss\x00", PASSWORD) is attempt("\ud800", "x") is None
    assert [attempt("boss", "wrong wrong wrong") for _ in range(5)] == [None] * 5
    assert attempt("boss", PASSWORD) is None
    clock.advance(31)
    assert attempt("boss", PASSWORD) == boss.id

    with service.work(boss.actor()) as work:
        begun = sessions.begin(work, boss, stage=Stage.FULL)
        sessions.leave_notice(work, begun.session, b"once")
        challenge = sessions.new_challenge(work, begun.session)
        seed = totp.begin(work, boss).secret
        assert totp.confirm(work, boss, pyotp.TOTP(seed).at(work.now), session=begun.session.id) is not None
        (code, *_) = recovery_codes.renew(work, boss, session=begun.session.id)
    with service.work(boss.actor()) as work:
        assert sessions.take_challenge(work, begun.session) == challenge
        assert sessions.take_notice(work, begun.session) == b"once"
        assert not totp.matches(work, boss, pyotp.TOTP(seed).at(work.now))
        assert recovery_codes.matches(work, boss, code)
        assert not recovery_codes.matches(work, boss, code)
    with service.work(CONSOLE) as work:
        assert [user.username for user in users.list_users(work)] == ["alice", "boss"]
        users.remove(work, "alice")
        with pytest.raises(NotFound):
            users.get(work, "alice\x00")
        assert sessions.look_up(work, begun.cookie.value) is not None
