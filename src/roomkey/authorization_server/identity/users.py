"""Users: their values, how they are read, and the acts of administrators on them, without privilege escalation."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from sqlalchemy import ColumnElement, Connection, delete, exists, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.actor import Actor, ActorKind
from roomkey.authorization_server.audit.record import Subject, record_event
from roomkey.authorization_server.errors import Conflict, Invalid, NotAllowed, NotFound
from roomkey.authorization_server.identity.passwords import PasswordHash
from roomkey.authorization_server.identity.usernames import key_of, storable
from roomkey.authorization_server.identity.usernames import username as checked
from roomkey.authorization_server.permissions import Permission, Role, permissions_of
from roomkey.authorization_server.schema.accounts import tenants
from roomkey.authorization_server.schema.identity import passkeys, recovery_codes, user_roles, users
from roomkey.authorization_server.tokens.revocation import revoke_access, revoke_sessions
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

MOST: Final = 200
_MOST_ROLES: Final = 50
_ROLE: Final = re.compile(r"[a-z0-9][a-z0-9_.:-]{0,63}", re.ASCII)
_SCOPES: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*")  # RFC 6749 section 3.3
_LONGEST_SCOPES: Final = 4096
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


def create(
    uow: UnitOfWork,
    *,
    username: str,
    roles: Iterable[str] = (),
    tenant: str | None = None,
    scopes: str | None = None,
    password: PasswordHash | None = None,
) -> User:
    """Make a user; without ``password`` nobody can sign in as them until one is set.

    ``password`` is made beforehand, by ``PasswordHashing.hash_new``: it takes too long for a transaction. An actor of
    one tenant makes users of that tenant. Raises NotAllowed, Invalid (``field``) and Conflict where the name, or one
    that looks like it, is taken.
    """
    uow.demand(Permission.CHANGE_USERS)
    name = checked(username)
    wanted = _checked_roles(uow, roles)
    tenant = _checked_tenant(uow, uow.actor.tenant if tenant is None else tenant)
    user_id = new_id("usr")
    try:
        uow.connection.execute(
            insert(users).values(
                id=user_id,
                username=name.shown,
                username_key=name.key,
                tenant=tenant,
                scopes=_checked_scopes(scopes),
                password_hash=None if password is None else password.text,
                password_changed_at=None if password is None else uow.now,
                created_at=uow.now,
            )
        )
    except IntegrityError:
        raise Conflict(f"The username {name.shown}, or one that looks like it, is taken; choose another one.") from None
    _write_roles(uow, user_id, wanted)
    record_event(
        uow, "user.created", Subject("user", user_id, tenant), username=name.shown, roles=wanted, scopes=scopes
    )
    uow.bump_config_version()
    return find(uow, user_id)


def get(uow: UnitOfWork, user: str) -> User:
    """The user with the id or the username ``user``; raises NotFound, for other tenants' too, and NotAllowed."""
    if not is_own(uow, user):
        uow.demand(Permission.READ_USERS, Permission.CHANGE_USERS)
    return _seen(uow, user)


def list_users(uow: UnitOfWork, *, after: str = "", limit: int = 50) -> tuple[User, ...]:
    """Users by name, ``limit`` (200 at most) after the one with the ``username_key`` ``after``; raises NotAllowed."""
    uow.demand(Permission.READ_USERS, Permission.CHANGE_USERS)
    conditions: list[ColumnElement[bool]] = [users.c.username_key > storable(after)]
    if uow.actor.tenant is not None:
        conditions.append(users.c.tenant == uow.actor.tenant)
    return _read(uow, *conditions, limit=max(1, min(limit, MOST)))


def change(
    uow: UnitOfWork,
    user: str,
    *,
    roles: Iterable[str] | None = None,
    scopes: str | None = None,
    tenant: str | None = None,
) -> User:
    """Give a user other roles, scopes or another tenant; what is None stays, an empty text takes away.

    Other roles or another tenant end the user's sessions, so that the next one begins with a new id. Raises NotFound,
    NotAllowed, Invalid and, for the last administrator, Conflict.
    """
    before = lock_for_change(uow, user)
    values: dict[str, str | None] = {}
    if scopes is not None:
        values["scopes"] = _checked_scopes(scopes or None)
    if tenant is not None:
        if uow.actor.tenant is not None and tenant != uow.actor.tenant:
            raise NotAllowed("Users stay in your own tenant; ask an administrator of all tenants.")
        values["tenant"] = _checked_tenant(uow, tenant or None)
    wanted = before.roles if roles is None else _checked_roles(uow, roles)
    if _is_general(before) and (Role.ADMINISTRATOR not in wanted or values.get("tenant") is not None):
        _keep_an_administrator(uow, before)
    if wanted != before.roles:
        uow.connection.execute(delete(user_roles).where(user_roles.c.user_id == before.id))
        _write_roles(uow, before.id, wanted)
    if values:
        uow.connection.execute(update(users).where(users.c.id == before.id).values(values))
    after = find(uow, before.id)
    if (after.roles, after.tenant) != (before.roles, before.tenant):
        revoke_sessions(uow, before.id)
    record_event(uow, "user.changed", _subject(after), before=_shown(before), after=_shown(after))
    uow.bump_config_version()
    return after


def set_password(uow: UnitOfWork, user: str, password: PasswordHash) -> User:
    """Give a user another password and end all that was begun with the old one; raises NotFound and NotAllowed."""
    found = lock_for_change(uow, user)
    return replace_password(uow, found, password)


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


def disable(uow: UnitOfWork, user: str) -> User:
    """Let nobody in as this user, and end sessions, refresh tokens and access tokens at once.

    Raises NotFound, NotAllowed and, for the last administrator, Conflict.
    """
    found = lock_for_change(uow, user)
    if found.disabled_at is not None:
        return found
    _keep_an_administrator(uow, found)
    uow.connection.execute(update(users).where(users.c.id == found.id).values(disabled_at=uow.now))
    revoke_access(uow, found.id, reason="user disabled")
    record_event(uow, "user.disabled", _subject(found))
    uow.bump_config_version()
    return find(uow, found.id)


def enable(uow: UnitOfWork, user: str) -> User:
    """Let a disabled user in again; what was ended stays so. Raises NotFound and NotAllowed."""
    found = lock_for_change(uow, user)
    if found.disabled_at is None:
        return found
    uow.connection.execute(update(users).where(users.c.id == found.id).values(disabled_at=None))
    record_event(uow, "user.enabled", _subject(found))
    uow.bump_config_version()
    return find(uow, found.id)


def remove(uow: UnitOfWork, user: str) -> None:
    """Delete a user: everything ends at once, what proves who they are is erased, and the name is free again.

    The id stays in the audit log and is never used again. Raises NotFound, NotAllowed and, for the last
    administrator, Conflict.
    """
    found = lock_for_change(uow, user)
    _keep_an_administrator(uow, found)
    revoke_access(uow, found.id, reason="user deleted")
    for table in (user_roles, passkeys, recovery_codes):
        uow.connection.execute(delete(table).where(table.c.user_id == found.id))
    uow.connection.execute(
        update(users)
        .where(users.c.id == found.id)
        .values(
            username="",
            username_key=f"\x7f{found.id}",  # no name that can be typed folds to this
            password_hash=None,
            totp_seed=None,
            totp_pending=None,
            totp_confirmed_at=None,
            disabled_at=uow.now,
            deleted_at=uow.now,
        )
    )
    record_event(uow, "user.deleted", _subject(found), username=found.username)
    uow.bump_config_version()


def find(uow: UnitOfWork, user_id: str) -> User:
    """The user with this id; raises NotFound. The caller has checked the permission."""
    found = _read(uow, users.c.id == user_id, limit=1)
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
    found = _read(uow, (users.c.id == storable(user)) | (users.c.username_key == key_of(user)), limit=2)
    exact = [one for one in found if one.id == user] or list(found)
    if not exact or not (uow.actor.sees(exact[0].tenant) or is_own(uow, exact[0].id)):
        raise NotFound("There is no such user.")
    return exact[0]


def _read(uow: UnitOfWork, *conditions: ColumnElement[bool], limit: int) -> tuple[User, ...]:
    rows = uow.connection.execute(
        select(
            *(users.c[name] for name in ("id", "username", "username_key", "tenant", "scopes", "created_at")),
            *(users.c[name] for name in ("disabled_at", "last_seen_at", "totp_confirmed_at")),
            users.c.password_hash.is_not(None).label("has_password"),
            select(func.count())
            .select_from(passkeys)
            .where(passkeys.c.user_id == users.c.id)
            .scalar_subquery()
            .label("passkeys"),
        )
        .where(users.c.deleted_at.is_(None), *conditions)
        .order_by(users.c.username_key)
        .limit(limit)
    ).all()
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


def _write_roles(uow: UnitOfWork, user_id: str, roles: tuple[str, ...]) -> None:
    if roles:
        uow.connection.execute(insert(user_roles), [{"user_id": user_id, "role": role} for role in roles])


def _checked_roles(uow: UnitOfWork, roles: Iterable[str]) -> tuple[str, ...]:
    wanted = tuple(sorted(set(roles)))
    if len(wanted) > _MOST_ROLES or not all(_ROLE.fullmatch(role) for role in wanted):
        raise Invalid("A role is made of a-z, 0-9 and _ . : -, and a user has 50 at most.", field="roles")
    if not permissions_of(frozenset(wanted)) <= permissions_of(uow.actor.roles):
        raise NotAllowed("You can give nobody a role that allows more than your own; ask an administrator.")
    return wanted


def _checked_scopes(scopes: str | None) -> str | None:
    if scopes is None:
        return None
    if len(scopes) > _LONGEST_SCOPES or not _SCOPES.fullmatch(scopes):
        raise Invalid("Scopes are words of printable ASCII, one space between them.", field="scopes")
    return " ".join(sorted(set(scopes.split(" "))))


def _checked_tenant(uow: UnitOfWork, tenant: str | None) -> str | None:
    if tenant is None:
        return None
    known = uow.connection.scalar(select(exists().where(tenants.c.name == tenant)))
    if not known or not uow.actor.sees(tenant):
        raise Invalid("There is no such tenant; create it first.", field="tenant")
    return tenant


def _is_general(user: User) -> bool:
    """True for an enabled administrator of all tenants."""
    return Role.ADMINISTRATOR in user.roles and user.tenant is None and user.disabled_at is None


def _keep_an_administrator(uow: UnitOfWork, user: User) -> None:
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


def _shown(user: User) -> dict[str, object]:
    return {"roles": user.roles, "scopes": user.scopes, "tenant": user.tenant}
