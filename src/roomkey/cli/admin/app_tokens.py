"""``roomkey admin app-token``: tokens that an application is configured with."""

import time

from roomkey.authorization_server.accounts.app_tokens.commands import (
    CreateAppToken,
    CreatedAppToken,
    GetAppToken,
    ListAppTokens,
    RevokeAppToken,
    RotateAppToken,
)
from roomkey.authorization_server.accounts.app_tokens.model import AppToken
from roomkey.cli.admin.printing import day, print_done, print_facts, print_list, when
from roomkey.cli.admin.typer_command import Extra, Noun
from roomkey.cli.time_words import date

noun = Noun("app-token", "App tokens: long-lived tokens that an app is configured with.")


def _state(token: AppToken) -> str:
    return token.state(int(time.time()))


@noun.shows(ListAppTokens, Extra(members=lambda token: {"state": _state(token)}))
def show_list(tokens: tuple[AppToken, ...]) -> None:
    """Print the table."""
    print_list(
        (
            {
                "id": token.id,
                "account": token.client_id,
                "api": token.audience,
                "scopes": " ".join(token.scopes),
                "ends": day(token.expires_at),
                "last used": day(token.last_used_at) or "never",
                "": _state(token),
            }
            for token in tokens
        ),
        *("id", "account", "api", "scopes", "ends", "last used", ""),
        folded="scopes",
        spared=("api", "ends", "last used"),
        empty="There are no app tokens: roomkey admin app-token create ACCOUNT --api … --scopes …",
    )


@noun.shows(CreateAppToken)
def show_created(made: CreatedAppToken) -> None:
    """Print the token, once."""
    _print_new(made, f"The app token {made.app_token.id} is there.")


@noun.shows(RotateAppToken)
def show_rotated(made: CreatedAppToken) -> None:
    """Print the new token, once."""
    _print_new(made, f"The app token {made.app_token.id} takes the place of the old one.")


@noun.shows(GetAppToken, Extra(members=lambda token: {"state": _state(token)}))
def show_one(token: AppToken) -> None:
    """Print the facts of an app token."""
    print_facts(
        ("id", token.id),
        ("account", token.client_id),
        ("API", token.audience),
        ("scopes", " ".join(token.scopes)),
        ("token", token.hint),
        ("format", token.token_format),
        ("state", _state(token)),
        ("created", when(token.created_at)),
        ("ends", when(token.expires_at)),
        ("last used", when(token.last_used_at) or "never"),
    )


@noun.shows(RevokeAppToken)
def show_revoked(token: AppToken) -> None:
    """Say that it is revoked."""
    print_done(f"The app token {token.id} is {_state(token)}.")


def _print_new(made: CreatedAppToken, sentence: str) -> None:
    token = made.app_token
    print_done(
        sentence,
        ("id", token.id),
        ("account", token.client_id),
        ("API", token.audience),
        ("scopes", " ".join(token.scopes)),
        ("ends", date(token.expires_at)),
        secrets={"token": made.token.reveal()},
    )
