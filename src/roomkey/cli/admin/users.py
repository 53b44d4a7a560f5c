"""``roomkey admin user``: people, their roles and passwords."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.admin.options import AsJson, Tenant
from roomkey.cli.exit_code import ExitCode
from roomkey.cli.help import Command, Group

if TYPE_CHECKING:
    from roomkey.authorization_server.identity.passwords import PasswordHash
    from roomkey.authorization_server.identity.users import User
    from roomkey.authorization_server.unit_of_work import UnitOfWork

app = typer.Typer(cls=Group, help="Users: who signs in, and what they may do.")
_LONGEST_LINE = 4096
Name = Annotated[str, typer.Argument(metavar="USER", help="The user name, or the id: usr_…", show_default=False)]
Roles = Annotated[
    str | None, typer.Option(metavar="A,B", help="administrator, approver, developer, auditor, or an app's own.")
]
UserScopes = Annotated[
    str | None, typer.Option("--scopes", metavar='"A B"', help="What tokens for this user may hold at most.")
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]


@app.command("create", cls=Command, short_help="Make a user.")
def create(
    context: typer.Context,
    name: Name,
    *,
    password_stdin: PasswordStdin = False,
    roles: Roles = None,
    scopes: UserScopes = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> int:
    """Make a user; without a password nobody can sign in as them until one is set."""
    from roomkey.authorization_server.identity import users
    from roomkey.cli.admin.context import done

    password = _password(name) if password_stdin else None

    def act(uow: "UnitOfWork") -> "User":
        return users.create(
            uow, username=name, roles=_names(roles), tenant=tenant, scopes=scopes or None, password=password
        )

    _print(done(context, act), "The user {} is there.", as_json=as_json)
    return ExitCode.OK


@app.command("list", cls=Command, short_help="List the users.")
def list_users(context: typer.Context, *, as_json: AsJson = False) -> int:
    """List the users, their roles, and by what they prove who they are."""
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import day, mark, print_json, print_list

    found = seen(context, _all)
    if as_json:
        print_json(users=plain(found))
        return ExitCode.OK
    print_list(
        (
            {
                "user": user.username,
                "roles": " ".join(user.roles),
                "signs in by": _proofs(user),
                "tenant": user.tenant or "",
                "last seen": day(user.last_seen_at) or "never",
                "": mark(user.disabled_at),
            }
            for user in found
        ),
        *("user", "roles", "signs in by", "tenant", "last seen", ""),
        folded="roles",
        spared=("signs in by", "tenant", "last seen"),
        empty="There are no users: roomkey admin user create NAME --password-stdin --roles administrator",
    )
    return ExitCode.OK


@app.command("show", cls=Command, short_help="Show one user.")
def show(context: typer.Context, name: Name, *, as_json: AsJson = False) -> int:
    """Show one user."""
    from roomkey.authorization_server.identity import users
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.context import seen
    from roomkey.cli.admin.printing import print_facts, print_json, when

    user = seen(context, lambda uow: users.get(uow, name))
    if as_json:
        print_json(**plain(user))
        return ExitCode.OK
    print_facts(
        ("user", user.username),
        ("id", user.id),
        ("roles", " ".join(user.roles)),
        ("scopes", "" if user.scopes is None else " ".join(user.scopes) or "none"),
        ("signs in by", _proofs(user)),
        ("tenant", user.tenant or ""),
        ("last seen", when(user.last_seen_at)),
        ("created", when(user.created_at)),
        ("disabled", when(user.disabled_at)),
    )
    return ExitCode.OK


@app.command("change", cls=Command, short_help="Give a user other roles, scopes or another tenant.")
def change(
    context: typer.Context,
    name: Name,
    *,
    roles: Roles = None,
    scopes: UserScopes = None,
    tenant: Tenant = None,
    as_json: AsJson = False,
) -> int:
    """Change what is named and leave the rest; an empty text takes away. Other roles end the user's sessions."""
    from roomkey.authorization_server.identity import users
    from roomkey.cli.admin.context import done

    def act(uow: "UnitOfWork") -> "User":
        chosen = None if roles is None else _names(roles)
        return users.change(uow, name, roles=chosen, scopes=scopes, tenant=tenant)

    _print(done(context, act), "The user {} was changed.", as_json=as_json)
    return ExitCode.OK


@app.command("set-password", cls=Command, short_help="Give a user another password.")
def set_password(
    context: typer.Context, name: Name, *, password_stdin: PasswordStdin = False, as_json: AsJson = False
) -> int:
    """Give a user another password, from standard input; all their sessions and tokens end."""
    from roomkey.authorization_server.identity import users
    from roomkey.cli.admin.context import done, seen
    from roomkey.errors import ConfigurationError

    if not password_stdin:
        raise ConfigurationError("Hand the password over on standard input, and say --password-stdin.")
    password = _password(seen(context, lambda uow: users.get(uow, name)).username)
    user = done(context, lambda uow: users.set_password(uow, name, password))
    _print(user, "The user {} has a new password; all sessions and tokens have ended.", as_json=as_json)
    return ExitCode.OK


@app.command("reset-second-factor", cls=Command, short_help="Take one-time codes and passkeys from a user.")
def reset_second_factor(context: typer.Context, name: Name, *, as_json: AsJson = False) -> int:
    """Take one-time codes, passkeys and recovery codes from a user who has lost them; sessions and tokens end."""
    from roomkey.authorization_server.identity import second_factors
    from roomkey.cli.admin.context import done

    user = done(context, lambda uow: second_factors.reset(uow, name))
    _print(user, "The user {} has no second factor any more; all sessions and tokens have ended.", as_json=as_json)
    return ExitCode.OK


@app.command("end-sessions", cls=Command, short_help="Sign a user out everywhere.")
def end_sessions(context: typer.Context, name: Name, *, as_json: AsJson = False) -> int:
    """Sign a user out of the backoffice, wherever they are signed in."""
    from roomkey.authorization_server.identity import sessions
    from roomkey.cli.admin.context import done

    user = done(context, lambda uow: sessions.revoke_all(uow, name))
    _print(user, "All sessions of the user {} have ended.", as_json=as_json)
    return ExitCode.OK


@app.command("disable", cls=Command, short_help="Let nobody in as a user, and end their tokens.")
def disable(context: typer.Context, name: Name, *, as_json: AsJson = False) -> int:
    """Let nobody in as a user; their sessions and tokens end at once."""
    from roomkey.authorization_server.identity import users
    from roomkey.cli.admin.context import done

    user = done(context, lambda uow: users.disable(uow, name))
    _print(user, "The user {} is disabled; all sessions and tokens have ended.", as_json=as_json)
    return ExitCode.OK


@app.command("enable", cls=Command, short_help="Let a user in again.")
def enable(context: typer.Context, name: Name, *, as_json: AsJson = False) -> int:
    """Let a disabled user in again; what has ended stays so."""
    from roomkey.authorization_server.identity import users
    from roomkey.cli.admin.context import done

    _print(done(context, lambda uow: users.enable(uow, name)), "The user {} is enabled.", as_json=as_json)
    return ExitCode.OK


def _all(uow: "UnitOfWork") -> "tuple[User, ...]":
    from roomkey.authorization_server.identity import users

    found: tuple[User, ...] = ()
    while True:
        more = users.list_users(uow, after=found[-1].username_key if found else "", limit=users.MOST)
        found += more
        if len(more) < users.MOST:
            return found


def _print(user: "User", sentence: str, *, as_json: bool) -> None:
    from roomkey.authorization_server.plain import plain
    from roomkey.cli.admin.printing import print_done, print_json

    if as_json:
        print_json(**plain(user))
    else:
        print_done(sentence.format(user.username), ("id", user.id), ("roles", " ".join(user.roles)))


def _password(username: str) -> "PasswordHash":
    """The hash of the first line of standard input; the service never sees the password any other way."""
    from roomkey.authorization_server.identity.passwords import PasswordHashing
    from roomkey.errors import ConfigurationError

    if sys.stdin.isatty():
        password = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    else:
        try:
            password = sys.stdin.readline(_LONGEST_LINE).rstrip("\r\n")
        except UnicodeDecodeError:
            raise ConfigurationError("The password on standard input is not UTF-8 text.") from None
    hashing = PasswordHashing(at_once=1)
    try:
        return hashing.hash_new(password, username=username)
    finally:
        hashing.close()


def _proofs(user: "User") -> str:
    proofs = (
        (user.has_password, "password"),
        (user.has_totp, "one-time code"),
        (user.passkeys > 0, f"passkeys ({user.passkeys})"),
    )
    return ", ".join(word for has, word in proofs if has) or "nothing yet"


def _names(text: str | None) -> list[str]:
    return [name for name in (text or "").replace(",", " ").split() if name]
