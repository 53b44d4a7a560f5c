"""Key rotation, from next to removed: no signature before its key is published, and no key stays too long."""

import json
import logging
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select
from tests.authorization_server.sample_tokens import CONSOLE, add_api, issue, issue_app_token

from roomkey.authorization_server.accounts.app_tokens.commands import RevokeAppToken
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.keys.adoption import list_key_states, report_held_keys
from roomkey.authorization_server.keys.key_record import CLOCK_STEP, KeyState, read_keys
from roomkey.authorization_server.keys.new_key import ensure_signing_key
from roomkey.authorization_server.keys.rotation import DueChanges, KeyRotation, apply_due_changes, rotate, withdraw
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.signing_keys import signing_keys
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.settings import DAY, Settings
from roomkey.jose import verify_compact
from roomkey.stores.keyring import Keyring
from roomkey.testing import FakeClock


def turn(service: Service, **how: object) -> KeyRotation:
    with service.unit_of_work(CONSOLE) as uow:
        return rotate(uow, **how)  # type: ignore[arg-type]


def go_on(service: Service) -> DueChanges:
    with service.unit_of_work(CONSOLE) as uow:
        return apply_due_changes(uow)


def states(service: Service, algorithm: str = "ES256") -> list[str]:
    with service.look(CONSOLE) as uow:
        return sorted(key.state.value for key in read_keys(uow, removed=True) if key.algorithm == algorithm)


def published(service: Service) -> set[str]:
    with service.look(CONSOLE) as uow:
        return {jwk["kid"] for jwk in service.keys.load(uow).published}


def signing(service: Service) -> str:
    with service.look(CONSOLE) as uow:
        return str(service.keys.load(uow).signing["ES256"].key_id)


def verifies(service: Service, token: str) -> bytes:
    with service.look(CONSOLE) as uow:
        return verify_compact(token, service.keys.load(uow).verifying(), algorithms=["ES256"])


def test_the_next_key_is_published_for_a_jwks_lifetime_before_it_signs(service: Service, clock: FakeClock) -> None:
    # auth service 51
    old = signing(service)
    made = turn(service)
    assert made.state is KeyState.NEXT
    assert published(service) == {old, made.kid}
    assert signing(service) == old
    assert made.signs_from == service.now() + service.settings.jwks_max_age + CLOCK_STEP
    clock.advance(service.settings.jwks_max_age + CLOCK_STEP - 1)
    assert go_on(service) == DueChanges()
    assert turn(service) == made  # asked for once more, it is still too new
    assert signing(service) == old
    clock.advance(1)
    assert [one.kid for one in go_on(service).activated] == [made.kid]
    assert signing(service) == made.kid
    assert published(service) == {old, made.kid}


def test_rotating_by_hand_lets_a_next_key_sign_that_is_old_enough(service: Service, clock: FakeClock) -> None:
    old, made = signing(service), turn(service)
    clock.advance(service.settings.jwks_max_age + CLOCK_STEP)
    done = turn(service)
    assert (done.kid, done.state, done.replaced, done.warning) == (made.kid, KeyState.SIGNING, old, "")


def test_a_clock_that_is_set_back_puts_off_no_rotation_by_hand(service: Service, clock: FakeClock) -> None:
    clock.advance(3600)
    first = turn(service, now=True)
    clock.step_wall(-3600)
    assert turn(service, now=True).kid != first.kid


def test_a_retired_key_stays_until_its_last_token_has_expired_and_is_then_removed(
    service: Service, clock: FakeClock
) -> None:
    # auth service 51
    add_api(service)
    old = signing(service)
    last = issue_app_token(service, lifetime=5 * DAY)
    turn(service, now=True)
    clock.advance(5 * DAY)
    assert go_on(service) == DueChanges()
    assert old in published(service)
    verifies(service, last.token.reveal())
    clock.advance(service.settings.clock_leeway + CLOCK_STEP)
    assert go_on(service).removed == (old,)
    assert published(service) == {signing(service)}
    with service.look(CONSOLE) as uow:
        row = uow.connection.execute(select(signing_keys).where(signing_keys.c.kid == old)).one()
    assert (row.state, row.private_key, row.removed_at) == ("removed", None, service.now())


def test_without_app_tokens_a_retired_key_is_removed_after_the_longest_access_token(
    service: Service, clock: FakeClock
) -> None:
    # auth service 51
    add_api(service, "orders-api", token_lifetime=300)
    add_api(service, "stock-api", token_lifetime=3600)
    old = signing(service)
    turn(service, now=True)
    clock.advance(3600 + service.settings.clock_leeway + CLOCK_STEP - 1)
    assert go_on(service).removed == ()
    clock.advance(1)
    assert go_on(service).removed == (old,)


def test_revoked_and_opaque_app_tokens_keep_no_key(service: Service, clock: FakeClock) -> None:
    add_api(service)
    old = signing(service)
    revoked = issue_app_token(service, lifetime=30 * DAY)
    issue_app_token(service, lifetime=30 * DAY, token_format="opaque")
    with service.unit_of_work(CONSOLE) as uow:
        RevokeAppToken(revoked.app_token.id)(uow)
    turn(service, now=True)
    clock.advance(DAY)
    assert go_on(service).removed == (old,)


def test_a_token_that_is_recorded_after_its_key_retired_keeps_the_key(service: Service, clock: FakeClock) -> None:
    add_api(service)
    old = signing(service)
    turn(service, now=True)
    late = issue_app_token(service, lifetime=10 * DAY)  # in the database after the rotation, issued in its second
    clock.advance(DAY)
    assert go_on(service).removed == ()
    clock.advance(9 * DAY + service.settings.clock_leeway + CLOCK_STEP)
    assert service.now() >= late.app_token.expires_at
    assert go_on(service).removed == (old,)


def test_an_old_key_is_replaced_automatically(service: Service, clock: FakeClock) -> None:
    old = signing(service)
    clock.advance(service.settings.signing_key_lifetime - 1)
    assert go_on(service) == DueChanges()
    clock.advance(1)
    (made,) = go_on(service).created
    assert go_on(service) == DueChanges()
    clock.advance(service.settings.jwks_max_age + CLOCK_STEP)
    go_on(service)
    assert signing(service) == made != old
    clock.advance(DAY)
    assert go_on(service).removed == (old,)
    assert states(service) == ["removed", "signing"]


def test_each_algorithm_rotates_independently(service: Service, clock: FakeClock) -> None:
    with service.unit_of_work(CONSOLE) as uow:
        ensure_signing_key(uow, "EdDSA")
    turn(service, algorithm="EdDSA", now=True)
    assert states(service, "EdDSA") == ["retiring", "signing"]
    assert states(service) == ["signing"]
    with pytest.raises(NotFound, match="RS256"):
        turn(service, algorithm="RS256")


def test_an_immediate_rotation_warns_of_the_apis_that_lack_the_key(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    # auth service 51
    old = signing(service)
    for audience, kids in (("orders-api", [old]), ("stock-api", [old, "key_elsewhere"])):
        add_api(service, audience)
        with service.unit_of_work(Actor(ActorKind.SERVICE_ACCOUNT, audience)) as uow:
            assert report_held_keys(uow, kids) == (old,)
    with caplog.at_level(logging.WARNING):
        done = turn(service, now=True)
    assert signing(service) == done.kid
    assert done.lacking == ("orders-api", "stock-api")
    assert "orders-api, stock-api" in done.warning
    assert done.warning in caplog.text
    with service.look(CONSOLE) as uow:
        event = uow.connection.execute(select(audit_events).where(audit_events.c.action == "key.activated")).one()
        assert json.loads(event.details) == {
            "algorithm": "ES256",
            "early": True,
            "lacking": ["orders-api", "stock-api"],
            "replaced": old,
        }
        assert find_break(uow.connection) is None


def test_a_timely_activation_warns_only_of_apis_that_lack_the_key(service: Service, clock: FakeClock) -> None:
    add_api(service, "orders-api")
    add_api(service, "stock-api")
    old, made = signing(service), turn(service)
    clock.advance(service.settings.jwks_max_age + CLOCK_STEP)
    for audience, kids in (("orders-api", [old, made.kid]), ("stock-api", [old])):
        with service.unit_of_work(Actor(ActorKind.SERVICE_ACCOUNT, audience)) as uow:
            report_held_keys(uow, kids)
    with service.look(CONSOLE) as uow:
        following = next(one for one in list_key_states(uow) if one.key.kid == made.kid)
    assert (following.held_by, following.lacking) == (("orders-api",), ("stock-api",))
    assert turn(service).lacking == ("stock-api",)


def test_a_report_is_valid_for_a_day_and_from_apis_only(service: Service, clock: FakeClock) -> None:
    add_api(service)
    api = Actor(ActorKind.SERVICE_ACCOUNT, "orders-api")
    with service.unit_of_work(api) as uow:
        report_held_keys(uow, [signing(service)])
    made = turn(service)
    assert made.lacking == ("orders-api",)
    clock.advance(DAY)
    assert turn(service).lacking == ()
    for actor in (CONSOLE, Actor(ActorKind.SERVICE_ACCOUNT, "reports")):
        with service.unit_of_work(actor) as uow, pytest.raises(NotAllowed):
            report_held_keys(uow, [made.kid])


def test_two_nodes_that_rotate_at_once_make_one_key(database_url: str, tmp_path: Path, clock: FakeClock) -> None:
    # auth service 52
    keyring = Keyring.generate()
    settings = Settings.at(tmp_path, database=database_url)
    nodes = [Service.open(settings, clock=clock, keyring=keyring) for _ in range(4)]
    try:
        for how, expected in (
            ({}, ["next", "signing"]),
            ({"now": True}, ["retiring", "signing"]),
            ({"now": True}, ["retiring", "signing"]),
        ):
            barrier = Barrier(len(nodes))

            def both(node: Service, how: dict[str, object] = how, barrier: Barrier = barrier) -> str:
                barrier.wait()
                return turn(node, **how).kid

            with ThreadPoolExecutor(len(nodes)) as pool:
                kids = set(pool.map(both, nodes))
            assert len(kids) == 1
            assert states(nodes[0]) == expected
            assert {signing(node) for node in nodes} == {signing(nodes[0])}
        clock.advance(100 * DAY)
        with ThreadPoolExecutor(len(nodes)) as pool:
            done = list(pool.map(go_on, nodes))
        assert sum(len(one.created) for one in done) == 1
        assert sum(len(one.removed) for one in done) == 1
    finally:
        for node in nodes:
            node.close()


def test_nodes_that_start_at_once_make_one_key(database_url: str, tmp_path: Path, clock: FakeClock) -> None:
    # auth service 52
    keyring, settings = Keyring.generate(), Settings.at(tmp_path, database=database_url)
    with ThreadPoolExecutor(4) as pool:
        nodes = list(pool.map(lambda _: Service.open(settings, clock=clock, keyring=keyring), range(4)))
    try:
        assert states(nodes[0]) == ["signing"]
        assert len({signing(node) for node in nodes}) == 1
    finally:
        for node in nodes:
            node.close()


@pytest.mark.parametrize("step", [-300, 300])
def test_a_stepped_clock_breaks_neither_issuing_nor_verifying(service: Service, clock: FakeClock, step: int) -> None:
    # auth service 52
    add_api(service)
    before = issue(service)
    old, made = signing(service), turn(service)
    began = clock.monotonic()
    clock.step_wall(step)
    for token in (before, issue(service)):
        verifies(service, token.value)
    while signing(service) == old:
        clock.advance(10)
        go_on(service)
        verifies(service, issue(service).value)
    assert clock.monotonic() - began >= service.settings.jwks_max_age
    last = issue(service)
    clock.step_wall(-step)
    go_on(service)
    assert signing(service) == made.kid
    for token in (before, last, issue(service)):
        verifies(service, token.value)


def test_a_clock_step_forward_removes_no_key_of_valid_tokens(service: Service, clock: FakeClock) -> None:
    # auth service 52
    add_api(service)
    token = issue(service, lifetime=3600)
    turn(service, now=True)
    clock.advance(3599)
    clock.step_wall(300)
    assert go_on(service).removed == ()
    verifies(service, token.value)


def test_a_leaked_key_is_withdrawn_at_once(service: Service) -> None:
    old = signing(service)
    with service.unit_of_work(CONSOLE) as uow, pytest.raises(Conflict, match="rotate first"):
        withdraw(uow, old)
    turn(service, now=True)
    with service.unit_of_work(CONSOLE) as uow:
        withdraw(uow, old)
    assert old not in published(service)
    with service.unit_of_work(CONSOLE) as uow, pytest.raises(NotFound):
        withdraw(uow, old)


def test_only_administrators_of_the_whole_service_rotate_keys(service: Service) -> None:
    developer = Actor(ActorKind.USER, "u1", roles=frozenset({"developer"}))
    of_a_tenant = Actor(ActorKind.USER, "u2", roles=frozenset({"administrator"}), tenant="acme")
    for actor in (developer, of_a_tenant):
        with service.unit_of_work(actor) as uow:
            for act in (rotate, apply_due_changes, lambda uow: withdraw(uow, "key")):
                with pytest.raises(NotAllowed):
                    act(uow)
    assert states(service) == ["signing"]


def test_the_hot_path_uses_cached_keys_until_something_changes(service: Service) -> None:
    with service.look(CONSOLE) as uow:
        keys = service.keys.load(uow)
    assert service.keys.cached(keys.config_version) is keys
    turn(service)
    with service.look(CONSOLE) as uow:
        assert service.keys.load(uow).config_version != keys.config_version
    assert service.keys.cached(keys.config_version) is None
