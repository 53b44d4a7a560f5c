"""Figure 1a: what a token costs each request that uses it, beside a dict look-up with an expiry check."""

from __future__ import annotations

import time

import ours
import peers
import roomkey
from server import Server
from table import Table, verdict
from timing import Contestant, interleave, per_call

ROUNDS = 41
GOAL = 3.0  # times the look-up: 0.3 us where the look-up costs 0.1


def look_up(token: str) -> peers.Peer:
    """The least that a cache can do: find the key, compare a deadline."""
    cache = {"orders": (f"Bearer {token}", time.monotonic() + 3600.0)}

    def authorization() -> str:
        header, deadline = cache["orders"]
        if time.monotonic() < deadline:
            return header
        raise LookupError("expired")

    return peers.Peer("dict look-up with an expiry check", authorization)


def main() -> None:
    with Server() as server, roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        orders = manager.credential(ours.source(server.token_endpoint))
        in_the_race = [look_up(server.token()), peers.Peer("roomkey  credential.header()", orders.header)]
        in_the_race += [build(server) for build in (*peers.RENEWING, peers.requests_oauthlib_peer)]
        for peer in in_the_race:
            peer.authorization()  # the token is fetched before anything is measured
        quick = in_the_race[:2]
        contestants = [
            Contestant(peer.name, per_call(peer.authorization, 20_000 if peer in quick else 2_000))
            for peer in in_the_race
        ]
        base, *others = interleave(contestants, ROUNDS)

    table = Table("Attach cost of a token that is held", "", "us a call", "x look-up", "goal", "")
    table.row(base.name, f"{base.median * 1e6:.3f}", "1.0", "", "")
    for series in others:
        ratio = series.ratio_to(base)
        goal = ("<= 3.0 x", verdict(ratio, GOAL)) if series.name.startswith("roomkey") else ("", "")
        table.row(series.name, f"{series.median * 1e6:.3f}", f"{ratio:.1f}", *goal)
    table.note(f"Medians of {ROUNDS} interleaved rounds; every token is held and fresh, nothing is sent.")
    table.note("requests-oauthlib only attaches: it looks at no expiry and never renews a client-credentials token.")
    table.show()


if __name__ == "__main__":
    main()
