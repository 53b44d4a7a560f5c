"""``roomkey token``: get or reuse a token, and print what is known of it, or the token itself."""

import json
import sys
from typing import TYPE_CHECKING, Final

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from roomkey.client.access_token import AccessToken
    from roomkey.client.credential import Credential
    from roomkey.client.credential_state import CredentialStatus

_ORIGINS: Final = {
    "found": "from the store",
    "fetched": "from the token endpoint, just now",
    "read": "from the configuration",
}


def print_raw(name: str) -> int:
    """Print the token of the credential ``name``: a fresh one of the store without loading an HTTP client."""
    from roomkey.cli.store_status import fresh_token
    from roomkey.config import load

    with load() as configuration:
        value = fresh_token(configuration, name) or configuration.credential(name).token().value
    sys.stdout.write(f"{value}\n")
    return ExitCode.OK


def show_token(name: str, *, raw: bool, as_json: bool, refresh: bool) -> int:
    """Get or reuse the token of the credential ``name`` and print it in one of three forms."""
    from roomkey.cli.errors import print_error
    from roomkey.config import load

    if raw and as_json:
        print_error("--raw and --json exclude each other.", "choose one; --json never holds the token.")
        return ExitCode.USAGE
    if raw and not refresh:
        return print_raw(name)
    with load() as configuration:
        credential = configuration.credential(name)
        found = credential.refresh() if refresh else credential.token()
        if raw:
            sys.stdout.write(f"{found.value}\n")
        elif as_json:
            _print_json(credential, found)
        else:
            _print(credential, found)
    return ExitCode.OK


def _how(status: "CredentialStatus") -> str:
    """``found``, ``fetched`` or ``read``, without the reason."""
    return status.reason.partition(":")[0]


def _never_expires(status: "CredentialStatus") -> bool:
    """True for a configured token without an ``exp``."""
    return _how(status) == "read" and status.lifetime_from != "jwt"


def _print_json(credential: "Credential", found: "AccessToken") -> None:
    status = credential.status()
    members = {
        "name": credential.name,
        "context": status.context,
        "source": status.source,
        "token_type": found.token_type,
        "scope": found.scope,
        "expires_in": None if _never_expires(status) else round(found.expires_in, 1),
        "state": status.state.value,
        "generation": status.generation,
        "got": _how(status),
        "claims_unverified": dict(found.claims_unverified),
    }
    sys.stdout.write(json.dumps(members, indent=2) + "\n")


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
            ("origin", _ORIGINS.get(_how(status), _how(status))),
            ("expires", unknown if _never_expires(status) else expiry),
            ("scope", shown(found.scope or "") or unknown),
        )
    )
    console.print()
    claims = found.claims_unverified
    if claims:
        console.print(claims_table("Claims, unverified", claims, now=now))
    else:
        console.print("The token is opaque: only its issuer can tell its claims (introspection).", style="quiet")
