"""One checkout's hot paths, for `beside.py`: reads the name of a measure from stdin, prints CPU seconds of one call."""

from __future__ import annotations

import gc
import itertools
import sys
import time
from typing import TYPE_CHECKING

import httpx2

import roomkey
from roomkey.integrations.httpx2 import BearerAuth
from roomkey.testing import Issuer

if TYPE_CHECKING:
    from collections.abc import Callable

CALLS = {"header()": 200_000, "request through BearerAuth": 1500, "token seen before": 50_000}
NEW = 1500


def timed(call: Callable[[], object], calls: int) -> float:
    """CPU seconds of one call."""
    gc.collect()
    gc.disable()
    began = time.process_time()
    for _ in range(calls):
        call()
    took = time.process_time() - began
    gc.enable()
    return took / calls


def main() -> None:
    """Answer each line until stdin ends."""
    with Issuer() as issuer, roomkey.TokenManager(roomkey.MemoryStore()) as manager:
        source = roomkey.ClientCredentials(
            issuer=issuer.url, client_id="reports", client_secret=str(issuer.client.client_secret)
        )
        credential = manager.credential(source)
        credential.token()
        transport = httpx2.MockTransport(lambda _: httpx2.Response(200))
        api = httpx2.Client(transport=transport, base_url="https://orders.example", auth=BearerAuth(credential))
        validator = roomkey.TokenValidator(issuer=issuer.url, audience="orders-api")
        seen = issuer.token()
        validator.validate(seen)
        counter = itertools.count()

        def new_tokens() -> float:
            tokens = [issuer.token(jti=f"n{next(counter)}") for _ in range(NEW)]
            validator.validate(tokens.pop())
            return timed(iter_call(validator, tokens), len(tokens))

        measures: dict[str, Callable[[], float]] = {
            "header()": lambda: timed(credential.header, CALLS["header()"]),
            "request through BearerAuth": lambda: timed(
                lambda: api.get("/orders"), CALLS["request through BearerAuth"]
            ),
            "token seen before": lambda: timed(lambda: validator.validate(seen), CALLS["token seen before"]),
            "new token": new_tokens,
        }
        for line in sys.stdin:
            print(measures[line.strip()](), flush=True)


def iter_call(validator: roomkey.TokenValidator, tokens: list[str]) -> Callable[[], object]:
    """A call that validates the next of ``tokens``."""
    following = iter(tokens)
    return lambda: validator.validate(next(following))


if __name__ == "__main__":
    main()
