import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from sqlalchemy import select

from roomkey.authorization_server.actor import Actor
from roomkey.authorization_server.identity import sessions, users
from roomkey.authorization_server.identity.commands import CreateUser, DeleteUser, DisableUser, SetPassword
from roomkey.authorization_server.identity.password_login import SignInAttempt, is_own_password, sign_in
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.purge_expired import purge_expired
from roomkey.authorization_server.schema.identity import sessions as sessions_table
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.testing import FakeClock

PASSWORD = "seven green lanterns hum"
CONSOLE = Actor.console()
Make = Callable[..., User]
Try = Callable[..., str | None]


@pytest.fixture
def attempt(service: Service, hashing: PasswordHashing) -> Try:
    """Sign in; who it was, or None."""

    def made(username: str = "alice", password: str = "wrong wrong wrong", address: str = "192.0.2.1") -> str | None:
        return asyncio.run(
            sign_in(service, hashing, SignInAttempt(username, password, address), lambda _work, user: user.id)
        )

    return made


def test_the_right_password_lets_in_however_the_name_is_written(attempt: Try, make: Make, service: Service) -> None:
    alice = make("alice")
    assert attempt("ALICE", PASSWORD) == attempt("alice", PASSWORD) == alice.id
    with service.look(CONSOLE) as uow:
        assert users.find(uow, alice.id).last_seen_at == uow.now


def test_what_is_done_then_is_done_as_the_user(service: Service, hashing: PasswordHashing, make: Make) -> None:
    alice = make("alice", "developer")

    def then(uow: UnitOfWork, user: User) -> Actor:
        sessions.begin(uow, user, stage=Stage.FULL)
        return uow.actor

    assert asyncio.run(sign_in(service, hashing, SignInAttempt("alice", PASSWORD, "192.0.2.9"), then)) == alice.actor(
        "192.0.2.9"
    )


def test_every_refusal_is_the_same_after_the_same_work(  # auth service 35
    attempt: Try, make: Make, service: Service, hashing: PasswordHashing, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("alice", "disabled", "locked", "gone"):
        make(name)
    with service.unit_of_work(CONSOLE) as uow:
        DisableUser("disabled")(uow)
        DeleteUser("gone")(uow)
        CreateUser(username="passwordless")(uow)
    for _ in range(5):
        attempt("locked", address="192.0.2.2")
    hashes = []
    check = hashing._check
    monkeypatch.setattr(hashing, "_check", lambda *given: hashes.append(given) or check(*given))
    cases = [
        ("alice", "wrong wrong wrong"),
        ("nobody", PASSWORD),
        ("disabled", PASSWORD),
        ("locked", PASSWORD),
        ("gone", PASSWORD),
        ("passwordless", PASSWORD),
        ("alice", "x" * 5000),
        ("", ""),
        ("\ud800", "\ud800"),
        ("x" * 100_000, PASSWORD),
        ("alice\x00", PASSWORD),
    ]
    assert [attempt(*case, address="192.0.2.2") for case in cases] == [None] * len(cases)
    assert len(hashes) == len(cases)


def test_five_failures_block_the_account_from_that_address(  # auth service 39
    attempt: Try, make: Make, clock: FakeClock
) -> None:
    alice = make("alice")
    for _ in range(5):
        assert attempt() is None
    assert attempt(password=PASSWORD) is None
    assert attempt(password=PASSWORD, address="192.0.2.200") == alice.id
    clock.advance(31)
    assert attempt(password=PASSWORD) == alice.id
    for _ in range(4):  # success has begun the count anew
        assert attempt() is None
    assert attempt(password=PASSWORD) == alice.id


@pytest.mark.slow
def test_a_flood_from_everywhere_cannot_shut_out_whoever_is_known_here(  # auth service 39
    attempt: Try, make: Make, service: Service, clock: FakeClock
) -> None:
    boss = make("boss", "administrator")
    with service.unit_of_work(boss.actor("198.51.100.7")) as uow:
        sessions.begin(uow, boss, stage=Stage.FULL)
    for number in range(60):
        attempt("boss", address=f"203.0.113.{number}")
    assert attempt("boss", PASSWORD, "192.0.2.1") is None
    assert attempt("boss", PASSWORD, "198.51.100.7") == boss.id
    for number in range(60):
        attempt("boss", address=f"203.0.113.{number}")
    assert attempt("boss", PASSWORD, "192.0.2.1") is None
    clock.advance(901)  # and for a stranger it ends by itself
    assert attempt("boss", PASSWORD, "192.0.2.1") == boss.id


@pytest.mark.slow
def test_who_is_known_here_is_so_for_weeks_though_ended_sessions_are_cleaned_away(  # auth service 39
    attempt: Try, make: Make, service: Service, clock: FakeClock
) -> None:
    boss = make("boss", "administrator")
    with service.unit_of_work(boss.actor("198.51.100.7")) as uow:
        sessions.begin(uow, boss, stage=Stage.FULL)
    clock.advance(14 * DAY)
    asyncio.run(purge_expired(service))
    for number in range(60):
        attempt("boss", address=f"203.0.113.{number}")
    assert attempt("boss", PASSWORD, "198.51.100.7") == boss.id
    clock.advance(17 * DAY)
    assert asyncio.run(purge_expired(service)) > 0
    with service.look(CONSOLE) as uow:
        assert uow.connection.execute(select(sessions_table)).all() == []


def test_an_address_that_tries_many_names_is_blocked(attempt: Try, make: Make) -> None:  # auth service 39
    alice = make("alice")
    for number in range(30):
        attempt(f"user{number}", address="203.0.113.5")
    assert attempt(password=PASSWORD, address="203.0.113.5") is None
    assert attempt(password=PASSWORD, address="192.0.2.1") == alice.id


def test_success_does_not_forgive_the_address(attempt: Try, make: Make) -> None:  # auth service 39
    make("alice")
    for number in range(29):
        attempt(f"user{number}", address="203.0.113.5")
    assert attempt(password=PASSWORD, address="203.0.113.5")
    attempt("another", address="203.0.113.5")
    assert attempt(password=PASSWORD, address="203.0.113.5") is None


def test_a_burst_of_guesses_counts_as_one_after_the_other(  # auth service 39
    service: Service, hashing: PasswordHashing, make: Make
) -> None:
    make("alice")

    async def burst() -> list[str | None]:
        guesses = [SignInAttempt("alice", f"guess number {number} wrong", "192.0.2.1") for number in range(20)]
        right = SignInAttempt("alice", PASSWORD, "192.0.2.1")
        tries = [sign_in(service, hashing, guess, lambda _work, user: user.id) for guess in (*guesses, right)]
        return await asyncio.gather(*tries)

    assert asyncio.run(burst()) == [None] * 21


def test_many_right_sign_ins_at_once_disturb_nobody(service: Service, hashing: PasswordHashing, make: Make) -> None:
    # auth service 38
    alice = make("alice")

    async def burst() -> list[str | None]:
        right = SignInAttempt("alice", PASSWORD, "192.0.2.1")
        return await asyncio.gather(*(sign_in(service, hashing, right, lambda _w, user: user.id) for _ in range(40)))

    assert asyncio.run(burst()) == [alice.id] * 40


@pytest.mark.parametrize("change", [DisableUser, DeleteUser, "password"])
def test_what_happens_while_the_hash_is_made_counts(  # auth service 9
    service: Service, hashing: PasswordHashing, make: Make, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    alice = make("alice")
    other = hashing.hash_new("nine copper kettles sing", username="alice")
    matches = hashing.matches_async

    async def meanwhile(password: str, stored: str | None) -> bool:
        right = await matches(password, stored)
        with service.unit_of_work(CONSOLE) as uow:
            if change == "password":
                SetPassword(alice.id, other)(uow)
            else:
                change(alice.id)(uow)
        return right

    monkeypatch.setattr(hashing, "matches_async", meanwhile)
    run: Coroutine[Any, Any, str | None] = sign_in(
        service, hashing, SignInAttempt("alice", PASSWORD, "192.0.2.1"), lambda _work, user: user.id
    )
    assert asyncio.run(run) is None


def test_one_who_is_signed_in_proves_it_again(service: Service, hashing: PasswordHashing, make: Make) -> None:
    # auth service 42
    alice = make("alice")

    def proves(password: str) -> bool:
        return asyncio.run(is_own_password(service, hashing, alice, SignInAttempt("ignored", password, "192.0.2.1")))

    assert proves(PASSWORD)
    assert not proves("wrong wrong wrong")


def test_what_was_typed_is_shown_nowhere(attempt: Try, make: Make, service: Service) -> None:  # auth service 46
    make("alice")
    attempt("my-secret-in-the-wrong-field", "hunter2hunter2")
    assert "hunter2" not in repr(SignInAttempt("a", "hunter2hunter2", "192.0.2.1"))
    files = b"".join(path.read_bytes() for path in service.settings.data.iterdir())
    assert b"wrong-field" not in files
    assert b"hunter2" not in files
    assert PASSWORD.encode() not in files
