"""Figure 7: what the validator costs an API, for a token that it has seen before and for one that is new."""

from __future__ import annotations

from typing import TYPE_CHECKING

import roomkey
from table import Table, verdict
from timing import Contestant, interleave, per_call
from verification import AUDIENCE, ISSUER, Case, es256, published, pyjwk_client, rs256

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 61
CALLS = 200
GOAL_SEEN = 2e-6
GOAL_OVER_BARE = 12e-6


def seen(case: Case, url: str) -> Callable[[], object]:
    validator = roomkey.TokenValidator(issuer=ISSUER, audience=AUDIENCE, keys=roomkey.KeySet.remote(url))
    return lambda: validator.validate(case.token)


def new(case: Case, url: str) -> Callable[[], object]:
    """A validator that remembers nothing: every token is new to it."""
    keys = roomkey.KeySet.remote(url)
    validator = roomkey.TokenValidator(issuer=ISSUER, audience=AUDIENCE, keys=keys, remembered=0)
    return lambda: validator.validate(case.token)


def authorized(case: Case, url: str) -> Callable[[], object]:
    """A whole request: its header read, its token known, its scopes enough."""
    validator = roomkey.TokenValidator(issuer=ISSUER, audience=AUDIENCE, keys=roomkey.KeySet.remote(url))
    header, wanted = [f"Bearer {case.token}"], roomkey.Requirements(scopes=["orders:read"])
    return lambda: validator.authorize(header, wanted)


VALIDATIONS = (
    ("a token seen before", seen, GOAL_SEEN, "<= 2 us"),
    ("  a whole request with it", authorized, None, ""),
    ("a new token, over the bare check", new, GOAL_OVER_BARE, "<= 12 us"),
    ("PyJWT, PyJWKClient, every token", pyjwk_client, None, ""),
)


def compare(case: Case) -> None:
    with published(case.jwk) as url:
        calls = [(name, make(case, url)) for name, make, _, _ in VALIDATIONS]
        for _, call in calls:
            call()
        contestants = [Contestant("cryptography, the bare check", per_call(case.bare, CALLS))]
        contestants += [Contestant(name, per_call(call, CALLS)) for name, call in calls]
        bare, *others = interleave(contestants, ROUNDS)
    table = Table(f"Validating a token: {case.algorithm}", "", "us", "us over bare", "goal", "")
    table.row(bare.name, f"{bare.median * 1e6:.1f}", "0.0", "", "")
    for series, (name, _, goal, words) in zip(others, VALIDATIONS, strict=True):
        over = series.over(bare)
        measured = over if goal == GOAL_OVER_BARE else series.median
        reached = (words, verdict(measured, goal)) if goal is not None else ("", "")
        table.row(name, f"{series.median * 1e6:.2f}", f"{over * 1e6:.1f}", *reached)
    table.note(f"Medians of {ROUNDS} interleaved rounds of {CALLS} calls; keys published over HTTP and fetched once.")
    table.show()


def main() -> None:
    for case in (rs256(), es256()):
        compare(case)


if __name__ == "__main__":
    main()
