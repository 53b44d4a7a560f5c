"""Acts on people by two at once, on both databases."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from tests.authorization_server.concurrent_acts import run_concurrently

from roomkey.authorization_server.accounts.tenants.commands import CreateTenant
from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotFound
from roomkey.authorization_server.identity import recovery_codes, setup_links, totp, users
from roomkey.authorization_server.identity.commands import ChangeUser, DeleteUser, DisableUser
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import Settings
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.testing import FakeClock

CONSOLE = Actor.console()


@pytest.fixture
def service(tmp_path: Path, clock: FakeClock, database_url: str) -> Iterator[Service]:
    with Service.open(Settings.at(tmp_path, database=database_url), clock=clock) as opened:
        yield opened


ENDS: dict[str, Callable[[UnitOfWork, str], object]] = {
    "demoted": lambda uow, user: ChangeUser(user, roles=["developer"])(uow),
    "disabled": lambda uow, user: DisableUser(user)(uow),
    "deleted": lambda uow, user: DeleteUser(user)(uow),
    "moved to a tenant": lambda uow, user: ChangeUser(user, tenant="acme")(uow),
}


@pytest.mark.slow
@pytest.mark.parametrize("first", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("second", ENDS.values(), ids=ENDS)
def test_two_administrators_who_end_each_other_leave_one(  # auth service 45
    service: Service, make: Callable[..., User], first: Callable[..., object], second: Callable[..., object]
) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        CreateTenant(name="acme")(uow)
    ann, bob = make("ann", "administrator"), make("bob", "administrator")
    outcomes = run_concurrently(
        service, lambda uow: first(uow, bob.id), lambda uow: second(uow, ann.id), by=(ann.actor(), bob.actor())
    )
    assert isinstance(outcomes[1], Conflict), outcomes
    with service.look(CONSOLE) as uow:
        assert users.administrators_exist(uow.connection)


def test_two_changes_of_roles_at_once_follow_one_another(service: Service, make: Callable[..., User]) -> None:
    eve = make("eve", "auditor")
    outcomes = run_concurrently(
        service,
        ChangeUser(eve.id, roles=["developer", "approver"]),
        ChangeUser(eve.id, roles=["developer"]),
    )
    assert [found.roles for found in outcomes] == [("approver", "developer"), ("developer",)]


def test_what_is_recorded_first_and_what_is_marked_first_do_not_wait_for_each_other(service: Service) -> None:
    """Some acts mark a change and then write to the log, others the other way round: neither may hold up the other."""
    marked, errors = threading.Event(), []

    def mark_and_record() -> None:
        with service.unit_of_work(CONSOLE) as uow:
            uow.bump_config_version()
            marked.set()
            time.sleep(0.3)  # until the other one has come as far as it can
            record_event(uow, "test", Subject("test", "1"))

    def record_and_mark() -> None:
        marked.wait(10)
        with service.unit_of_work(CONSOLE) as uow:
            record_event(uow, "test", Subject("test", "2"))
            uow.bump_config_version()

    def run(act: Callable[[], None]) -> None:
        try:
            act()
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=[act]) for act in (mark_and_record, record_and_mark)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert errors == []


def test_one_link_of_two_starts_makes_the_first_administrator(  # auth service 49
    service: Service, hashing: PasswordHashing
) -> None:
    links = run_concurrently(service, setup_links.create, setup_links.create)
    good = []
    with service.look(CONSOLE) as uow:
        for link in links:
            token = parse_qs(urlsplit(link).query)["token"][0]
            good.append(setup_links.is_valid(uow, token))
    assert good == [False, True]


def test_a_setup_link_is_used_once(service: Service, hashing: PasswordHashing) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        token = parse_qs(urlsplit(setup_links.create(uow)).query)["token"][0]
    ann, bob = (hashing.hash_new("seven green lanterns hum", username=name) for name in ("ann", "bob"))
    _, second = run_concurrently(
        service,
        lambda uow: setup_links.use(uow, token, username="ann", password=ann),
        lambda uow: setup_links.use(uow, token, username="bob", password=bob),
        by=(Actor.service(), Actor.service()),
    )
    assert isinstance(second, NotFound)


@pytest.mark.parametrize("kind", ["recovery code", "one-time code"])
def test_a_code_is_good_once(service: Service, make: Callable[..., User], kind: str) -> None:  # auth service 40
    alice = make("alice")
    with service.unit_of_work(alice.actor()) as uow:
        seed = totp.begin(uow, alice).secret
        assert totp.confirm(uow, alice, pyotp.TOTP(seed).at(uow.now - 30)) is not None
        (recovery, *_) = recovery_codes.renew(uow, alice)
        now = pyotp.TOTP(seed).at(uow.now)

    def use(uow: UnitOfWork) -> bool:
        if kind == "recovery code":
            return recovery_codes.matches(uow, alice, recovery)
        return totp.matches(uow, alice, now)

    assert run_concurrently(service, use, use) == [True, False]


def test_of_two_sets_of_recovery_codes_made_at_once_one_is_good(service: Service, make: Callable[..., User]) -> None:
    alice = make("alice")
    renew = lambda uow: recovery_codes.renew(uow, alice)  # noqa: E731
    outcomes = run_concurrently(service, renew, renew, by=(alice.actor(), alice.actor()))
    with service.look(CONSOLE) as uow:
        assert recovery_codes.left(uow, alice) == 10
    with service.unit_of_work(CONSOLE) as uow:
        assert [recovery_codes.matches(uow, alice, codes[0]) for codes in outcomes] == [False, True]
