"""Users: their values, how they are read, and the acts of administrators on them, without privilege escalation."""

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Select, func, select, update

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, NotAllowed, NotFound
from roomkey.authorization_server.identity.passwords import PasswordHash
from roomkey.authorization_server.identity.usernames import key_of, storable
from roomkey.authorization_server.permissions import Permission, Role, permissions_of
from roomkey.authorization_server.schema.identity import passkeys, user_roles, users
from roomkey.authorization_server.tokens.revocation import revoke_access
from roomkey.authorization_server.unit_of_work import UnitOfWork

_WITH_SECOND_FACTOR: Final = frozenset({Role.ADMINISTRATOR.value, Role.APPROVER.value})


@dataclass(frozen=True, slots=True)
class User:
    """A user without secrets.

    Attributes:
        id: the subject of tokens and audit events; never reused.
        username: as displayed.
        username_key: normalized for comparison; the cursor of lists.
        roles: sorted.
        scopes: the scopes that tokens for this user may have, sorted; None for no limit.
        disabled_at, created_at, last_seen_at: seconds since 1970.
        has_totp: True where an authenticator app is registered.
        passkeys: number of registered passkeys.
    """

    id: str
    username: str
    username_key: str
    tenant: str | None
    roles: tuple[str, ...]
    scopes: tuple[str, ...] | None
    has_password: bool
    has_totp: bool
    passkeys: int
    created_at: int
    disabled_at: int | None
    last_seen_at: int | None

    @property
    def has_second_factor(self) -> bool:
        """True where a sign-in needs more than the password."""
        return self.has_totp or self.passkeys > 0

    @property
    def needs_second_factor(self) -> bool:
        """True for administrators and approvers."""
        return not _WITH_SECOND_FACTOR.isdisjoint(self.roles)

    @property
    def must_enrol(self) -> bool:
        """True where a second factor must be set up before anything else."""
        return self.needs_second_factor and not self.has_second_factor

    def actor(self, address: str = "") -> Actor:
        """The user as an actor, from the IP address ``address``."""
        return Actor(ActorKind.USER, self.id, self.username, frozenset(self.roles), self.tenant, address)


def get(uow: UnitOfWork, user: str) -> User:
    """The user with the id or the username ``user``; raises NotFound, for other tenants' too, and NotAllowed."""
    if not is_own(uow, user):
        uow.demand(Permission.READ_USERS, Permission.CHANGE_USERS)
    return _seen(uow, user)


def replace_password(uow: UnitOfWork, user: User, password: PasswordHash, *, keep_session: str = "") -> User:
    """Store the new password and revoke every session but ``keep_session``, and every token. The caller has checked
    the permission.
    """
    uow.connection.execute(
        update(users).where(users.c.id == user.id).values(password_hash=password.text, password_changed_at=uow.now)
    )
    revoke_access(uow, user.id, reason="password changed", keep_session=keep_session)
    record_event(uow, "user.password_changed", _subject(user))
    uow.bump_config_version()
    return find(uow, user.id)


def find(uow: UnitOfWork, user_id: str) -> User:
    """The user with this id; raises NotFound. The caller has checked the permission."""
    found = read(uow, select_users(users.c.id == user_id).limit(1))
    if not found:
        raise NotFound("There is no such user.")
    return found[0]


def lock_for_change(uow: UnitOfWork, user: str) -> User:
    """The user, locked for a change; raises NotAllowed where the user has a permission that the actor lacks."""
    uow.demand(Permission.CHANGE_USERS)
    uow.lock_admin_changes()
    found = _seen(uow, user)
    if not permissions_of(frozenset(found.roles)) <= permissions_of(uow.actor.roles):
        raise NotAllowed("This user has permissions that you lack; ask an administrator.")
    return found


def administrators_exist(connection: Connection) -> bool:
    """True where an enabled administrator of all tenants exists."""
    return _general_administrators(connection, but="") > 0


def is_own(uow: UnitOfWork, user_id: str) -> bool:
    """True where the actor is the user with this id."""
    return uow.actor.kind is ActorKind.USER and uow.actor.id == user_id


def _seen(uow: UnitOfWork, user: str) -> User:
    found = read(uow, select_users((users.c.id == storable(user)) | (users.c.username_key == key_of(user))).limit(2))
    exact = [one for one in found if one.id == user] or list(found)
    if not exact or not (uow.actor.sees(exact[0].tenant) or is_own(uow, exact[0].id)):
        raise NotFound("There is no such user.")
    return exact[0]


def select_users(*conditions: ColumnElement[bool]) -> Select[Any]:
    """A statement for users that are not deleted, for :func:`read`."""
    owned = select(func.count()).select_from(passkeys).where(passkeys.c.user_id == users.c.id)
    names = ("id", "username", "username_key", "tenant", "scopes", "created_at", "disabled_at", "last_seen_at")
    return select(
        *(users.c[name] for name in (*names, "totp_confirmed_at")),
        users.c.password_hash.is_not(None).label("has_password"),
        owned.scalar_subquery().label("passkeys"),
    ).where(users.c.deleted_at.is_(None), *conditions)


def read(uow: UnitOfWork, statement: Select[Any]) -> tuple[User, ...]:
    """The users of a statement of :func:`select_users`, with their roles."""
    rows = uow.connection.execute(statement).all()
    roles: dict[str, list[str]] = {row.id: [] for row in rows}
    for user_id, role in uow.connection.execute(
        select(user_roles.c.user_id, user_roles.c.role).where(user_roles.c.user_id.in_(roles)).order_by("role")
    ):
        roles[user_id].append(role)
    return tuple(
        User(
            id=row.id,
            username=row.username,
            username_key=row.username_key,
            tenant=row.tenant,
            roles=tuple(roles[row.id]),
            scopes=None if row.scopes is None else tuple(sorted(row.scopes.split())),
            has_password=bool(row.has_password),
            has_totp=row.totp_confirmed_at is not None,
            passkeys=row.passkeys,
            created_at=row.created_at,
            disabled_at=row.disabled_at,
            last_seen_at=row.last_seen_at,
        )
        for row in rows
    )


def _is_general(user: User) -> bool:
    """True for an enabled administrator of all tenants."""
    return Role.ADMINISTRATOR in user.roles and user.tenant is None and user.disabled_at is None


def keep_an_administrator(uow: UnitOfWork, user: User) -> None:
    """Raise Conflict where ``user`` is the last administrator of all tenants."""
    if _is_general(user) and _general_administrators(uow.connection, but=user.id) == 0:
        raise Conflict("This is the last administrator; create another one first.")


def _general_administrators(connection: Connection, *, but: str) -> int:
    """Number of administrators of all tenants besides ``but``; the caller holds the admin lock."""
    rows = connection.scalars(
        select(users.c.id)
        .join(user_roles, user_roles.c.user_id == users.c.id)
        .where(
            user_roles.c.role == Role.ADMINISTRATOR.value,
            users.c.tenant.is_(None),
            users.c.disabled_at.is_(None),
            users.c.id != but,
        )
    )
    return len(rows.all())


def _subject(user: User) -> Subject:
    return Subject("user", user.id, user.tenant)
