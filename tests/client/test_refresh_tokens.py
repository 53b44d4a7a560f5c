"""Refresh tokens: rotated, lost, spent by a sibling, never thrown away by mistake."""

import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.client.sources import password, settle
from tests.client.test_store_outage import FailingStore

import roomkey
from roomkey.testing import FakeClock, Issuer
from roomkey.testing.loopback import LoopbackResponse


@pytest.fixture
def user(issuer: Issuer, make_manager: object, clock: FakeClock) -> roomkey.Credential:
    issuer.refresh_tokens = True
    return make_manager(clock=clock).credential(password(issuer), name="user")  # type: ignore[operator]


def grants(issuer: Issuer) -> list[str]:
    return [request.grant_type for request in issuer.token_requests]


def test_a_rotated_refresh_token_is_used_next_time(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 32
    for _ in range(4):
        user.header()
        clock.advance(301.0)
    assert grants(issuer) == ["password", "refresh_token", "refresh_token", "refresh_token"]


def test_a_refresh_token_is_kept_where_the_answer_brings_none(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 32
    issuer.rotate_refresh_tokens = False
    for _ in range(3):
        user.header()
        clock.advance(301.0)
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]


def test_a_lost_answer_is_asked_for_once_more_with_the_same_refresh_token(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 33
    issuer.reuse_grace = 60.0
    user.header()
    clock.advance(301.0)
    issuer.drop(processed=True)
    assert user.header()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]


def test_a_lost_answer_outside_the_grace_window_ends_in_a_new_sign_in(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 33
    issuer.reuse_grace = -1.0  # the clock stands still, so that zero seconds would still be a window
    user.header()
    clock.advance(301.0)
    issuer.drop(processed=True)
    assert user.header()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token", "password"]


def test_a_refusal_after_a_lost_answer_is_told_apart_from_one_that_may_be_a_theft(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:  # client 33
    issuer.reuse_grace = -1.0
    user.header()
    clock.advance(301.0)
    issuer.drop(times=2, processed=True)
    with pytest.raises(roomkey.TokenUnavailable):
        user.header()  # the answers to both attempts were lost
    clock.advance(61.0)
    assert user.header()
    assert not [record for record in caplog.records if "refused" in record.message]
    clock.advance(301.0)
    issuer.answer_with(400, body={"error": "invalid_grant"})
    assert user.header()
    assert [record.levelname for record in caplog.records if "somebody else" in record.message] == ["WARNING"]


def test_a_rejected_refresh_token_falls_back_to_a_whole_sign_in(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 34
    user.header()
    issuer.answer_with(400, body={"error": "invalid_grant"})
    clock.advance(301.0)
    assert user.header()
    assert grants(issuer) == ["password", "refresh_token", "password"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": "invalid_request"}),
        (400, {"error": "unauthorized_client"}),
        (400, {"error": "invalid_client"}),
        (400, {"message": "the refresh token has ended"}),
        (401, {}),
        (403, {"error": "access_denied"}),
        (404, {}),
        (200, {"token_type": "Bearer"}),
        (200, {"error": "expired"}),
    ],
)
def test_a_refresh_that_is_rejected_in_other_words_leads_to_a_sign_in(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock, status: int, body: dict[str, str]
) -> None:  # client 32
    user.header()
    clock.advance(400.0)
    issuer.answer_with(status, body=body)
    assert user.header()
    assert [one.grant_type for one in issuer.token_requests] == ["password", "refresh_token", "password"]


def test_only_the_rejection_of_the_sign_in_itself_counts(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 32
    user.header()
    clock.advance(400.0)
    issuer.answer_with(403, body={})
    issuer.answer_with(400, body={"error": "invalid_grant"})
    with pytest.raises(roomkey.LoginRequired) as caught:
        user.header()
    assert caught.value.reason == "invalid_grant"
    clock.advance(60.1)
    assert user.header()
    grants = [one.grant_type for one in issuer.token_requests]
    assert grants == ["password", "refresh_token", "password", "password"]


def test_a_refresh_token_that_has_expired_as_announced_is_not_sent(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:  # client 32
    issuer.shape = lambda members: members | {"refresh_expires_in": 1800}
    user.header()
    clock.advance(7200.0)
    user.header()
    assert [one.grant_type for one in issuer.token_requests] == ["password", "password"]
    assert [record for record in caplog.records if record.levelname == "WARNING"] == []


def test_a_refresh_token_whose_announced_lifetime_is_0_does_not_expire(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 32; an offline token of Keycloak's
    issuer.shape = lambda members: members | {"refresh_expires_in": 0}
    user.header()
    clock.advance(7200.0)
    user.header()
    assert [one.grant_type for one in issuer.token_requests] == ["password", "refresh_token"]


def test_a_refresh_token_is_kept_when_the_endpoint_is_in_trouble(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 34
    user.header()
    issuer.answer_with(503, body={"error": "invalid_grant"})
    clock.advance(301.0)
    with pytest.raises(roomkey.TokenUnavailable, match="server_error"):
        user.header()
    clock.advance(2.0)
    assert user.header()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]


def test_a_rotated_refresh_token_is_kept_although_its_token_had_ended(
    issuer: Issuer, user: roomkey.Credential, clock: FakeClock
) -> None:  # client 28, 32
    issuer.reuse_grace = -1.0
    user.header()
    clock.advance(301.0)
    issuer.lifetime = 0
    with pytest.raises(roomkey.TokenUnavailable, match="expired_on_arrival"):
        user.header()
    issuer.lifetime = 300
    clock.advance(2.0)
    assert user.header()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]


def test_a_refresh_token_that_a_sibling_has_just_spent_is_not_sent_again(issuer: Issuer, clock: FakeClock) -> None:
    """Servers take that for a theft and end the whole sign-in (client 8, 35)."""
    issuer.refresh_tokens, issuer.reuse_grace = True, -1.0

    class LateStore(FailingStore):
        before_put: Callable[[], object] | None = None

        def put(self, key: str, value: bytes, *, generation: int) -> int | None:
            act, self.before_put = self.before_put, None
            if act is not None:
                act()
            return super().put(key, value, generation=generation)

        def lease(self, key: str, *, owner: str, seconds: float) -> bool:
            return True  # as if each lease had ended while its holder was asleep

    store, source = LateStore(), password(issuer)
    with roomkey.TokenManager(store, clock=clock) as one, roomkey.TokenManager(store, clock=clock) as two:
        here, there = one.credential(source), two.credential(source)
        here.header()
        clock.advance(301.0)
        store.before_put = there.header
        here.header()
        clock.advance(301.0)
        assert there.header()
    assert set(grants(issuer)[1:]) == {"refresh_token"}


def test_a_refusal_that_a_sibling_has_caused_is_answered_with_the_siblings_refresh_token(
    issuer: Issuer, clock: FakeClock
) -> None:  # client 34, 35
    """The other process rotates while this one's request with the old refresh token is under way."""

    class LostLeases(FailingStore):
        def lease(self, key: str, *, owner: str, seconds: float) -> bool:
            return True  # as if each lease had ended while its holder was asleep

    issuer.refresh_tokens = True
    store, source = LostLeases(), password(issuer)
    with roomkey.TokenManager(store, clock=clock) as one, roomkey.TokenManager(store, clock=clock) as two:
        here, there = one.credential(source), two.credential(source)
        here.header()
        clock.advance(301.0)
        issuer.answer_with(400, body={"error": "invalid_grant"})

        def rotate(request: object, answer: LoopbackResponse | None) -> None:
            issuer.on_response = None
            there.header()

        issuer.on_response = rotate
        assert here.header()
        assert grants(issuer) == ["password", "refresh_token", "refresh_token", "refresh_token"]
        sent = [request.refresh_token_digest for request in issuer.token_requests]
        assert sent[1] == sent[2] != sent[3]


def test_a_rejected_password_needs_a_person(issuer: Issuer, make_manager: object) -> None:  # client 34
    user = make_manager().credential(password(issuer, password="wrong"))  # type: ignore[operator]
    for _ in range(3):
        with pytest.raises(roomkey.LoginRequired) as caught:
            user.header()
    assert caught.value.reason == "invalid_grant"
    assert len(issuer.token_requests) == 1


def test_a_sibling_that_was_faster_wins(issuer: Issuer, clock: FakeClock) -> None:  # client 34, 35
    """The refresh token in hand was spent by another process between the read and the request."""
    issuer.refresh_tokens = True
    store, source = roomkey.MemoryStore(clock=clock), password(issuer)
    with roomkey.TokenManager(store, clock=clock) as one, roomkey.TokenManager(store, clock=clock) as two:
        here, there = one.credential(source), two.credential(source)
        here.header()
        clock.advance(301.0)
        # The other one renews while this one's lease has run out unnoticed: its request is answered late.
        issuer.delay = 0.3
        slow = threading.Thread(target=here.header)
        slow.start()
        settle(here, lambda: len(issuer.token_requests) == 2)
        clock.advance(31.0)  # the lease of the slow one ends
        issuer.delay = 0.0
        assert there.header()
        slow.join()
        assert here.header()
        assert here.header() == there.header()


def test_a_refresh_that_was_rejected_leaves_a_newer_record_alone(issuer: Issuer, clock: FakeClock) -> None:  # client 35
    issuer.refresh_tokens = True
    store, source = roomkey.MemoryStore(), password(issuer)
    with roomkey.TokenManager(store, clock=clock) as one, roomkey.TokenManager(store, clock=clock) as two:
        here, there = one.credential(source), two.credential(source)
        here.header()
        clock.advance(301.0)
        newest = there.header()
        assert here.header() == newest
        issuer.answer_with(400, body={"error": "invalid_grant"})
        clock.advance(301.0)
        here.header()
        assert there.header() == here.header()


def test_a_new_pair_is_in_the_store_before_it_is_used(issuer: Issuer, tmp_path: Path) -> None:  # client 32
    issuer.refresh_tokens = True
    source, path = password(issuer), tmp_path / "tokens.db"
    with roomkey.TokenManager(roomkey.SQLiteStore(path)) as manager:
        token = manager.credential(source).header()
    with roomkey.TokenManager(roomkey.SQLiteStore(path)) as manager:
        again = manager.credential(source)
        assert again.header() == token
        again.refresh()
    assert grants(issuer) == ["password", "refresh_token"]


def test_a_pair_that_cannot_be_saved_is_used_from_memory_and_saved_later(
    issuer: Issuer, tmp_path: Path, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:  # client 15, 32
    issuer.refresh_tokens = True
    folder = tmp_path / "state"
    path = folder / "tokens.db"
    with roomkey.TokenManager(roomkey.SQLiteStore(path), clock=clock) as manager:
        user = manager.credential(password(issuer), name="user")
        user.header()
        path.rename(tmp_path / "away.db")
        for rest in folder.glob("tokens.db-*"):
            rest.unlink()
        path.mkdir()
        clock.advance(301.0)
        second = user.header()
        assert not user.status().saved
        assert [record.message for record in caplog.records if "memory" in record.message] != []
        path.rmdir()
        clock.advance(6.0)
        assert user.header() == second
        settle(user, lambda: user.status().saved)
        clock.advance(301.0)
        user.header()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]


@pytest.mark.slow
@pytest.mark.slow
def test_the_interpreters_exit_waits_for_a_refresh_token_that_is_being_spent(
    issuer: Issuer, tmp_path: Path
) -> None:  # client 16
    issuer.refresh_tokens = True
    program = textwrap.dedent(
        """
        import sys, threading, time, roomkey
        endpoint, client, secret, user, password, store = sys.argv[1:]
        manager = roomkey.TokenManager(roomkey.SQLiteStore(store))
        credential = manager.credential(roomkey.Password(
            token_endpoint=endpoint, client_id=client, client_secret=secret, username=user, password=password))
        credential.header()
        threading.Thread(target=credential.refresh, daemon=True).start()
        time.sleep(0.15)
        """
    )
    issuer.delay = 0.4
    arguments = [issuer.token_endpoint, "reports", str(issuer.client.client_secret), "alice", issuer.user.password]
    path = tmp_path / "tokens.db"
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments, str(path)], capture_output=True, text=True, timeout=30, check=False
    )
    assert ended.returncode == 0
    assert "Traceback" not in ended.stderr
    issuer.delay = 0.0
    with roomkey.TokenManager(roomkey.SQLiteStore(path)) as manager:
        manager.credential(password(issuer)).refresh()
    assert grants(issuer) == ["password", "refresh_token", "refresh_token"]
