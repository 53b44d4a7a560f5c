import asyncio
import threading
import time

import pytest

from roomkey.authorization_server.errors import Invalid
from roomkey.authorization_server.identity.passwords import Cost, PasswordHashing, TooManySignIns, check_new, cores

GOOD = "seven green lanterns hum"


def test_the_real_parameters_are_argon2id_with_19_mib_two_passes_and_one_lane() -> None:  # auth service 37
    hashing = PasswordHashing()
    try:
        hashed = hashing.hash_new(GOOD, username="alice")
        assert hashed.text.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
        assert hashing.matches(GOOD, hashed.text)
        assert not hashing.matches(GOOD + "x", hashed.text)
    finally:
        hashing.close()


def test_the_hash_is_not_shown(hashing: PasswordHashing) -> None:
    hashed = hashing.hash_new(GOOD, username="alice")
    assert hashed.text not in f"{hashed!r} {hashed}"


@pytest.mark.parametrize("password", ["a" * 50_000_000, "\u00e9" * 513, "\ud800" + "x" * 20, "e\u0301" * 400])
def test_what_is_too_long_or_no_text_is_refused_before_it_costs_anything(  # auth service 37
    hashing: PasswordHashing, password: str
) -> None:
    begun = time.thread_time()
    with pytest.raises(Invalid) as refused:
        check_new(password, "alice")
    assert refused.value.field == "password"
    assert time.thread_time() - begun < 0.05
    assert not hashing.matches(password, hashing.hash_new(GOOD, username="alice").text)


def test_1024_bytes_are_taken_whole_and_the_last_one_counts(hashing: PasswordHashing) -> None:  # auth service 37
    long = ("kq7-" + GOOD) * 36
    longest = (long + "z" * 1024)[:1024]
    hashed = hashing.hash_new(longest, username="alice").text
    assert hashing.matches(longest, hashed)
    assert not hashing.matches(longest[:-1] + "y", hashed)
    assert not hashing.matches(longest[:-1], hashed)
    with pytest.raises(Invalid):
        check_new(longest + "z", "alice")


def test_a_nul_ends_nothing(hashing: PasswordHashing) -> None:  # auth service 37
    hashed = hashing.hash_new("seven\x00green lanterns", username="alice").text
    assert hashing.matches("seven\x00green lanterns", hashed)
    assert not hashing.matches("seven", hashed)
    assert not hashing.matches("seven\x00green lantern", hashed)


def test_composed_and_decomposed_are_one_password(hashing: PasswordHashing) -> None:  # auth service 37
    hashed = hashing.hash_new("caf\u00e9 lanterns hum", username="alice").text
    assert hashing.matches("cafe\u0301 lanterns hum", hashed)
    assert not hashing.matches("cafe lanterns hum", hashed)
    assert not hashing.matches("caf\u00e9 Lanterns hum", hashed)


@pytest.mark.parametrize(
    "password",
    [
        "elevenchars",
        "password1234",
        "Passw0rd!2024",
        "P@$$w0rdP@$$w0rd",
        "qwertyuiop123",
        "1q2w3e4r5t6y",
        "aaaaaaaaaaaaaa",
        "abcabcabcabc",
        "123456789012",
        "letmein letmein!",
        "Welcome2024!!!",
        "adminadmin2025",
        "zxcvbnm,./12",
        "Summer2026Summer",
        "iloveyouforever",
        "alice-alice-2026",
        "01/02/1990-2000",
        "roomkey-roomkey",
        "mnbvcxz0987654",
    ],
)
def test_what_is_guessed_first_is_refused(password: str) -> None:  # auth service 37
    with pytest.raises(Invalid):
        check_new(password, "alice")


@pytest.mark.parametrize(
    "password",
    [
        GOOD,
        "correct horse battery staple",
        "9f8a7d6c5b4e3210",
        "vUq7-mK2p-Zx9r",
        "zwölf Boxkämpfer jagen",
        "пять зелёных фонарей",
    ],
)
def test_what_is_not_is_taken(password: str) -> None:
    assert check_new(password, "alice")


def test_nobodys_password_takes_as_long_as_a_wrong_one() -> None:  # auth service 35
    hashing = PasswordHashing(at_once=1)
    try:
        hashed = hashing.hash_new(GOOD, username="alice").text

        def least(stored: str | None) -> float:
            times = []
            for _ in range(5):
                begun = time.process_time()  # of all threads; what else runs on this machine counts for nothing
                assert not hashing.matches("wrong", stored)
                times.append(time.process_time() - begun)
            return min(times)

        wrong, nobody = least(hashed), least(None)
        assert 0.5 < wrong / nobody < 2.0
        assert nobody > 0.005
    finally:
        hashing.close()


def test_no_more_hashes_run_at_once_than_there_are_cores(monkeypatch: pytest.MonkeyPatch) -> None:  # auth service 38
    hashing = PasswordHashing(Cost(memory=8, passes=1))
    running, most, lock = 0, 0, threading.Lock()
    check = hashing._check

    def counted(password: str, stored: str | None) -> bool:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.002)
        right = check(password, stored)
        with lock:
            running -= 1
        return right

    monkeypatch.setattr(hashing, "_check", counted)

    async def burst() -> list[bool | BaseException]:
        tasks = [hashing.matches_async("wrong", None) for _ in range(60)]
        return await asyncio.gather(*tasks, return_exceptions=True)

    try:
        assert asyncio.run(burst()) == [False] * 60
        assert 1 <= most <= cores()
    finally:
        hashing.close()


def test_a_flood_of_sign_ins_is_refused_and_the_loop_stays_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # auth service 38
    hashing = PasswordHashing(Cost(memory=8, passes=1), at_once=1)
    free = threading.Event()
    monkeypatch.setattr(hashing, "_check", lambda *_: free.wait(10))

    async def flood() -> int:
        tasks = [asyncio.create_task(hashing.matches_async("wrong", None)) for _ in range(100)]
        for _ in range(2):  # the loop turns, although no password is checked before free is set
            await asyncio.sleep(0)
        refused = [task for task in tasks if task.done() and isinstance(task.exception(), TooManySignIns)]
        free.set()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert await hashing.matches_async("wrong", None)  # there is room again
        return len(refused)

    try:
        assert asyncio.run(flood()) == 100 - 65
    finally:
        hashing.close()
