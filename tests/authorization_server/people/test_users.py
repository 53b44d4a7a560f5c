import dataclasses
from collections.abc import Callable

import pytest
from sqlalchemy import insert, select

from roomkey.authorization_server import audit
from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.people import second_factors, sessions, users
from roomkey.authorization_server.people.passwords import PasswordHashing
from roomkey.authorization_server.people.sessions import Stage
from roomkey.authorization_server.people.users import User
from roomkey.authorization_server.schema.accounts import apis, service_accounts, tenants
from roomkey.authorization_server.schema.audit import audit_events
from roomkey.authorization_server.schema.people import users as table
from roomkey.authorization_server.schema.tokens import access_tokens, authorization_codes, token_families
from roomkey.authorization_server.service import Service
from roomkey.authorization_server.work import changes

CONSOLE = Actor.console()
Make = Callable[..., User]


@pytest.fixture
def acme(service: Service) -> str:
    with service.work(CONSOLE) as work:
        work.connection.execute(insert(tenants), [{"name": name, "created_at": work.now} for name in ("acme", "other")])
    return "acme"


def test_a_user_is_found_by_id_and_by_any_way_to_write_the_name(service: Service, make: Make) -> None:
    alice = make("Alice", "developer")
    with service.look(CONSOLE) as work:
        assert users.get(work, alice.id) == users.get(work, "ALICE") == users.get(work, "a1ice") == alice
        for name in ("bob", "", "\ud800", "al\x00ice", "x" * 100_000):
            with pytest.raises(NotFound):
                users.get(work, name)
        users.list_users(work, after="\ud800\x00")
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
    with service.look(CONSOLE) as work:
        first = users.list_users(work, limit=3)
        rest = users.list_users(work, after=first[-1].username_key, limit=3)
        assert sorted(user.username for user in (*first, *rest)) == ["alice", "bob", "carol", "dave"]
        assert len(first) == 3
        assert users.list_users(work, after="' OR 1=1 --", limit=100_000_000) == (*first, *rest)
        assert len(users.list_users(work, limit=-5)) == 1


@pytest.mark.parametrize("role", ["approver", "developer", "auditor", "made-up"])
def test_only_administrators_change_people(service: Service, make: Make, role: str) -> None:  # auth service 43
    boss = make("boss", "administrator")
    actor = make("mallory", role).actor()
    hashed = PasswordHashing().hash_new("seven green lanterns hum", username="x")
    acts: list[Callable[..., object]] = [
        lambda work: users.create(work, username="eve", roles=["administrator"]),
        lambda work: users.change(work, "mallory", roles=["administrator"]),
        lambda work: users.change(work, actor.id, tenant=""),
        lambda work: users.change(work, actor.id, scopes="everything"),
        lambda work: users.set_password(work, boss.id, hashed),
        lambda work: users.disable(work, boss.id),
        lambda work: users.enable(work, boss.id),
        lambda work: users.remove(work, boss.id),
        lambda work: second_factors.reset(work, boss.id),
    ]
    for act in acts:
        with pytest.raises(NotAllowed), service.work(actor) as work:
            act(work)
    with service.look(CONSOLE) as work:
        assert users.get(work, "mallory").roles == (role,)
        assert users.get(work, "boss") == boss


def test_nobody_gives_a_role_above_their_own(  # auth service 45
    service: Service, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from roomkey.authorization_server import permissions

    make("boss", "administrator")
    deputy = dataclasses.replace(make("deputy", "auditor").actor(), roles=frozenset({"auditor"}))
    allowed = permissions.ALLOWED | {
        permissions.Role.AUDITOR: frozenset({permissions.Permission.CHANGE_PEOPLE, permissions.Permission.READ_PEOPLE})
    }
    monkeypatch.setattr(permissions, "ALLOWED", allowed)
    with service.work(deputy) as work:
        users.create(work, username="helper", roles=["auditor"])
    for act in (
        lambda work: users.create(work, username="puppet", roles=["administrator"]),
        lambda work: users.change(work, "helper", roles=["auditor", "approver"]),
        lambda work: users.change(work, "boss", roles=[]),
        lambda work: users.set_password(work, "boss", PasswordHashing().hash_new("kilo lanterns hum", username="x")),
    ):
        with pytest.raises(NotAllowed), service.work(deputy) as work:
            act(work)


def test_another_tenants_user_is_not_there(service: Service, make: Make, acme: str) -> None:  # auth service 44
    admin = make("tina", "administrator", tenant=acme).actor()
    make("boss", "administrator")
    foreign = make("olga", tenant="other")
    general = make("gus")
    own = make("ann", actor=admin)
    assert own.tenant == acme
    for user in (foreign, general):
        for act in (users.get, users.disable, users.remove, users.change, second_factors.reset, sessions.list_sessions):
            with pytest.raises(NotFound), service.work(admin) as work:
                act(work, user.id)
    with service.look(admin) as work:
        assert {user.username for user in users.list_users(work)} == {"tina", "ann"}
    with pytest.raises(NotAllowed), service.work(admin) as work:
        users.change(work, own.id, tenant="")
    with pytest.raises(Invalid), service.work(admin) as work:
        users.create(work, username="spy", tenant="other")


def test_the_last_administrator_stays(service: Service, make: Make, acme: str) -> None:  # auth service 45
    make("tina", "administrator", tenant=acme)
    boss = make("boss", "administrator")
    acts: list[Callable[..., object]] = [
        lambda work: users.disable(work, "boss"),
        lambda work: users.remove(work, "boss"),
        lambda work: users.change(work, "boss", roles=["developer"]),
        lambda work: users.change(work, "boss", tenant="acme"),
    ]
    for act in acts:
        with pytest.raises(Conflict), service.work(boss.actor()) as work:
            act(work)
    deputy = make("deputy", "administrator")
    with service.work(deputy.actor()) as work:
        users.disable(work, "boss")
    with pytest.raises(Conflict), service.work(CONSOLE) as work:
        users.disable(work, "deputy")
    with service.work(CONSOLE) as work:
        users.enable(work, "boss")
        users.change(work, "deputy", roles=["developer"])


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
    with pytest.raises(Invalid) as refused, service.work(CONSOLE) as work:
        users.create(work, **({"username": "alice"} | values))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_other_roles_end_the_sessions(service: Service, make: Make) -> None:  # auth service 31
    alice = make("alice", "developer")
    with service.work(alice.actor()) as work:
        begun = sessions.begin(work, alice, stage=Stage.FULL)
    with service.work(CONSOLE) as work:
        before = changes(work.connection)
        changed = users.change(work, "alice", roles=["auditor", "developer"], scopes="b a b")
        assert (changed.roles, changed.scopes) == (("auditor", "developer"), ("a", "b"))
        assert sessions.look_up(work, begun.cookie.value) is None
        assert changes(work.connection) != before
        assert users.change(work, "alice", scopes="").scopes is None


def test_a_disabled_or_deleted_user_has_nothing_left(service: Service, make: Make) -> None:  # auth service 9
    for end, name in ((users.disable, "alice"), (users.remove, "bob")):
        user = make(name)
        with service.work(user.actor()) as work:
            begun = sessions.begin(work, user, stage=Stage.FULL)
            _hold(work.connection, user.id, work.now)
        with service.work(CONSOLE) as work:
            end(work, user.id)
        with service.look(CONSOLE) as work:
            assert sessions.look_up(work, begun.cookie.value) is None
            connection = work.connection
            assert connection.scalars(select(token_families.c.revoked_at).filter_by(user_id=user.id)).all() == [
                work.now
            ]
            assert connection.scalars(select(access_tokens.c.revoked_at).filter_by(user_id=user.id)).all() == [work.now]
            codes = connection.scalars(select(authorization_codes.c.used_at).filter_by(user_id=user.id)).all()
            assert codes == [work.now]


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
    with service.work(CONSOLE) as work:
        users.remove(work, gone.id)
        for name in (gone.id, "alice", f"\x7f{gone.id}"):
            with pytest.raises(NotFound):
                users.get(work, name)
        assert users.list_users(work) == ()
        row = work.connection.execute(select(table).where(table.c.id == gone.id)).one()
        assert row.password_hash is row.totp_seed is None
    assert make("alice").id != gone.id


def test_every_change_is_written_down_without_secrets(service: Service, make: Make) -> None:  # auth service 48
    make("alice")
    hashed = PasswordHashing().hash_new("kilo lanterns hum", username="alice")
    with service.work(CONSOLE) as work:
        users.change(work, "alice", roles=["developer"])
        users.set_password(work, "alice", hashed)
        users.disable(work, "alice")
        users.enable(work, "alice")
        second_factors.reset(work, "alice")
        users.remove(work, "alice")
        events = select(audit_events.c.action, audit_events.c.details).where(audit_events.c.subject_kind == "user")
        rows = work.connection.execute(events).all()
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
        assert audit.verify(work.connection) is None


def test_people_read_themselves_alone(service: Service, make: Make) -> None:  # auth service 43
    alice, bob = make("alice", "developer"), make("bob")
    with service.look(alice.actor()) as work:
        assert users.get(work, alice.id) == alice
        with pytest.raises(NotAllowed):
            users.get(work, bob.id)
        with pytest.raises(NotAllowed):
            users.list_users(work)
    with pytest.raises(NotAllowed), service.look(Actor(ActorKind.SERVICE_ACCOUNT, id=bob.id)) as work:
        users.get(work, bob.id)
