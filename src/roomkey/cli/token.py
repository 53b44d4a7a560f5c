"""``roomkey token``: a token is got or reused, and what is known of it is shown."""

from typing import TYPE_CHECKING, Annotated

import typer

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from roomkey.client.access_token import AccessToken
    from roomkey.client.credential import Credential


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
    from roomkey.cli.failure import complain
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


def _print_json(credential: "Credential", found: "AccessToken") -> None:
    import json

    status = credential.status()
    members = {
        "name": credential.name,
        "context": status.context,
        "fingerprint": status.token,
        "token_type": found.token_type,
        "scope": found.scope,
        "expires_in": round(found.expires_in, 1),
        "state": status.state.value,
        "generation": status.generation,
        "got": status.reason,
        "claims_unverified": dict(found.claims_unverified),
    }
    typer.echo(json.dumps(members, indent=2))


def _print(credential: "Credential", found: "AccessToken") -> None:
    import time

    from rich.text import Text

    from roomkey.cli.claims_table import claims_table
    from roomkey.cli.look import facts, key, output, shown
    from roomkey.cli.time_words import date, duration

    status = credential.status()
    now = time.time()
    console = output()
    expiry = Text.assemble(f"in {duration(found.expires_in)}", (f"  {date(now + found.expires_in)}", "quiet"))
    console.print(
        facts(
            ("credential", credential.name + (f" for {status.context}" if status.context else "")),
            ("token", key(status.token)),
            ("expires", expiry),
            ("scope", shown(found.scope or "") or Text("the server did not say", style="quiet")),
            ("got", shown(status.reason)),
        )
    )
    console.print()
    claims = found.claims_unverified
    if claims:
        console.print(claims_table("Claims, unverified", claims, now=now))
    else:
        console.print("The token is opaque: only its issuer knows what it says.", style="quiet")
