"""Commands on users.

The admin API reads users and disables them; accounts, roles, passwords and second factors are for administrators who
have signed in, or the console: no service account can give itself a user.
"""

from typing import Annotated

from msgspec import Meta
from sqlalchemy import delete, insert, update
from sqlalchemy.exc import IntegrityError

from roomkey.authorization_server.accounts.tenants.commands import tenant_of_new
from roomkey.authorization_server.audit.record import Subject
from roomkey.authorization_server.commands.command import Command, command
from roomkey.authorization_server.commands.fields import Lookup, Reason, Scopes, Tenant, Typed, matching
from roomkey.authorization_server.commands.paging import ListCommand, Page, by_name, page_of
from roomkey.authorization_server.errors import Conflict, NotAllowed
from roomkey.authorization_server.identity import second_factors, sessions, users
from roomkey.authorization_server.identity.passwords import PasswordHash
from roomkey.authorization_server.identity.usernames import username as checked_username
from roomkey.authorization_server.identity.users import User, lock_for_change
from roomkey.authorization_server.permissions import Permission, Role, permissions_of
from roomkey.authorization_server.schema import identity as schema
from roomkey.authorization_server.tokens.revocation import revoke_access, revoke_sessions
from roomkey.authorization_server.unit_of_work import UnitOfWork, new_id

_MOST_ROLES = 50
_READ = (Permission.READ_USERS, Permission.CHANGE_USERS)
_CHANGE = Permission.CHANGE_USERS
_ROLE_RULE = "a-z, 0-9 and _ . : -, at most 64 characters"

UserRef = Annotated[Lookup, Meta(description="The user name, or the id: usr_…"), Typed(metavar="USER", argument=True)]
UserRole = Annotated[str, matching(r"[a-z0-9][a-z0-9_.:-]{0,63}", _ROLE_RULE, longest=64)]
UserRoles = Annotated[
    tuple[UserRole, ...],
    Meta(
        max_length=_MOST_ROLES,
        description="administrator, approver, developer, auditor, or roles of your own APIs.",
        extra={"must be": f"at most {_MOST_ROLES} roles, each of {_ROLE_RULE}"},
    ),
    Typed(metavar="A,B"),
]
UserScopes = Annotated[Scopes, Meta(description="Scopes that tokens for the user may have; no limit without any.")]
Password = Annotated[PasswordHash, Typed(read="never")]  # hashed before: too slow for a transaction


@command("user list", "GET /users", permission=_READ)
class ListUsers(ListCommand[User], frozen=True):
    """List the users."""

    def run(self, uow: UnitOfWork) -> Page[User]:
        """The users that the actor may see, by name."""
        key = schema.users.c.username_key
        tenant = () if uow.actor.tenant is None else (schema.users.c.tenant == uow.actor.tenant,)
        found = users.select_users(*tenant)
        rows = users.read(uow, by_name(found, key, after=self.after, limit=self.limit))
        return page_of(rows, self.limit, tuple, lambda user: str(user.username_key))


@command("user show", "GET /users/{user}", permission=_READ)
class GetUser(Command[User], frozen=True):
    """Show one user, by id or user name."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound."""
        return users.get(uow, self.user)


@command("user create", "", permission=_CHANGE, event="user.created", status=201)
class CreateUser(Command[User], frozen=True):
    """Create a user; without a password nobody can sign in as them until one is set."""

    username: Annotated[Lookup, Meta(description="The user name."), Typed(metavar="USER", argument=True)]
    roles: UserRoles = ()
    scopes: UserScopes | None = None
    tenant: Tenant | None = None
    password: Password | None = None

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotAllowed, Invalid, and Conflict where the name, or one that looks like it, is taken."""
        name = checked_username(self.username)
        roles = _checked_roles(uow, self.roles)
        tenant = tenant_of_new(uow, self.tenant)
        user_id, scopes = new_id("usr"), " ".join(sorted(set(self.scopes or ()))) or None
        values: dict[str, str | int | None] = {
            "username": name.shown,
            "username_key": name.key,
            "tenant": tenant,
            "scopes": scopes,
        }
        if self.password is not None:
            values |= {"password_hash": self.password.text, "password_changed_at": uow.now}
        try:
            with uow.connection.begin_nested():
                uow.connection.execute(insert(schema.users).values(id=user_id, created_at=uow.now, **values))
        except IntegrityError:
            raise Conflict(f"The username {name.shown}, or one that looks like it, is taken.") from None
        _write_roles(uow, user_id, roles)
        self.record(uow, Subject("user", user_id, tenant), username=name.shown, roles=roles, scopes=scopes)
        uow.bump_config_version()
        return users.find(uow, user_id)


@command("user change", "", permission=_CHANGE, event="user.changed")
class ChangeUser(Command[User], frozen=True):
    """Change what is named and leave the rest; an empty value removes.

    Other roles or another tenant revoke the user's sessions.
    """

    user: UserRef
    roles: UserRoles | None = None
    scopes: UserScopes | None = None
    tenant: Tenant | None = None

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound, NotAllowed, Invalid and, for the last administrator, Conflict."""
        before = lock_for_change(uow, self.user)
        values: dict[str, str | None] = {}
        if self.scopes is not None:
            values["scopes"] = " ".join(sorted(set(self.scopes))) or None
        if self.tenant is not None:
            if uow.actor.tenant not in (None, self.tenant):
                raise NotAllowed("Users stay in your own tenant; ask an administrator of all tenants.")
            values["tenant"] = tenant_of_new(uow, self.tenant) if self.tenant else None
        roles = before.roles if self.roles is None else _checked_roles(uow, self.roles)
        if Role.ADMINISTRATOR not in roles or values.get("tenant") is not None:
            users.keep_an_administrator(uow, before)
        if roles != before.roles:
            uow.connection.execute(delete(schema.user_roles).where(schema.user_roles.c.user_id == before.id))
            _write_roles(uow, before.id, roles)
        if values:
            uow.connection.execute(update(schema.users).where(schema.users.c.id == before.id).values(values))
        after = users.find(uow, before.id)
        if (after.roles, after.tenant) != (before.roles, before.tenant):
            revoke_sessions(uow, before.id)
        self.record(uow, _subject(after), before=_shown(before), after=_shown(after))
        uow.bump_config_version()
        return after


@command("user set-password", "", permission=_CHANGE, event="user.password_changed")
class SetPassword(Command[User], frozen=True):
    """Set a new password, from standard input; all sessions and tokens of the user are revoked."""

    user: UserRef
    password: Password

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound and NotAllowed."""
        return users.replace_password(uow, lock_for_change(uow, self.user), self.password)


@command("user reset-second-factor", "", permission=_CHANGE, event="user.second_factors_reset")
class ResetSecondFactor(Command[User], frozen=True):
    """Remove authenticator app, passkeys and recovery codes of a user who lost them; revokes sessions and tokens."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound and NotAllowed."""
        return second_factors.reset(uow, self.user)


@command("user end-sessions", "", permission=_CHANGE, event="session.revoked")
class RevokeSessions(Command[User], frozen=True):
    """Sign a user out of the backoffice everywhere."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound and NotAllowed."""
        return sessions.revoke_all(uow, self.user)


@command("user disable", "POST /users/{user}/disable", permission=_CHANGE, event="user.disabled")
class DisableUser(Command[User], frozen=True):
    """Let nobody sign in as a user, and revoke their sessions and tokens."""

    user: UserRef
    reason: Reason = ""

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound, NotAllowed and, for the last administrator, Conflict."""
        found = lock_for_change(uow, self.user)
        if found.disabled_at is not None:
            return found
        users.keep_an_administrator(uow, found)
        uow.connection.execute(update(schema.users).where(schema.users.c.id == found.id).values(disabled_at=uow.now))
        revoke_access(uow, found.id, reason="user disabled")
        self.record(uow, _subject(found), **({"reason": self.reason} if self.reason else {}))
        uow.bump_config_version()
        return users.find(uow, found.id)


@command("user enable", "", permission=_CHANGE, event="user.enabled")
class EnableUser(Command[User], frozen=True):
    """Let a disabled user sign in again; revoked sessions and tokens stay revoked."""

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound and NotAllowed."""
        found = lock_for_change(uow, self.user)
        if found.disabled_at is None:
            return found
        uow.connection.execute(update(schema.users).where(schema.users.c.id == found.id).values(disabled_at=None))
        self.record(uow, _subject(found))
        uow.bump_config_version()
        return users.find(uow, found.id)


@command("user delete", "", permission=_CHANGE, event="user.deleted")
class DeleteUser(Command[User], frozen=True):
    """Delete a user: everything is revoked, what proves their identity is erased, and the name is free again.

    The id stays in the audit log and is never used again.
    """

    user: UserRef

    def run(self, uow: UnitOfWork) -> User:
        """Raises NotFound, NotAllowed and, for the last administrator, Conflict."""
        found = lock_for_change(uow, self.user)
        users.keep_an_administrator(uow, found)
        revoke_access(uow, found.id, reason="user deleted")
        for table in (schema.user_roles, schema.passkeys, schema.recovery_codes):
            uow.connection.execute(delete(table).where(table.c.user_id == found.id))
        erased = dict.fromkeys(("password_hash", "totp_seed", "totp_pending", "totp_confirmed_at"))
        # No name that can be typed folds to this key.
        names = {"username": "", "username_key": f"\x7f{found.id}", "disabled_at": uow.now, "deleted_at": uow.now}
        uow.connection.execute(update(schema.users).where(schema.users.c.id == found.id).values(erased | names))
        self.record(uow, _subject(found), username=found.username)
        uow.bump_config_version()
        return found


def _checked_roles(uow: UnitOfWork, roles: tuple[str, ...]) -> tuple[str, ...]:
    if not permissions_of(frozenset(roles)) <= permissions_of(uow.actor.roles):
        raise NotAllowed("You cannot grant a role with permissions that you lack; ask an administrator.")
    return tuple(sorted(set(roles)))


def _write_roles(uow: UnitOfWork, user_id: str, roles: tuple[str, ...]) -> None:
    if roles:
        uow.connection.execute(insert(schema.user_roles), [{"user_id": user_id, "role": role} for role in roles])


def _subject(user: User) -> Subject:
    return Subject("user", user.id, user.tenant)


def _shown(user: User) -> dict[str, object]:
    return {"roles": user.roles, "scopes": user.scopes, "tenant": user.tenant}
