from collections.abc import Callable

import pytest

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import NotAllowed, NotFound
from roomkey.authorization_server.identity import sessions
from roomkey.authorization_server.identity.commands import DisableUser
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock

Make = Callable[..., User]


@pytest.fixture
def alice(make: Make) -> User:
    return make("alice")


def found(service: Service, cookie: str) -> bool:
    with service.look(Actor.console()) as uow:
        return sessions.look_up(uow, cookie) is not None


def test_each_step_has_a_new_id_and_the_old_one_is_dead(service: Service, alice: User) -> None:  # auth service 31
    with service.unit_of_work(alice.actor("192.0.2.1")) as uow:
        half = sessions.begin(uow, alice, stage=Stage.PASSWORD, password_asked=True, user_agent="x" * 5000)
    assert found(service, half.cookie.value)
    with service.unit_of_work(alice.actor("192.0.2.1")) as uow:
        full = sessions.begin(uow, alice, stage=Stage.FULL, acr="mfa", before=half.session)
    assert not found(service, half.cookie.value)
    assert found(service, full.cookie.value)
    assert full.session.id != half.session.id
    assert full.session.password_at == half.session.password_at
    assert len(half.session.user_agent) == 200
    with service.unit_of_work(alice.actor()) as uow:
        again = sessions.begin(uow, alice, stage=Stage.FULL, before=full.session, password_asked=True)
        assert again.session.expires_at == full.session.expires_at
        sessions.end(uow, again.session)
    assert not found(service, again.cookie.value)


def test_idle_and_absolute_ends(service: Service, alice: User, clock: FakeClock) -> None:  # auth service 31
    with service.unit_of_work(alice.actor()) as uow:
        idle, busy = (sessions.begin(uow, alice, stage=Stage.FULL) for _ in range(2))
        half = sessions.begin(uow, alice, stage=Stage.PASSWORD)
    clock.advance(599)
    assert found(service, half.cookie.value)
    clock.advance(1)
    assert not found(service, half.cookie.value)
    clock.advance(2999)
    assert found(service, idle.cookie.value)
    with service.unit_of_work(alice.actor()) as uow:
        sessions.touch(uow, busy.session)
    clock.advance(1)
    assert not found(service, idle.cookie.value)
    for _ in range(15):
        assert found(service, busy.cookie.value) == (clock.wall() < busy.session.expires_at)
        with service.unit_of_work(alice.actor()) as uow:
            sessions.touch(uow, busy.session)
        clock.advance(3000)
    assert not found(service, busy.cookie.value)
    assert busy.session.expires_at - busy.session.created_at == service.settings.session_absolute


def test_junk_stands_for_nobody(service: Service, alice: User) -> None:
    with service.unit_of_work(alice.actor()) as uow:
        begun = sessions.begin(uow, alice, stage=Stage.FULL)
    for value in (
        "",
        "x" * 100_000,
        "\ud800",
        begun.cookie.value[:-1] + "!",
        begun.session.id,
        begun.cookie.value.lower(),
    ):
        assert not found(service, value)
    assert begun.cookie.value not in repr(begun)
    files = b"".join(path.read_bytes() for path in service.settings.data.iterdir())
    assert begun.cookie.value.encode() not in files


def test_disabling_ends_sessions_even_ones_that_began_meanwhile(service: Service, make: Make, alice: User) -> None:
    # auth service 9
    make("boss", "administrator")
    with service.unit_of_work(Actor.console()) as uow:
        DisableUser("alice")(uow)
        begun = sessions.begin(uow, alice, stage=Stage.FULL)
    assert not found(service, begun.cookie.value)


def test_people_see_and_end_their_own_sessions(service: Service, make: Make, alice: User) -> None:  # auth service 31
    bob, boss = make("bob"), make("boss", "administrator")
    with service.unit_of_work(alice.actor("192.0.2.7")) as uow:
        begun = [sessions.begin(uow, alice, stage=Stage.FULL) for _ in range(3)]
        assert {one.id for one in sessions.list_sessions(uow, alice.id)} == {one.session.id for one in begun}
        sessions.revoke(uow, begun[0].session.id)
        assert len(sessions.list_sessions(uow, alice.id)) == 2
    for act in (lambda uow: sessions.revoke(uow, begun[1].session.id), lambda w: sessions.list_sessions(w, alice.id)):
        with pytest.raises(NotAllowed), service.unit_of_work(bob.actor()) as uow:
            act(uow)
    with service.unit_of_work(boss.actor()) as uow:
        sessions.revoke(uow, begun[1].session.id)
        with pytest.raises(NotFound):
            sessions.revoke(uow, "ses_nothing")
    assert not found(service, begun[1].cookie.value)
    assert found(service, begun[2].cookie.value)


def test_a_notice_is_read_once(service: Service, alice: User) -> None:  # auth service 32
    with service.unit_of_work(alice.actor()) as uow:
        session = sessions.begin(uow, alice, stage=Stage.FULL).session
        sessions.leave_notice(uow, session, b"shown once")
    files = b"".join(path.read_bytes() for path in service.settings.data.iterdir())
    assert b"shown once" not in files
    with service.unit_of_work(alice.actor()) as uow:
        assert sessions.take_notice(uow, session) == b"shown once"
        assert sessions.take_notice(uow, session) is None


def test_a_challenge_is_good_once_and_for_five_minutes(service: Service, alice: User, clock: FakeClock) -> None:
    # auth service 41
    with service.unit_of_work(alice.actor()) as uow:
        one, other = (sessions.begin(uow, alice, stage=Stage.FULL).session for _ in range(2))
        challenge = sessions.new_challenge(uow, one)
        assert sessions.take_challenge(uow, other) is None
        assert sessions.take_challenge(uow, one) == challenge
        assert sessions.take_challenge(uow, one) is None
        sessions.new_challenge(uow, one)
    clock.advance(301)
    with service.unit_of_work(alice.actor()) as uow:
        assert sessions.take_challenge(uow, one) is None
