"""``roomkey status``: the configured credentials and what the store holds for them."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

from roomkey.cli.exit_code import ExitCode
from roomkey.cli.store_status import StoredToken, configuration_or_defaults, stored_tokens

if TYPE_CHECKING:
    from rich.text import Text

_STYLES: Final = {"fresh": "ok", "stale": "warn", "expiring": "warn", "expired": "bad", "absent": "quiet"}
_MARKS: Final = {"fresh": "●", "stale": "◐", "expiring": "◐", "expired": "○", "absent": "·"}
_KINDS: Final = {"service_account_token": "app token"}


def show_status(*, as_json: bool) -> int:
    """Print the state of every credential; without a roomkey.toml, where one would be looked for."""
    configuration, file = configuration_or_defaults()
    with configuration:
        found = stored_tokens(configuration)
        if as_json:
            _print_json(file, configuration.store.name, found)
        else:
            _print(file, configuration.store.name, found)
    return ExitCode.OK


def _print_json(file: Path | None, store: str, found: Sequence[StoredToken]) -> None:
    credentials = [{**asdict(each), "state": each.state.value} for each in found]
    members = {"file": None if file is None else str(file), "store": store, "credentials": credentials}
    sys.stdout.write(json.dumps(members, indent=2) + "\n")


def _print(file: Path | None, store: str, found: Sequence[StoredToken]) -> None:
    from rich.text import Text

    from roomkey.cli.theme import facts, listed, output, shown

    console = output()
    where = Text("none yet; roomkey init writes one", "quiet") if file is None else shown(str(file))
    console.print(facts(("file", where), ("store", shown(store))))
    console.print()
    table = listed(
        map(_row, found),
        console,
        *("credential", "source", "state", "expires", "gen.", "last error"),
        numbers=("gen.",),
        folded="last error",
        spared=("source", "gen."),
    )
    console.print(
        table if found else Text("No credentials are configured; add a table such as [credentials.orders].", "quiet")
    )
    if any(each.refreshable for each in found):
        console.print(Text("↻ with a refresh token", style="quiet"))
    for each in found:
        if each.problem:
            console.print()
            console.print(Text.assemble((f"{each.name}: ", "bold"), shown(each.problem), _next_attempt(each)))


def _row(each: StoredToken) -> "dict[str, str | Text]":
    from rich.text import Text

    from roomkey.cli.theme import shown
    from roomkey.cli.time_words import coarse

    expires = Text("" if each.expires_in is None else f"in {coarse(each.expires_in)}")
    state = each.state.value
    return {
        "credential": Text.assemble((each.name, "bold"), (f"  {shown(each.context)}" if each.context else "", "quiet")),
        "source": _KINDS.get(each.kind, each.kind.replace("_", " ")),
        "state": Text(f"{_MARKS[state]} {state}", style=_STYLES[state]),
        "expires": expires.append(" ↻", style="accent") if each.refreshable else expires,
        "gen.": f"{each.generation or ''}",
        "last error": Text(shown(each.error), style="bad"),
    }


def _next_attempt(each: StoredToken) -> str:
    from roomkey.cli.time_words import duration

    return "" if not each.next_attempt_in else f" Next attempt in {duration(each.next_attempt_in)}."
