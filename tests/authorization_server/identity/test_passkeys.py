import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.authorization_server.identity.authenticator import Authenticator

from roomkey.authorization_server.errors import Conflict, Invalid, NotFound
from roomkey.authorization_server.identity import passkeys, sessions, users
from roomkey.authorization_server.identity.passkeys import RelyingParty, relying_party
from roomkey.authorization_server.identity.sessions import Session, Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings

Make = Callable[..., User]


def session_of(service: Service, user: User) -> Session:
    with service.unit_of_work(user.actor()) as uow:
        return sessions.begin(uow, user, stage=Stage.FULL).session


def registered(service: Service, user: User, authenticator: Authenticator) -> tuple[User, Session]:
    session = session_of(service, user)
    with service.unit_of_work(user.actor()) as uow:
        answer = authenticator.create(passkeys.registration_options(uow, user, session))
        return passkeys.register(uow, user, session, name=" my  key ", answer=answer), session


def asked(service: Service, user: User, session: Session) -> str:
    with service.unit_of_work(user.actor()) as uow:
        return passkeys.authentication_options(uow, user, session)


def matches(service: Service, user: User, session: Session, answer: str) -> bool:
    with service.unit_of_work(user.actor()) as uow:
        return passkeys.matches(uow, user, session, answer)


def test_party_and_origin_are_the_configured_issuers(tmp_path: Path) -> None:  # auth service 41
    def party(issuer: str) -> RelyingParty | None:
        return relying_party(Settings.at(tmp_path, issuer=issuer))

    assert party("https://auth.example/path") == RelyingParty("auth.example", "https://auth.example")
    assert party("http://localhost:8400") == RelyingParty("localhost", "http://localhost:8400")
    assert party("http://127.0.0.1:8400") is party("https://[::1]") is None


@pytest.mark.slow
def test_a_passkey_is_registered_and_used(service: Service, make: Make) -> None:  # auth service 41
    authenticator = Authenticator()
    alice, session = registered(service, make("alice"), authenticator)
    assert alice.passkeys == 1
    assert alice.has_second_factor
    with service.look(alice.actor()) as uow:
        (listed,) = passkeys.list_passkeys(uow, alice)
    assert listed.name == "my key"
    answer = authenticator.get(asked(service, alice, session))
    assert matches(service, alice, session, answer)
    assert not matches(service, alice, session, answer)  # the challenge is spent


def test_the_challenge_belongs_to_one_session(service: Service, make: Make) -> None:  # auth service 41
    authenticator = Authenticator()
    alice, session = registered(service, make("alice"), authenticator)
    other = session_of(service, alice)
    options = asked(service, alice, session)
    asked(service, alice, other)
    assert not matches(service, alice, other, authenticator.get(options))
    assert matches(service, alice, session, authenticator.get(options))


def test_another_origin_party_or_challenge_is_refused(service: Service, make: Make) -> None:  # auth service 41
    authenticator = Authenticator()
    alice, session = registered(service, make("alice"), authenticator)
    authenticator.origin = "https://evil.example"
    assert not matches(service, alice, session, authenticator.get(asked(service, alice, session)))
    authenticator.origin = "https://auth.example"
    assert not matches(service, alice, session, authenticator.get(asked(service, alice, session), party="evil.example"))
    assert not matches(service, alice, session, authenticator.get(asked(service, alice, session), challenge="AAAA"))
    assert matches(service, alice, session, authenticator.get(asked(service, alice, session)))


def test_a_counter_that_does_not_grow_is_a_copy(service: Service, make: Make) -> None:  # auth service 41
    authenticator = Authenticator()
    alice, session = registered(service, make("alice"), authenticator)
    for _ in range(3):
        assert matches(service, alice, session, authenticator.get(asked(service, alice, session)))
    authenticator.count = 1
    assert not matches(service, alice, session, authenticator.get(asked(service, alice, session)))


def test_administrators_are_verified_by_their_authenticator(service: Service, make: Make) -> None:  # auth service 41
    boss = make("boss", "administrator")
    with pytest.raises(Invalid):
        registered(service, boss, Authenticator(verifies=False))
    authenticator = Authenticator()
    boss, session = registered(service, boss, authenticator)
    options = asked(service, boss, session)
    assert json.loads(options)["userVerification"] == "required"
    authenticator.verifies = False
    assert not matches(service, boss, session, authenticator.get(options))
    registered(service, make("alice"), Authenticator(verifies=False))


def test_somebody_elses_passkey_and_junk_are_refused(service: Service, make: Make) -> None:
    authenticator = Authenticator()
    alice, session = registered(service, make("alice"), authenticator)
    _bob, _ = registered(service, make("bob"), bobs := Authenticator())
    assert not matches(service, alice, session, bobs.get(asked(service, alice, session)))
    good = authenticator.get(asked(service, alice, session))
    for junk in (
        "",
        "{}",
        "[]",
        "null",
        "{" * 10_000,
        good[:-20],
        good.replace("webauthn", ""),
        "x" * 100_000,
        "\ud800",
    ):
        asked(service, alice, session)
        assert not matches(service, alice, session, junk)
        with service.unit_of_work(alice.actor()) as uow:
            passkeys.registration_options(uow, alice, session)
            with pytest.raises(Invalid):
                passkeys.register(uow, alice, session, name="x", answer=junk)


def test_one_passkey_is_registered_once_and_the_last_one_of_an_administrator_stays(
    service: Service, make: Make
) -> None:
    authenticator = Authenticator()
    boss, session = registered(service, make("boss", "administrator"), authenticator)
    with pytest.raises(Conflict):
        registered(service, boss, authenticator)
    with service.unit_of_work(boss.actor()) as uow:
        (listed,) = passkeys.list_passkeys(uow, boss)
        with pytest.raises(Conflict):
            passkeys.remove(uow, boss, listed.id, session=session.id)
    registered(service, boss, Authenticator())
    with service.unit_of_work(boss.actor()) as uow:
        boss = users.find(uow, boss.id)
        with pytest.raises(NotFound):
            passkeys.remove(uow, boss, "!!!", session=session.id)
        assert passkeys.remove(uow, boss, listed.id, session=session.id).passkeys == 1
