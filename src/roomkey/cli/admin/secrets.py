"""A new secret on the screen."""

from typing import TYPE_CHECKING

from roomkey.cli.admin.printing import print_done, print_json, when

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.account_secrets import NewSecret


def print_new_secret(made: "NewSecret", *, as_json: bool) -> None:
    """Print it once, and until when the old one is good too."""
    if as_json:
        print_json(client_id=made.client_id, client_secret=made.client_secret.value, old_until=made.old_until)
        return
    old = "the old one has ended" if made.old_until is None else f"the old one ends {when(made.old_until)}"
    secrets = {"client_secret": made.client_secret.value}
    print_done(f"The account {made.client_id} has a new secret; {old}.", ("client_id", made.client_id), secrets=secrets)
