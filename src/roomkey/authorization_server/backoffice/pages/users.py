"""Users: the list, one with their sessions, a new one, roles, passwords, the end of sessions, their end."""

import functools

from starlette.responses import Response

from roomkey.authorization_server.backoffice.forms import Confirmation
from roomkey.authorization_server.backoffice.lookups import tenant_choices
from roomkey.authorization_server.backoffice.page import Routes, Values, ask, done, show
from roomkey.authorization_server.backoffice.session import Visit
from roomkey.authorization_server.commands.paging import Page
from roomkey.authorization_server.errors import ServiceError
from roomkey.authorization_server.identity import second_factors, sessions, users
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.permissions import Permission, Role
from roomkey.authorization_server.tokens import search
from roomkey.authorization_server.unit_of_work import UnitOfWork

_LIST = "/users"
_CRUMB = ("Users", _LIST)
_SHOWN = 50
_KNOWN = frozenset(role.value for role in Role)
_ONE = f"{_LIST}/{{user}}"
ROUTES = Routes()


@ROUTES.get(_LIST, Permission.READ_USERS, Permission.CHANGE_USERS)
async def list_users(visit: Visit) -> Response:
    """The users that the visitor sees, by name."""
    after = visit.request.query_params.get("after", "")
    rows = await visit.view(lambda uow: users.list_users(uow, after=after, limit=_SHOWN + 1))
    shown = rows[:_SHOWN]
    found = Page(shown, shown[-1].username_key if len(rows) > _SHOWN else None)
    return await show(visit, "users/list.html", found=found)


@ROUTES.get(_ONE, Permission.READ_USERS, Permission.CHANGE_USERS)
async def one_user(visit: Visit) -> Response:
    """One user, their sessions, and the apps that act for them."""

    def read(uow: UnitOfWork) -> Values:
        user = _user(uow, visit)
        return {
            "user": user,
            "sessions": sessions.list_sessions(uow, user.id),
            "families": search.find_families(uow, user_id=user.id).items,
            "may_end": uow.actor.may(Permission.CHANGE_USERS),
            "may_revoke": uow.actor.may(Permission.REVOKE_TOKENS),
        }

    return await show(visit, "users/one.html", **await visit.view(read))


@ROUTES.get(f"{_LIST}/~new", Permission.CHANGE_USERS)
async def new_user(visit: Visit) -> Response:
    """The form for another user."""
    return await _new(visit)


@ROUTES.post(f"{_LIST}/~new", Permission.CHANGE_USERS)
async def create_user(visit: Visit) -> Response:
    """Make the user."""
    form = visit.form
    username = form.one("username").strip()
    try:
        password = await visit.hashing.hash_new_async(form.one("password"), username=username)
        made = await visit.perform(
            lambda uow: users.create(
                uow,
                username=username,
                password=password,
                tenant=form.one("tenant") or None,
                roles=_roles(visit),
            )
        )
    except ServiceError as refused:
        return await _new(visit, refused)
    return done(_address(made), "created")


@ROUTES.get(f"{_ONE}/roles", Permission.CHANGE_USERS)
async def edit_roles(visit: Visit) -> Response:
    """The form for a user's roles."""
    return await _edit_roles(visit)


@ROUTES.post(f"{_ONE}/roles", Permission.CHANGE_USERS)
async def change_roles(visit: Visit) -> Response:
    """Give the user the roles that are ticked, and no others."""
    wanted = _roles(visit)
    try:
        changed = await visit.perform(lambda uow: users.change(uow, _user(uow, visit).id, roles=wanted))
    except ServiceError as refused:
        return await _edit_roles(visit, refused)
    return done(_address(changed), "changed")


@ROUTES.get(f"{_ONE}/password", Permission.CHANGE_USERS)
async def edit_password(visit: Visit) -> Response:
    """The form for another password."""
    return await show(visit, "users/password.html", user=await visit.view(lambda uow: _user(uow, visit)))


@ROUTES.post(f"{_ONE}/password", Permission.CHANGE_USERS)
async def set_password(visit: Visit) -> Response:
    """Set it; what was begun with the old one ends."""
    user = await visit.view(lambda uow: _user(uow, visit))
    try:
        password = await visit.hashing.hash_new_async(visit.form.one("password"), username=user.username)
        await visit.perform(lambda uow: users.set_password(uow, user.id, password))
    except ServiceError as refused:
        return await show(visit, "users/password.html", refused=refused, user=user, form={})
    return done(_address(user), "changed")


@ROUTES.get(f"{_ONE}/second-factor", Permission.CHANGE_USERS)
async def ask_taking_factors(visit: Visit) -> Response:
    """What happens when second factors are taken away."""
    user = await visit.view(lambda uow: _user(uow, visit))
    breaks = (
        "One-time codes, passkeys and recovery codes of this user are worth nothing any more.",
        "All their sessions end, and all that apps do for them.",
        f"{user.username} signs in with the password alone and sets up another one"
        + (", before anything else." if user.needs_second_factor else "."),
    )
    return await ask(
        visit, _question(user, "Take the second factor away from", "Take it away", breaks, "reset-second-factor")
    )


@ROUTES.post(f"{_ONE}/second-factor", Permission.CHANGE_USERS)
async def take_factors(visit: Visit) -> Response:
    """Take them away."""
    return done(_address(await visit.perform(lambda uow: second_factors.reset(uow, _user(uow, visit).id))), "changed")


@ROUTES.post(f"{_ONE}/sessions/{{session}}/end", Permission.CHANGE_USERS)
async def end_session(visit: Visit) -> Response:
    """End one session of the user."""
    wanted = visit.request.path_params["session"]

    def act(uow: UnitOfWork) -> User:
        user = _user(uow, visit)
        if all(session.id != wanted for session in sessions.list_sessions(uow, user.id)):
            return user  # it has ended by itself
        sessions.revoke(uow, wanted)
        return user

    return done(_address(await visit.perform(act)), "ended")


@ROUTES.get(f"{_ONE}/end-sessions", Permission.CHANGE_USERS)
async def ask_ending_sessions(visit: Visit) -> Response:
    """What happens when all sessions end."""
    user = await visit.view(lambda uow: _user(uow, visit))
    breaks = (
        f"{user.username} has to sign in again, everywhere in this backoffice; what they had begun there is lost.",
    )
    return await ask(visit, _question(user, "End all sessions of", "End them", breaks, "end-sessions"))


@ROUTES.post(f"{_ONE}/end-sessions", Permission.CHANGE_USERS)
async def end_sessions(visit: Visit) -> Response:
    """End all sessions of the user."""
    act = functools.partial(sessions.revoke_all, user=visit.request.path_params["user"])
    return done(_address(await visit.perform(act)), "ended")


@ROUTES.get(f"{_ONE}/disable", Permission.CHANGE_USERS)
@ROUTES.get(f"{_ONE}/enable", Permission.CHANGE_USERS)
async def ask_switching(visit: Visit) -> Response:
    """What breaks when the user is disabled, or what comes back when they are enabled."""
    user = await visit.view(lambda uow: _user(uow, visit))
    if visit.request.scope["path"].endswith("/enable"):
        breaks: tuple[str, ...] = (f"{user.username} can sign in again. What had ended stays ended.",)
        return await ask(visit, _question(user, "Enable", "Enable them", breaks, "enable", danger=False))
    breaks = (
        f"{user.username} cannot sign in any more, and all their sessions end.",
        "What apps do for them ends: their refresh tokens and access tokens do not count any more.",
        "Service accounts and app tokens that they own go on.",
    )
    return await ask(visit, _question(user, "Disable", "Disable them", breaks, "disable"))


@ROUTES.post(f"{_ONE}/disable", Permission.CHANGE_USERS)
async def disable_user(visit: Visit) -> Response:
    """Disable them."""
    return done(_address(await visit.perform(lambda uow: users.disable(uow, _user(uow, visit).id))), "disabled")


@ROUTES.post(f"{_ONE}/enable", Permission.CHANGE_USERS)
async def enable_user(visit: Visit) -> Response:
    """Enable them."""
    return done(_address(await visit.perform(lambda uow: users.enable(uow, _user(uow, visit).id))), "enabled")


def _user(uow: UnitOfWork, visit: Visit) -> User:
    return users.get(uow, visit.request.path_params["user"])


def _address(user: User) -> str:
    return f"{_LIST}/{user.id}"


def _roles(visit: Visit) -> tuple[str, ...]:
    return (*visit.form.many("roles"), *visit.form.one("others").split())


async def _new(visit: Visit, refused: ServiceError | None = None) -> Response:
    values: Values = {"tenants": await visit.view(tenant_choices), "chosen_roles": visit.form.many("roles")}
    return await show(visit, "users/new.html", refused=refused, **values)


async def _edit_roles(visit: Visit, refused: ServiceError | None = None) -> Response:
    user = await visit.view(lambda uow: _user(uow, visit))
    others = " ".join(role for role in user.roles if role not in _KNOWN)
    form = dict(visit.form.fields) if refused else {"others": others}
    chosen = visit.form.many("roles") if refused else user.roles
    return await show(visit, "users/roles.html", refused=refused, user=user, form=form, chosen_roles=chosen)


def _question(
    user: User, title: str, label: str, breaks: tuple[str, ...], verb: str, *, danger: bool = True
) -> Confirmation:
    return Confirmation(
        title=f"{title} {user.username}?",
        crumbs=(_CRUMB, (user.username, _address(user))),
        breaks=breaks,
        label=label,
        back=_address(user),
        command=f"roomkey admin user {verb} {user.username}",
        danger=danger,
    )
