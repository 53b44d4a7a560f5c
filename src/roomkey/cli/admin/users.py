"""``roomkey admin user``: users, their roles and passwords."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from roomkey.authorization_server.identity import users
from roomkey.authorization_server.identity.commands import (
    ChangeUser,
    CreateUser,
    DeleteUser,
    DisableUser,
    EnableUser,
    GetUser,
    ListUsers,
    ResetSecondFactor,
    RevokeSessions,
    SetPassword,
)
from roomkey.authorization_server.identity.passwords import PasswordHash, PasswordHashing
from roomkey.authorization_server.identity.users import User
from roomkey.authorization_server.unit_of_work import UnitOfWork
from roomkey.cli.admin.printing import day, mark, print_done, print_facts, print_list, when
from roomkey.cli.admin.typer_command import Extra, Given, Noun
from roomkey.errors import ConfigurationError

noun = Noun("user", "Users: who signs in, and their permissions.")
_LONGEST_LINE = 4096


def _read_password(given: bool) -> str | None:  # noqa: FBT001 - an option's callback, called before the transaction
    """The first line of standard input, or what is typed at a prompt; None without ``--password-stdin``."""
    if not given:
        return None
    if sys.stdin.isatty():
        typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
        return typed
    try:
        return sys.stdin.readline(_LONGEST_LINE).rstrip("\r\n")
    except UnicodeDecodeError:
        raise ConfigurationError("The password on standard input is not UTF-8 text.") from None


def _hashed(password: str, username: str) -> PasswordHash:
    hashing = PasswordHashing(at_once=1)
    try:
        return hashing.hash_new(password, username=username)
    finally:
        hashing.close()


def _first_password(_: UnitOfWork, given: Given) -> Mapping[str, Any]:
    password = given["password_stdin"]
    return {} if password is None else {"password": _hashed(password, given["username"])}


def _new_password(uow: UnitOfWork, given: Given) -> Mapping[str, Any]:
    if given["password_stdin"] is None:
        raise ConfigurationError("Send the password on standard input, and add --password-stdin.")
    return {"password": _hashed(given["password_stdin"], users.get(uow, given["user"]).username)}


_PASSWORD_STDIN = {
    "password_stdin": (
        Annotated[
            bool,
            typer.Option(
                "--password-stdin", help="Read the password from standard input, one line.", callback=_read_password
            ),
        ],
        False,
    )
}


def _sentence(sentence: str) -> Any:
    """A printer of a changed user."""

    def show(user: User) -> None:
        print_done(sentence.format(user.username), ("id", user.id), ("roles", " ".join(user.roles)))

    return show


noun.shows(CreateUser, Extra(_PASSWORD_STDIN, _first_password))(_sentence("The user {} was created."))
noun.shows(ChangeUser)(_sentence("The user {} was changed."))
noun.shows(SetPassword, Extra(_PASSWORD_STDIN, _new_password))(
    _sentence("The user {} has a new password; all sessions and tokens were revoked.")
)
noun.shows(ResetSecondFactor)(
    _sentence("The user {} has no second factor any more; all sessions and tokens were revoked.")
)
noun.shows(RevokeSessions)(_sentence("All sessions of the user {} were revoked."))
noun.shows(DisableUser)(_sentence("The user {} is disabled; all sessions and tokens were revoked."))
noun.shows(EnableUser)(_sentence("The user {} is enabled."))
noun.shows(DeleteUser)(_sentence("The user {} was deleted; all sessions and tokens were revoked."))


@noun.shows(ListUsers)
def show_list(found: tuple[User, ...]) -> None:
    """Print the table."""
    print_list(
        (
            {
                "user": user.username,
                "roles": " ".join(user.roles),
                "signs in by": _factors(user),
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


@noun.shows(GetUser)
def show_one(user: User) -> None:
    """Print the facts of a user."""
    print_facts(
        ("user", user.username),
        ("id", user.id),
        ("roles", " ".join(user.roles)),
        ("scopes", "" if user.scopes is None else " ".join(user.scopes) or "none"),
        ("signs in by", _factors(user)),
        ("tenant", user.tenant or ""),
        ("last seen", when(user.last_seen_at)),
        ("created", when(user.created_at)),
        ("disabled", when(user.disabled_at)),
    )


def _factors(user: User) -> str:
    factors = (
        (user.has_password, "password"),
        (user.has_totp, "one-time code"),
        (user.passkeys > 0, f"passkeys ({user.passkeys})"),
    )
    return ", ".join(word for has, word in factors if has) or "nothing yet"
