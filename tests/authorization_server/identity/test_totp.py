from collections.abc import Callable

import pyotp
import pytest
from sqlalchemy import select

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.identity import recovery_codes, sessions, totp, users
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.identity import users as table
from roomkey.authorization_server.service import Service
from roomkey.testing import FakeClock

Make = Callable[..., User]


def code_at(seed: str, clock: FakeClock, offset: int = 0) -> str:
    return pyotp.TOTP(seed).at(int(clock.wall()) + 30 * offset)


@pytest.fixture
def alice(make: Make) -> User:
    return make("alice")


@pytest.fixture
def seed(service: Service, alice: User, clock: FakeClock) -> str:
    with service.unit_of_work(alice.actor()) as uow:
        enrolment = totp.begin(uow, alice)
        assert totp.confirm(uow, alice, code_at(enrolment.secret, clock)) is not None
    return enrolment.secret


def test_the_code_that_enrolled_signs_nobody_in(  # auth service 40
    service: Service, alice: User, seed: str, clock: FakeClock
) -> None:
    with service.unit_of_work(alice.actor()) as uow:
        assert not totp.matches(uow, alice, code_at(seed, clock))
        assert not totp.matches(uow, alice, code_at(seed, clock, -1))
    clock.advance(30)
    with service.unit_of_work(alice.actor()) as uow:
        assert totp.matches(uow, alice, code_at(seed, clock))
        assert not totp.matches(uow, alice, code_at(seed, clock))


def test_one_step_to_either_side_is_taken_and_no_more(  # auth service 40
    service: Service, alice: User, seed: str, clock: FakeClock
) -> None:
    for offset, right in ((-2, False), (2, False), (-1, True), (0, True), (1, True)):
        clock.advance(300)
        with service.unit_of_work(alice.actor()) as uow:
            assert totp.matches(uow, alice, code_at(seed, clock, offset)) is right


def test_time_goes_forward_alone(service: Service, alice: User, seed: str, clock: FakeClock) -> None:  # auth service 40
    clock.advance(300)
    with service.unit_of_work(alice.actor()) as uow:
        assert totp.matches(uow, alice, code_at(seed, clock, 1))
        assert not totp.matches(uow, alice, code_at(seed, clock, 0))
    clock.step_wall(-600)
    with service.unit_of_work(alice.actor()) as uow:
        assert not totp.matches(uow, alice, code_at(seed, clock))


@pytest.mark.parametrize("spoil", [lambda code: code.translate({48 + n: 0x660 + n for n in range(10)}), " {}".format])
def test_digits_are_ascii(  # auth service 40
    service: Service, alice: User, seed: str, clock: FakeClock, spoil: Callable[[str], str]
) -> None:
    clock.advance(300)
    with service.unit_of_work(alice.actor()) as uow:
        for code in (spoil(code_at(seed, clock)), code_at(seed, clock) + "\n", "", "12345", "1" * 1_000_000, "\ud800"):
            assert not totp.matches(uow, alice, code)
        assert totp.matches(uow, alice, code_at(seed, clock))


def test_a_new_seed_counts_once_it_is_confirmed(service: Service, alice: User, seed: str, clock: FakeClock) -> None:
    clock.advance(300)
    with service.unit_of_work(alice.actor()) as uow:
        enrolment = totp.begin(uow, alice)
        assert totp.confirm(uow, alice, "000000") is None
        assert totp.pending(uow, alice) == enrolment or totp.pending(uow, alice).secret == enrolment.secret  # type: ignore[union-attr]
        assert totp.matches(uow, alice, code_at(seed, clock))  # the old one still does
        assert totp.confirm(uow, alice, code_at(enrolment.secret, clock)) is not None
        assert totp.pending(uow, alice) is None
    clock.advance(300)
    with service.unit_of_work(alice.actor()) as uow:
        assert not totp.matches(uow, alice, code_at(seed, clock))
        assert totp.matches(uow, alice, code_at(enrolment.secret, clock))


def test_a_change_of_factors_ends_the_other_sessions(service: Service, alice: User, clock: FakeClock) -> None:
    # auth service 42
    with service.unit_of_work(alice.actor()) as uow:
        other = sessions.begin(uow, alice, stage=Stage.FULL)
        own = sessions.begin(uow, alice, stage=Stage.FULL)
        enrolment = totp.begin(uow, alice)
        totp.confirm(uow, alice, code_at(enrolment.secret, clock), session=own.session.id)
        assert sessions.look_up(uow, other.cookie.value) is None
        assert sessions.look_up(uow, own.cookie.value) is not None


def test_the_seed_is_sealed_and_not_shown(service: Service, alice: User, seed: str) -> None:  # auth service 54
    with service.look(alice.actor()) as uow:
        sealed = uow.connection.scalar(select(table.c.totp_seed).where(table.c.id == alice.id))
    assert seed.encode() not in bytes(sealed or b"")
    assert seed.encode() not in b"".join(path.read_bytes() for path in service.settings.data.iterdir())


def test_the_picture_is_an_element_without_styles_and_scripts(service: Service, alice: User) -> None:
    with service.unit_of_work(alice.actor()) as uow:
        enrolment = totp.begin(uow, alice)
    assert enrolment.picture.startswith("<svg ")
    assert "style" not in enrolment.picture
    assert enrolment.uri.startswith("otpauth://totp/roomkey%20auth.example:alice?secret=")
    assert enrolment.secret not in repr(enrolment)


def test_nobody_enrols_for_somebody_else(service: Service, alice: User, make: Make) -> None:  # auth service 43
    for actor in (Actor.console(), make("bob", "administrator").actor()):
        with pytest.raises(NotAllowed), service.unit_of_work(actor) as uow:
            totp.begin(uow, alice)


def test_an_administrator_keeps_a_second_factor(service: Service, make: Make, clock: FakeClock) -> None:
    boss = make("boss", "administrator")
    assert boss.must_enrol
    with service.unit_of_work(boss.actor()) as uow:
        enrolment = totp.begin(uow, boss)
        enrolled = totp.confirm(uow, boss, code_at(enrolment.secret, clock))
        assert enrolled is not None
        assert not enrolled.must_enrol
        with pytest.raises(Conflict):
            totp.remove(uow, enrolled)
    with service.look(boss.actor()) as uow:
        assert users.find(uow, boss.id).has_totp


def test_a_recovery_code_is_good_once_and_for_its_owner(service: Service, alice: User, make: Make) -> None:
    # auth service 41
    bob = make("bob")
    with service.unit_of_work(alice.actor()) as uow:
        codes = recovery_codes.renew(uow, alice)
        assert len(set(codes)) == recovery_codes.left(uow, alice) == 10
        assert not recovery_codes.matches(uow, bob, codes[0])
        assert recovery_codes.matches(uow, alice, codes[0].upper().replace("-", " "))
        assert not recovery_codes.matches(uow, alice, codes[0])
        assert recovery_codes.left(uow, alice) == 9
        assert not recovery_codes.matches(uow, alice, "")
        assert not recovery_codes.matches(uow, alice, "\ud800" * 1000)
        renewed = recovery_codes.renew(uow, alice)
        assert not recovery_codes.matches(uow, alice, codes[1])
        assert recovery_codes.matches(uow, alice, renewed[1])
    files = b"".join(path.read_bytes() for path in service.settings.data.iterdir())
    assert not any(code.encode() in files or code.replace("-", "").encode() in files for code in (*codes, *renewed))
