"""``roomkey token``: a token is got or reused, and what is known of it is shown."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from roomkey.client.access_token import AccessToken
    from roomkey.client.credential import Credential
    from roomkey.client.credential_state import CredentialStatus

_GOT: Final = {
    "found": "from the store",
    "fetched": "from the token endpoint, just now",
    "read": "from where it was handed in",
}


def token(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A credential of roomkey.toml.")],
    *,
    raw: Annotated[bool, typer.Option("--raw", help="The token itself and nothing else, for a script.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object without the token.")] = False,
    refresh: Annotated[bool, typer.Option("--refresh", help="Get a new token even if the held one is good.")] = False,
) -> int:
    """Get a token, or reuse the one that is held, and show its expiry and claims.

    The token itself is shown with --raw only.
    """
    from roomkey.cli.errors import complain
    from roomkey.config import load

    if raw and as_json:
        complain("--raw and --json exclude each other.", "choose one; --json never holds the token.")
        return ExitCode.USAGE
    with load() as configuration:
        credential = configuration.credential(name)
        found = credential.refresh() if refresh else credential.token()
        if raw:
            typer.echo(found.value)
        elif as_json:
            _print_json(credential, found)
        else:
            _print(credential, found)
    return ExitCode.OK


def _how(status: "CredentialStatus") -> str:
    """``found``, ``fetched`` or ``read``; why it was needed goes without saying in a process of one command."""
    return status.reason.partition(":")[0]


def _endless(status: "CredentialStatus") -> bool:
    """Whether the token was handed in and does not say when it ends."""
    return _how(status) == "read" and status.lifetime_from != "jwt"


def _print_json(credential: "Credential", found: "AccessToken") -> None:
    import json

    status = credential.status()
    members = {
        "name": credential.name,
        "context": status.context,
        "source": status.source,
        "token_type": found.token_type,
        "scope": found.scope,
        "expires_in": None if _endless(status) else round(found.expires_in, 1),
        "state": status.state.value,
        "generation": status.generation,
        "got": _how(status),
        "claims_unverified": dict(found.claims_unverified),
    }
    typer.echo(json.dumps(members, indent=2))


def _print(credential: "Credential", found: "AccessToken") -> None:
    import time

    from rich.text import Text

    from roomkey.cli.claims_table import claims_table
    from roomkey.cli.theme import facts, output, shown
    from roomkey.cli.time_words import date, duration

    status = credential.status()
    now = time.time()
    console = output()
    unknown = Text("the server did not say", style="quiet")
    expiry = Text.assemble(f"in {duration(found.expires_in)}", (f"  {date(now + found.expires_in)}", "quiet"))
    console.print(
        facts(
            ("credential", credential.name + (f" for {shown(status.context)}" if status.context else "")),
            ("source", shown(status.source)),
            ("got", _GOT.get(_how(status), _how(status))),
            ("expires", unknown if _endless(status) else expiry),
            ("scope", shown(found.scope or "") or unknown),
        )
    )
    console.print()
    claims = found.claims_unverified
    if claims:
        console.print(claims_table("Claims, unverified", claims, now=now))
    else:
        console.print("The token is opaque: only its issuer knows what it says.", style="quiet")
