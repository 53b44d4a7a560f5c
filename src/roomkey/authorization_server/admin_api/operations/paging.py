"""What every list is asked with."""

from dataclasses import dataclass

from roomkey.authorization_server.accounts.page import USUAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Paging:
    """The page that begins after the cursor ``after``, of ``limit`` items, 200 at most."""

    after: str | None = None
    limit: int = USUAL
