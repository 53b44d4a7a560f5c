import dataclasses
from collections.abc import Callable

import pytest
from sqlalchemy import insert, select

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.verify import find_break
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.identity import second_factors, sessions, users
from roomkey.authorization_server.identity.commands import (
    ChangeUser,
    CreateUser,
    DeleteUser,
    DisableUser,
    EnableUser,
    ListUsers,
    SetPassword,
)
from roomkey.authorization_server.identity.passwords import PasswordHashing
from roomkey.authorization_server.identity.sessions import Stage
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.schema.accounts import apis, service_accounts, tenants
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.identity import users as table
from roomkey.authorization_server.schema.tokens import access_tokens, authorization_codes, token_families
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.unit_of_work import config_version

CONSOLE = Actor.console()
Make = Callable[..., User]


@pytest.fixture
def acme(service: Service) -> str:
    with service.unit_of_work(CONSOLE) as uow:
        uow.connection.execute(insert(tenants), [{"name": name, "created_at": uow.now} for name in ("acme", "other")])
    return "acme"


def test_a_user_is_found_by_id_and_by_any_way_to_write_the_name(service: Service, make: Make) -> None:
    alice = make("Alice", "developer")
    with service.look(CONSOLE) as uow:
        assert users.get(uow, alice.id) == users.get(uow, "ALICE") == users.get(uow, "a1ice") == alice
        for name in ("bob", "", "\ud800", "al\x00ice", "x" * 100_000):
            with pytest.raises(NotFound):
                users.get(uow, name)
        with pytest.raises(Invalid):
            ListUsers(after="\ud800\x00")
    assert alice.username == "Alice"
    assert alice.roles == ("developer",)
    assert not alice.must_enrol


def test_a_name_that_looks_like_another_is_taken(service: Service, make: Make) -> None:  # auth service 36
    make("admin")
    for shadow in ("Admin", "ADMIN", "\uff41\uff44\uff4d\uff49\uff4e", "adm1n"):
        with pytest.raises(Conflict):
            make(shadow)


def test_lists_go_on_after_the_last_one_and_know_no_sql(service: Service, make: Make) -> None:  # auth service 47
    for name in ("carol", "alice", "bob", "dave"):
        make(name)
    with service.look(CONSOLE) as uow:
        page = ListUsers(limit=3)(uow)
        first, rest = page.items, ListUsers(after=page.after, limit=3)(uow).items
        assert sorted(user.username for user in (*first, *rest)) == ["alice", "bob", "carol", "dave"]
        assert len(first) == 3
        assert ListUsers(after="' OR 1=1 --", limit=200)(uow).items == (*first, *rest)
        assert tuple(all_items(uow, ListUsers(limit=1))) == (*first, *rest)
        for limit in (-5, 0, 201, 100_000_000):
            with pytest.raises(Invalid):
                ListUsers(limit=limit)


@pytest.mark.parametrize("role", ["approver", "developer", "auditor", "made-up"])
def test_only_administrators_change_users(service: Service, make: Make, role: str) -> None:  # auth service 43
    boss = make("boss", "administrator")
    actor = make("mallory", role).actor()
    hashed = PasswordHashing().hash_new("seven green lanterns hum", username="x")
    acts: list[Callable[..., object]] = [
        CreateUser(username="eve", roles=["administrator"]),
        ChangeUser("mallory", roles=["administrator"]),
        ChangeUser(actor.id, tenant=""),
        ChangeUser(actor.id, scopes=["everything"]),
        SetPassword(boss.id, hashed),
        DisableUser(boss.id),
        EnableUser(boss.id),
        DeleteUser(boss.id),
        lambda uow: second_factors.reset(uow, boss.id),
    ]
    for act in acts:
        with pytest.raises(NotAllowed), service.unit_of_work(actor) as uow:
            act(uow)
    with service.look(CONSOLE) as uow:
        assert users.get(uow, "mallory").roles == (role,)
        assert users.get(uow, "boss") == boss


def test_nobody_gives_a_role_above_their_own(  # auth service 45
    service: Service, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roomkey.authorization_server import permissions

    make("boss", "administrator")
    deputy = dataclasses.replace(make("deputy", "auditor").actor(), roles=frozenset({"auditor"}))
    allowed = permissions.ALLOWED | {
        permissions.Role.AUDITOR: frozenset({permissions.Permission.CHANGE_USERS, permissions.Permission.READ_USERS})
    }
    monkeypatch.setattr(permissions, "ALLOWED", allowed)
    with service.unit_of_work(deputy) as uow:
        CreateUser(username="helper", roles=["auditor"])(uow)
    for act in (
        CreateUser(username="puppet", roles=["administrator"]),
        ChangeUser("helper", roles=["auditor", "approver"]),
        ChangeUser("boss", roles=[]),
        SetPassword("boss", PasswordHashing().hash_new("kilo lanterns hum", username="x")),
    ):
        with pytest.raises(NotAllowed), service.unit_of_work(deputy) as uow:
            act(uow)


def test_another_tenants_user_is_not_there(service: Service, make: Make, acme: str) -> None:  # auth service 44
    admin = make("tina", "administrator", tenant=acme).actor()
    make("boss", "administrator")
    foreign = make("olga", tenant="other")
    general = make("gus")
    own = make("ann", actor=admin)
    assert own.tenant == acme
    for user in (foreign, general):
        for act in (users.get, DisableUser, DeleteUser, ChangeUser, second_factors.reset, sessions.list_sessions):
            with pytest.raises(NotFound), service.unit_of_work(admin) as uow:
                act(user.id)(uow) if isinstance(act, type) else act(uow, user.id)
    with service.look(admin) as uow:
        assert {user.username for user in ListUsers()(uow).items} == {"tina", "ann"}
    with pytest.raises(NotAllowed), service.unit_of_work(admin) as uow:
        ChangeUser(own.id, tenant="")(uow)
    with pytest.raises(Invalid), service.unit_of_work(admin) as uow:
        CreateUser(username="spy", tenant="other")(uow)


def test_the_last_administrator_stays(service: Service, make: Make, acme: str) -> None:  # auth service 45
    make("tina", "administrator", tenant=acme)
    boss = make("boss", "administrator")
    acts: list[Callable[..., object]] = [
        DisableUser("boss"),
        DeleteUser("boss"),
        ChangeUser("boss", roles=["developer"]),
        ChangeUser("boss", tenant="acme"),
    ]
    for act in acts:
        with pytest.raises(Conflict), service.unit_of_work(boss.actor()) as uow:
            act(uow)
    deputy = make("deputy", "administrator")
    with service.unit_of_work(deputy.actor()) as uow:
        DisableUser("boss")(uow)
    with pytest.raises(Conflict), service.unit_of_work(CONSOLE) as uow:
        DisableUser("deputy")(uow)
    with service.unit_of_work(CONSOLE) as uow:
        EnableUser("boss")(uow)
        ChangeUser("deputy", roles=["developer"])(uow)


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("roles", {"roles": ["Administrator"]}),
        ("roles", {"roles": ["a b"]}),
        ("roles", {"roles": [f"r{number}" for number in range(51)]}),
        ("scopes", {"scopes": "a  b"}),
        ("scopes", {"scopes": 'a"b'}),
        ("scopes", {"scopes": "x" * 5000}),
        ("tenant", {"tenant": "nowhere"}),
        ("username", {"username": "al ice"}),
    ],
)
def test_what_cannot_be_taken_names_its_field(service: Service, field: str, values: dict[str, object]) -> None:
    with pytest.raises(Invalid) as refused, service.unit_of_work(CONSOLE) as uow:
        CreateUser(**({"username": "alice"} | values))(uow)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_other_roles_end_the_sessions(service: Service, make: Make) -> None:  # auth service 31
    alice = make("alice", "developer")
    with service.unit_of_work(alice.actor()) as uow:
        begun = sessions.begin(uow, alice, stage=Stage.FULL)
    with service.unit_of_work(CONSOLE) as uow:
        before = config_version(uow.connection)
        changed = ChangeUser("alice", roles=["auditor", "developer"], scopes=["b", "a", "b"])(uow)
        assert (changed.roles, changed.scopes) == (("auditor", "developer"), ("a", "b"))
        assert sessions.look_up(uow, begun.cookie.value) is None
        assert config_version(uow.connection) != before
        assert ChangeUser("alice", scopes=[])(uow).scopes is None


def test_a_disabled_or_deleted_user_has_nothing_left(service: Service, make: Make) -> None:  # auth service 9
    for end, name in ((DisableUser, "alice"), (DeleteUser, "bob")):
        user = make(name)
        with service.unit_of_work(user.actor()) as uow:
            begun = sessions.begin(uow, user, stage=Stage.FULL)
            _hold(uow.connection, user.id, uow.now)
        with service.unit_of_work(CONSOLE) as uow:
            end(user.id)(uow)
        with service.look(CONSOLE) as uow:
            assert sessions.look_up(uow, begun.cookie.value) is None
            connection = uow.connection
            assert connection.scalars(select(token_families.c.revoked_at).filter_by(user_id=user.id)).all() == [uow.now]
            assert connection.scalars(select(access_tokens.c.revoked_at).filter_by(user_id=user.id)).all() == [uow.now]
            codes = connection.scalars(select(authorization_codes.c.used_at).filter_by(user_id=user.id)).all()
            assert codes == [uow.now]


def _hold(connection: object, user_id: str, now: int) -> None:
    from sqlalchemy import Connection

    assert isinstance(connection, Connection)
    if connection.scalar(select(service_accounts.c.client_id).filter_by(client_id="app")) is None:
        connection.execute(
            insert(service_accounts).values(client_id="app", kind="app", authentication="none", created_at=now)
        )
        connection.execute(
            insert(apis).values(
                audience="orders", client_id="app", token_lifetime=300, longest_app_token=300, token_format="jwt",
                algorithm="ES256", created_at=now,
            )
        )  # fmt: skip
    connection.execute(
        insert(token_families).values(
            id=f"fam_{user_id}", client_id="app", user_id=user_id, audience="orders", scope="a", created_at=now,
            expires_at=now + 900,
        )
    )  # fmt: skip
    connection.execute(
        insert(access_tokens).values(
            digest=user_id.encode().ljust(32), jti="j", client_id="app", user_id=user_id, audience="orders", scope="a",
            issued_at=now, expires_at=now + 300,
        )
    )  # fmt: skip
    connection.execute(
        insert(authorization_codes).values(
            digest=user_id.encode().ljust(32), client_id="app", user_id=user_id, redirect_uri="https://app.example",
            code_challenge="x", audience="orders", scope="a", authenticated_at=now, expires_at=now + 60,
        )
    )  # fmt: skip


def test_a_deleted_users_name_is_free_and_what_proved_them_is_gone(service: Service, make: Make) -> None:
    gone = make("alice")
    with service.unit_of_work(CONSOLE) as uow:
        DeleteUser(gone.id)(uow)
        for name in (gone.id, "alice", f"\x7f{gone.id}"):
            with pytest.raises(NotFound):
                users.get(uow, name)
        assert ListUsers()(uow).items == ()
        row = uow.connection.execute(select(table).where(table.c.id == gone.id)).one()
        assert row.password_hash is row.totp_seed is None
    assert make("alice").id != gone.id


def test_every_change_is_written_down_without_secrets(service: Service, make: Make) -> None:  # auth service 48
    make("alice")
    hashed = PasswordHashing().hash_new("kilo lanterns hum", username="alice")
    with service.unit_of_work(CONSOLE) as uow:
        ChangeUser("alice", roles=["developer"])(uow)
        SetPassword("alice", hashed)(uow)
        DisableUser("alice")(uow)
        EnableUser("alice")(uow)
        second_factors.reset(uow, "alice")
        DeleteUser("alice")(uow)
        events = select(audit_events.c.action, audit_events.c.details).where(audit_events.c.subject_kind == "user")
        rows = uow.connection.execute(events).all()
        assert [row.action for row in rows] == [
            "user.created",
            "user.changed",
            "user.password_changed",
            "user.disabled",
            "user.enabled",
            "user.second_factors_reset",
            "user.deleted",
        ]
        assert "argon2" not in "".join(row.details for row in rows)
        assert find_break(uow.connection) is None


def test_people_read_themselves_alone(service: Service, make: Make) -> None:  # auth service 43
    alice, bob = make("alice", "developer"), make("bob")
    with service.look(alice.actor()) as uow:
        assert users.get(uow, alice.id) == alice
        with pytest.raises(NotAllowed):
            users.get(uow, bob.id)
        with pytest.raises(NotAllowed):
            ListUsers()(uow)
    with pytest.raises(NotAllowed), service.look(Actor(ActorKind.SERVICE_ACCOUNT, id=bob.id)) as uow:
        users.get(uow, bob.id)
