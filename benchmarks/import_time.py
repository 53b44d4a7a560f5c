"""Figure 5: what `import` of each library adds to the start of a bare interpreter."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from table import Table, verdict
from timing import Contestant, Series, interleave

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 31
GOAL = 0.010
FIRST_LINES = (
    "import roomkey",
    "import roomkey; roomkey.TokenManager, roomkey.ClientCredentials",
    "import httpx2",
    "import httpx2; from roomkey.integrations.httpx2 import BearerAuth",
    "from authlib.integrations.httpx_client import OAuth2Client",
    "import msal",
    "from azure.identity import ClientSecretCredential",
    "from google.oauth2.service_account import Credentials; import google.auth.transport.requests",
    "import httpx_auth",
    "import requests_oauthlib",
)


def start_with(code: str) -> Callable[[], float]:
    def measure() -> float:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", code], check=True)
        return time.perf_counter() - began

    return measure


def added(series: Series, bare: Series) -> float:
    """The median of the differences of rounds that ran next to each other, in seconds."""
    return statistics.median(mine - none for mine, none in zip(series.rounds, bare.rounds, strict=True))


def main() -> None:
    bare, *others = interleave([Contestant(code, start_with(code)) for code in ("pass", *FIRST_LINES)], ROUNDS)
    table = Table("Import time: whole process, over a bare interpreter", "", "added ms", "goal", "")
    table.row("a bare interpreter, whole", f"{bare.median * 1e3:.0f}", "", "")
    for series in others:
        extra = added(series, bare)
        goal = ("<= 10 ms", verdict(extra, GOAL)) if series.name == "import roomkey" else ("", "")
        table.row(series.name, f"{extra * 1e3:.1f}", *goal)
    table.note(f"Medians of {ROUNDS} interleaved rounds; byte code is cached; each row is a process of its own.")
    table.show()


if __name__ == "__main__":
    main()
