"""``roomkey admin family``: the refresh tokens that clients hold for users."""

from roomkey.authorization_server.tokens.commands import ListFamilies, RevokeFamily
from roomkey.authorization_server.tokens.search import TokenFamily
from roomkey.cli.admin.printing import day, print_done, print_list
from roomkey.cli.admin.typer_command import Noun

noun = Noun("family", "Refresh token families: the refresh tokens of one sign-in at a client.")


@noun.shows(ListFamilies)
def show_list(families: tuple[TokenFamily, ...]) -> None:
    """Print the table."""
    print_list(
        (
            {
                "id": one.id,
                "account": one.client_id,
                "user": one.username or "",
                "api": one.audience,
                "scopes": one.scope,
                "expires": day(one.expires_at),
                "": "" if one.revoked_at is None else "revoked",
            }
            for one in families
        ),
        *("id", "account", "user", "api", "scopes", "expires", ""),
        folded="scopes",
        spared=("api", "expires"),
        empty="No client holds a refresh token for a user.",
    )


@noun.shows(RevokeFamily)
def show_revoked(family: TokenFamily) -> None:
    """Print that it is revoked."""
    print_done(f"The family {family.id} is revoked.")
