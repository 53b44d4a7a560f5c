"""Whose token is whose: keys, contexts, secrets, and how many are remembered."""

import gc
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.client.sources import client_credentials

import roomkey
from roomkey.oauth.answer_paths import AnswerPaths
from roomkey.testing import FakeClock, Issuer

PLAIN = {"token_endpoint": "https://auth.example/token", "client_id": "reports", "client_secret": "s"}


def test_tenants_scopes_audiences_and_extras_never_share_a_token(issuer: Issuer) -> None:  # client 58
    variants = [
        {},
        {"scope": "orders:read orders:write"},
        {"audience": "a"},
        {"resource": "https://a.example"},
        {"extra": {"tenant": "a"}},
        {"extra": {"tenant": "a|b"}},
    ]
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        tokens = {manager.credential(client_credentials(issuer, **variant), context).header()
                  for variant in variants for context in ("", "acme", "acme|", "|acme")}  # fmt: skip
    assert len(tokens) == len(issuer.token_requests) == 24


@given(st.lists(st.text(alphabet="ab|,:\0 ", max_size=4), min_size=4, max_size=4), st.data())
def test_no_separator_in_a_value_makes_two_credentials_one(values: list[str], data: st.DataObject) -> None:  # client 58
    others = data.draw(st.lists(st.text(alphabet="ab|,:\0 ", max_size=4), min_size=4, max_size=4))
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        one, two = (
            manager.credential(
                roomkey.ClientCredentials(**PLAIN, audience=audience, extra=[("x", extra), ("y", more)]), context
            )
            for context, audience, extra, more in (values, others)
        )
        assert (one is two) == (values == others)


def test_the_order_and_repetition_of_scopes_does_not_matter_and_their_case_does() -> None:  # client 59
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        one, same, different = (
            manager.credential(roomkey.ClientCredentials(**PLAIN, scope=scope)) for scope in ("a b", "b a  b", "a B")
        )
    assert one is same
    assert one is not different


def test_logins_that_carry_different_apps_never_share_a_token(issuer: Issuer) -> None:  # client 58
    """The apps look alike in words: same client, same name, same empty context."""
    sources = [
        *(client_credentials(issuer, scope=scope) for scope in ("orders:read", "orders:write")),
        client_credentials(issuer, extra={"tenant": "acme"}),
        *(roomkey.ServiceAccountToken(issuer.issue()) for _ in range(2)),
    ]
    logins = {}
    for store in (roomkey.MemoryStore(), shared := roomkey.MemoryStore(), shared):
        with roomkey.TokenManager(store) as manager:
            for number, source in enumerate(sources):
                app = manager.credential(source, name="app")
                login = roomkey.CustomLogin(
                    url=issuer.login_endpoint("service"),
                    fields={"username": issuer.user.username, "password": roomkey.Secret(issuer.user.password)},
                    answer=AnswerPaths(access_token="userToken", expires_in="expiresInSeconds"),
                    authenticated_by=app,
                )
                logins.setdefault(number, []).append(manager.credential(login).token().value)
    first, second, third = zip(*logins.values(), strict=True)
    assert len({*first, *second}) == 2 * len(sources)
    assert second == third


def test_a_secret_in_another_place_is_another_login() -> None:  # client 58
    one, two = roomkey.Secret("one-secret"), roomkey.Secret("two-secret")
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        credentials = [
            manager.credential(roomkey.CustomLogin(url="https://api.example/login", **settings))
            for settings in (
                {"fields": {"user": one, "pin": two}},
                {"fields": {"pin": one, "user": two}},
                {"fields": {"user": one}, "headers": {"pin": two}},
            )
        ]
    assert len(set(credentials)) == 3


def test_a_rotated_secret_gets_a_token_of_its_own(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:  # client 60
    store = roomkey.MemoryStore()
    monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret or "")
    source = client_credentials(issuer, client_secret=roomkey.Secret.from_env("ORDERS_SECRET"))
    with roomkey.TokenManager(store) as manager:
        first = manager.credential(source).header()
    monkeypatch.setenv("ORDERS_SECRET", issuer.rotate_client_secret("reports"))
    with roomkey.TokenManager(store) as manager:
        assert manager.credential(source).header() != first
    assert len(issuer.token_requests) == 2


def test_a_secret_rotated_in_a_running_process_ends_the_refresh_token_of_the_old_one(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch, clock: FakeClock
) -> None:  # client 60
    issuer.refresh_tokens = True
    monkeypatch.setenv("ORDERS_SECRET", issuer.client.client_secret or "")
    source = client_credentials(issuer, client_secret=roomkey.Secret.from_env("ORDERS_SECRET"))
    with roomkey.TokenManager(roomkey.MemoryStore(), clock=clock) as manager:
        orders = manager.credential(source)
        orders.header()
        monkeypatch.setenv("ORDERS_SECRET", issuer.rotate_client_secret("reports"))
        clock.advance(301.0)
        assert orders.header()
    assert [request.grant_type for request in issuer.token_requests] == ["client_credentials"] * 2


def test_two_processes_with_one_keyring_agree_on_the_key(issuer: Issuer) -> None:  # client 60
    store = roomkey.MemoryStore()
    with roomkey.TokenManager(store) as one, roomkey.TokenManager(store) as two:
        assert (
            one.credential(client_credentials(issuer)).header() == two.credential(client_credentials(issuer)).header()
        )


def test_no_secret_stands_in_a_store(issuer: Issuer) -> None:  # client 60
    store = roomkey.MemoryStore()
    with roomkey.TokenManager(store) as manager:
        token = manager.credential(client_credentials(issuer), "acme").token().value
    dump = b"".join(key.encode() + (store.get(key) or pytest.fail("gone")).value for key in store.keys())
    for secret in (token, str(issuer.client.client_secret), "acme", "reports"):
        assert secret.encode() not in dump


def test_equal_sources_share_one_credential_and_a_held_one_outlives_all_evictions(issuer: Issuer) -> None:  # client 61
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        held = manager.credential(client_credentials(issuer), "held")
        held.header()
        for tenant in range(3000):
            manager.credential(client_credentials(issuer), f"tenant {tenant}")
        assert manager.credential(client_credentials(issuer), "held") is held
        held.header()
    assert len(issuer.token_requests) == 1


@pytest.mark.slow
@pytest.mark.slow
def test_a_hundred_thousand_tenants_take_bounded_memory(issuer: Issuer) -> None:  # client 61
    source = client_credentials(issuer)
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        for tenant in range(100_000):
            manager.credential(source, f"tenant {tenant}")
        gc.collect()
        assert sum(type(thing) is roomkey.Credential for thing in gc.get_objects()) <= 1024


def test_wider_scope_is_another_credential_of_the_same_source(issuer: Issuer, orders: roomkey.Credential) -> None:
    wider = orders.with_scope("orders:read orders:write")
    assert wider.header() != orders.header()
    assert wider.token().scope == "orders:read orders:write"
    assert orders.with_scope("orders:write orders:read") is wider


@pytest.mark.parametrize("wrong", [None, 7, b"acme"])
def test_a_context_is_a_text(wrong: object) -> None:
    with roomkey.TokenManager(roomkey.MemoryStore()) as manager, pytest.raises(TypeError, match="text"):
        manager.credential(roomkey.ClientCredentials(**PLAIN), wrong)  # type: ignore[arg-type]


def test_a_closed_manager_says_so(orders: roomkey.Credential, make_manager: object, issuer: Issuer) -> None:
    manager = make_manager()  # type: ignore[operator]
    credential = manager.credential(client_credentials(issuer))
    credential.header()
    manager.close()
    manager.close()
    with pytest.raises(roomkey.TokenUnavailable, match="closed"):
        credential.header()


def test_the_hot_path_allocates_nothing(orders: roomkey.Credential) -> None:
    orders.header()
    blocks = []
    for _ in range(5):
        before = sys.getallocatedblocks()
        for _ in range(1000):
            orders.header()
        blocks.append(sys.getallocatedblocks() - before)
    assert min(blocks) < 50
