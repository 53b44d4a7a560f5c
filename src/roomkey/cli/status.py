"""``roomkey status``: the configured credentials and what the store holds for them."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from roomkey.cli.exit_code import ExitCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.text import Text

    from roomkey.cli.store_status import StoredToken

_STYLES: Final = {"fresh": "ok", "stale": "warn", "expiring": "warn", "expired": "bad", "absent": "quiet"}
_MARKS: Final = {"fresh": "●", "stale": "◐", "expiring": "◐", "expired": "○", "absent": "·"}
_KINDS: Final = {"service_account_token": "app token"}


def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object for a script.")] = False,
) -> int:
    """Show every configured credential and what the store holds for it; asks no server and shows no token."""
    from roomkey.cli.store_status import stored_tokens
    from roomkey.config import load

    with load() as configuration:
        found = stored_tokens(configuration)
        if as_json:
            _print_json(str(configuration.path), configuration.store.name, found)
        else:
            _print(str(configuration.path), configuration.store.name, found)
    return ExitCode.OK


def _print_json(path: str, store: str, found: "Sequence[StoredToken]") -> None:
    import json
    from dataclasses import asdict

    credentials = [{**asdict(each), "state": each.state.value} for each in found]
    typer.echo(json.dumps({"file": path, "store": store, "credentials": credentials}, indent=2))


def _print(path: str, store: str, found: "Sequence[StoredToken]") -> None:
    from rich.text import Text

    from roomkey.cli.theme import facts, listed, output, shown

    console = output()
    console.print(facts(("file", shown(path)), ("store", shown(store))))
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
        console.print(Text("↻ a refresh token is kept too", style="quiet"))
    troubled = [each for each in found if each.problem]
    for each in troubled:
        console.print()
        console.print(Text.assemble((f"{each.name}: ", "bold"), shown(each.problem), _next(each)))


def _row(each: "StoredToken") -> "dict[str, str | Text]":
    from rich.text import Text

    from roomkey.cli.theme import shown

    return {
        "credential": Text.assemble((each.name, "bold"), (f"  {shown(each.context)}" if each.context else "", "quiet")),
        "source": _KINDS.get(each.kind, each.kind.replace("_", " ")),
        "state": _state(each),
        "expires": _expires(each),
        "gen.": f"{each.generation or ''}",
        "last error": Text(shown(each.error), style="bad"),
    }


def _state(each: "StoredToken") -> "Text":
    from rich.text import Text

    word = each.state.value
    return Text(f"{_MARKS[word]} {word}", style=_STYLES[word])


def _expires(each: "StoredToken") -> "Text":
    from rich.text import Text

    from roomkey.cli.time_words import coarse

    text = Text("" if each.expires_in is None else f"in {coarse(each.expires_in)}")
    return text.append(" ↻", style="accent") if each.refreshable else text


def _next(each: "StoredToken") -> str:
    from roomkey.cli.time_words import duration

    return "" if not each.next_attempt_in else f" Next attempt in {duration(each.next_attempt_in)}."
