"""What a verb prints: one JSON object for a script, or words and a table for people."""

import dataclasses
import json
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.text import Text

from roomkey.cli.theme import facts, labelled, listed, output, paragraph, shown
from roomkey.cli.time_words import date, relative

if TYPE_CHECKING:
    from roomkey.authorization_server.accounts.service_accounts.secrets import RotatedSecret


def print_json(**named: Any) -> None:
    """Print one JSON object."""
    sys.stdout.write(json.dumps(named, indent=2, ensure_ascii=False, default=_as_json) + "\n")


def _as_json(value: Any) -> Any:
    """Return a dataclass or a mapping as a dict, another collection as a list; for ``json.dumps(default=…)``."""
    if dataclasses.is_dataclass(value):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    return dict(value) if isinstance(value, Mapping) else list(value)


def print_done(sentence: str, *pairs: tuple[str, str], secrets: Mapping[str, str] | None = None) -> None:
    """Say what was done, with names and values below, and last the secrets that nobody can look up later."""
    console = output()
    labelled(console, ("✓", "ok"), sentence)
    rows = [(name, shown(value)) for name, value in pairs if value]
    if rows:
        console.print()
        console.print(facts(*rows))
    for name, value in (secrets or {}).items():
        console.print()
        console.print(Text(f"{name}, shown this once:", "quiet"))
        console.print(Text(value, "accent"), soft_wrap=True)  # in one piece, as it has to be copied


def print_new_secret(made: "RotatedSecret") -> None:
    """Print a secret once, and until when the old one is valid too."""
    old = "the old one has expired" if made.old_until is None else f"the old one expires {when(made.old_until)}"
    secrets = {"client_secret": made.client_secret.value}
    print_done(f"The account {made.client_id} has a new secret; {old}.", ("client_id", made.client_id), secrets=secrets)


def revoked_tokens(count: int) -> str:
    """The sentence that says how many app tokens were revoked, empty for none."""
    return f" {count} app tokens were revoked." if count else ""


def print_facts(*pairs: tuple[str, str]) -> None:
    """Print names and values; those without a value are left out."""
    output().print(facts(*((name, shown(value)) for name, value in pairs if value)))


def print_list(
    rows: Iterable[Mapping[str, str | Text]],
    *heads: str,
    folded: str,
    spared: Sequence[str] = (),
    empty: str,
    numbers: Sequence[str] = (),
) -> None:
    """Print a table, or the sentence ``empty``."""
    console = output()
    chosen = [{head: shown(cell) if isinstance(cell, str) else cell for head, cell in row.items()} for row in rows]
    if not chosen:
        paragraph(console, Text(empty, "quiet"))
        return
    console.print(listed(chosen, console, *heads, folded=folded, spared=spared, numbers=numbers))


def when(at: int | None) -> str:
    """A time in words: the date, and how far away it is; empty where there is none."""
    return "" if at is None else f"{date(at)}, {relative(at, time.time())}"


def day(at: int | None) -> str:
    """The date of a time alone."""
    return "" if at is None else date(at)[:10]


def mark(disabled_at: int | None) -> Text:
    """Whether something may be used."""
    return Text("✓ enabled", "ok") if disabled_at is None else Text("✗ disabled", "bad")
