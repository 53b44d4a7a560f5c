"""Figure 3: what renewing tokens does to the requests that go on meanwhile."""

from __future__ import annotations

import steady_load
from server import Server

SECONDS = 20.0


def main() -> None:
    with Server() as server:
        title = "Refresh stall: tokens that live 5 s, a token endpoint that takes 300 ms"
        steady_load.compare(server, title, SECONDS).show()


if __name__ == "__main__":
    main()
