"""Users: the list, one user with sessions and refresh tokens, new users, roles, passwords, and acts to confirm."""

from collections.abc import Callable
from typing import Any

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Confirmation
from roomkey.authorization_server.backoffice.lookups import tenant_choices
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.commands.command import Command
from roomkey.authorization_server.commands.form import command_of
from roomkey.authorization_server.commands.paging import all_items
from roomkey.authorization_server.commands.terminal import in_terminal
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity import sessions, users
from roomkey.authorization_server.identity.commands import (
    ChangeUser,
    CreateUser,
    DisableUser,
    EnableUser,
    ListUsers,
    ResetSecondFactor,
    RevokeSessions,
    SetPassword,
)
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission, Role
from roomkey.authorization_server.tokens.commands import ListFamilies
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/users"
_ONE = f"{_LIST}/{{user}}"
_CRUMB = ("Users", _LIST)
_READ = (Permission.READ_USERS, Permission.CHANGE_USERS)
_CHANGE = Permission.CHANGE_USERS
_KNOWN = frozenset(role.value for role in Role)
ROUTES = Routes()


@ROUTES.get(_LIST, *_READ)
async def list_users(visit: Visit) -> Response:
    """Show a page of users, by name."""
    found = await visit.view(ListUsers(after=visit.request.query_params.get("after")))
    return await show(visit, "users/list.html", found=found)


@ROUTES.get(_ONE, *_READ)
async def one_user(visit: Visit) -> Response:
    """Show one user, their sessions, and the clients that hold refresh tokens for them."""

    def read(uow: UnitOfWork) -> Values:
        user = _user(uow, visit)
        return {
            "user": user,
            "sessions": sessions.list_sessions(uow, user.id),
            "families": tuple(all_items(uow, ListFamilies(user=user.id))),
            "may_end": uow.actor.may(Permission.CHANGE_USERS),
            "may_revoke": uow.actor.may(Permission.REVOKE_TOKENS),
        }

    return await show(visit, "users/one.html", **await visit.view(read))


@ROUTES.get(f"{_LIST}/~new", _CHANGE)
async def new_user(visit: Visit) -> Response:
    """Show the form of a new user."""
    return await _new(visit)


@ROUTES.post(f"{_LIST}/~new", _CHANGE)
async def create_user(visit: Visit) -> Response:
    """Create the user."""
    username = visit.form.one("username").strip()
    try:
        password = await visit.hashing.hash_new_async(visit.form.one("password"), username=username)
        fields = ("username", "roles", "scopes", "tenant")
        create = command_of(CreateUser, visit.form, *fields, read=_read_roles(visit), password=password)
        user = await visit.perform(create)
    except ServiceError as refused:
        return await _new(visit, refused)
    return done(_url(user), "created")


@ROUTES.get(f"{_ONE}/roles", _CHANGE)
async def edit_roles(visit: Visit) -> Response:
    """Show the form of a user's roles."""
    return await _edit_roles(visit)


@ROUTES.post(f"{_ONE}/roles", _CHANGE)
async def change_roles(visit: Visit) -> Response:
    """Replace the user's roles."""
    try:
        change = command_of(ChangeUser, visit.form, "roles", read=_read_roles(visit), user=_id(visit))
        changed = await visit.perform(change)
    except ServiceError as refused:
        return await _edit_roles(visit, refused)
    return done(_url(changed), "changed")


@ROUTES.get(f"{_ONE}/password", _CHANGE)
async def edit_password(visit: Visit) -> Response:
    """Show the form of a new password."""
    return await _edit_password(visit)


@ROUTES.post(f"{_ONE}/password", _CHANGE)
async def set_password(visit: Visit) -> Response:
    """Set the password; sessions and tokens are revoked."""
    user = await visit.view(lambda uow: _user(uow, visit))
    try:
        password = await visit.hashing.hash_new_async(visit.form.one("password"), username=user.username)
        await visit.perform(SetPassword(user.id, password))
    except ServiceError as refused:
        return await _edit_password(visit, refused)
    return done(_url(user), "changed")


@ROUTES.post(f"{_ONE}/sessions/{{session}}/end", _CHANGE)
async def revoke_session(visit: Visit) -> Response:
    """Revoke one session of the user."""
    wanted = visit.request.path_params["session"]

    def act(uow: UnitOfWork) -> User:
        user = _user(uow, visit)
        if any(session.id == wanted for session in sessions.list_sessions(uow, user.id)):
            sessions.revoke(uow, wanted)
        return user

    return done(_url(await visit.perform(act)), "ended")


def _add_act(
    path: str,
    kind: type[Command[User]],
    title: str,
    word: str,
    breaks: Callable[[User], tuple[str, ...]],
    **options: Any,
) -> None:
    """Add the page that asks before an act on a user, and the act."""

    @ROUTES.get(f"{_ONE}/{path}", _CHANGE)
    async def confirm(visit: Visit) -> Response:
        user = await visit.view(lambda uow: _user(uow, visit))
        question = Confirmation(
            title=f"{title} {user.username}?",
            crumbs=(_CRUMB, (user.username, _url(user))),
            breaks=breaks(user),
            label=title.removesuffix(" of").removesuffix(" for"),
            back=_url(user),
            command=in_terminal(kind, user=user.username),
            **options,
        )
        return await ask(visit, question)

    @ROUTES.post(f"{_ONE}/{path}", _CHANGE)
    async def perform(visit: Visit) -> Response:
        fields = ("reason",) if "note" in options else ()
        return done(_url(await visit.perform(command_of(kind, visit.form, *fields, user=_id(visit)))), word)


_add_act(
    "second-factor",
    ResetSecondFactor,
    "Reset the second factor of",
    "changed",
    lambda user: (
        "Authenticator app, passkeys and recovery codes of the user become invalid.",
        "All sessions and tokens of the user are revoked.",
        f"{user.username} signs in with the password alone and sets up another one"
        + (", before anything else." if user.needs_second_factor else "."),
    ),
)
_add_act(
    "end-sessions",
    RevokeSessions,
    "Revoke all sessions of",
    "ended",
    lambda user: (f"{user.username} is signed out of the backoffice everywhere; unsaved work is lost.",),
)
_add_act(
    "disable",
    DisableUser,
    "Disable",
    "disabled",
    lambda user: (
        f"{user.username} cannot sign in any more, and all their sessions are revoked.",
        "All tokens for the user are revoked, refresh tokens too.",
        "Service accounts and app tokens that the user owns stay valid.",
    ),
    note=("reason", "Reason"),
)
_add_act(
    "enable",
    EnableUser,
    "Enable",
    "enabled",
    lambda user: (f"{user.username} can sign in again. Revoked sessions and tokens stay revoked.",),
    danger=False,
)


def _id(visit: Visit) -> str:
    return str(visit.request.path_params["user"])


def _user(uow: UnitOfWork, visit: Visit) -> User:
    return users.get(uow, _id(visit))


def _read_roles(visit: Visit) -> dict[str, Callable[[tuple[str, ...]], tuple[str, ...]]]:
    """The ticked roles and those that are typed, which are the user's own words."""
    return {"roles": lambda ticked: (*ticked, *visit.form.one("others").split())}


def _url(user: User) -> str:
    return f"{_LIST}/{user.id}"


async def _new(visit: Visit, refused: ServiceError | None = None) -> Response:
    values: Values = {"tenants": await visit.view(tenant_choices), "chosen_roles": visit.form.many("roles")}
    return await show(visit, "users/new.html", refused=refused, **values)


async def _edit_roles(visit: Visit, refused: ServiceError | None = None) -> Response:
    user = await visit.view(lambda uow: _user(uow, visit))
    others = " ".join(role for role in user.roles if role not in _KNOWN)
    form = dict(visit.form.fields) if refused else {"others": others}
    chosen = visit.form.many("roles") if refused else user.roles
    return await show(visit, "users/roles.html", refused=refused, user=user, form=form, chosen_roles=chosen)


async def _edit_password(visit: Visit, refused: ServiceError | None = None) -> Response:
    user = await visit.view(lambda uow: _user(uow, visit))
    return await show(visit, "users/password.html", refused=refused, user=user, form={})
