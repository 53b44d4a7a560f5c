"""The members of a token's header or claims as a table, with readable dates."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from roomkey.cli.theme import ledger, shown
from roomkey.cli.time_words import date, relative

_DATES: Final = frozenset({"exp", "iat", "nbf", "auth_time", "updated_at"})
_NAMES: Final = {
    "iss": "issuer",
    "sub": "subject",
    "aud": "audience",
    "exp": "expires",
    "iat": "issued",
    "nbf": "not before",
    "jti": "token id",
    "azp": "authorized party",
    "auth_time": "signed in",
    "alg": "algorithm",
    "kid": "key id",
    "typ": "type",
}


def claims_table(title: str, members: Mapping[str, Any], *, now: float) -> Table:
    """A table of ``members`` at the wall-clock second ``now``: name, value, and what the name means. Pure."""
    table = ledger("", "", "", title=title)
    table.show_header = False
    table.columns[0].no_wrap = True
    table.columns[0].style = "action"
    table.columns[1].overflow = "fold"
    table.columns[2].style = "quiet"
    table.columns[2].no_wrap = True
    for name, value in members.items():
        table.add_row(shown(str(name)), _value(name, value, now), _NAMES.get(name, ""))
    if not members:
        table.add_row("", Text("nothing", style="quiet"), "")
    return table


def _value(name: str, value: Any, now: float) -> Text:
    if name in _DATES and isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
        over = name == "exp" and value <= now
        return Text.assemble(date(value), ("  " + relative(value, now), "bad" if over else "quiet"))
    if isinstance(value, str):
        return Text(shown(value))
    if isinstance(value, list) and value and all(isinstance(item, str) for item in value):
        return Text(shown(", ".join(value)))
    return Text(shown(json.dumps(value, ensure_ascii=False)))
