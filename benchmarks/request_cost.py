"""Figure 1b: a whole request over loopback with a managed token, beside the same request with a constant header."""

from __future__ import annotations

import asyncio
import statistics
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
import httpx2
from authlib.integrations.httpx_client import AsyncOAuth2Client

import ours
import peers
import roomkey
from roomkey.integrations.httpx2 import BearerAuth
from server import Server
from table import Table, verdict
from timing import Contestant, Series, interleave

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

ROUNDS = 201
REQUESTS = 10  # of one contestant in a row; their median is the round's figure
GOAL = 1.03


class ConstantHeader(httpx2.Auth):
    """The cheapest authentication that httpx2 can carry."""

    def __init__(self, value: str) -> None:
        self._value = value

    def auth_flow(self, request: httpx2.Request) -> Generator[httpx2.Request, httpx2.Response, None]:
        request.headers["Authorization"] = self._value
        yield request


class ConstantHeaderOfHttpx(httpx.Auth):
    """The same for httpx, which is what httpx-auth runs on."""

    def __init__(self, value: str) -> None:
        self._value = value

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = self._value
        yield request


@dataclass(frozen=True, slots=True)
class Race:
    """A constant header, and who is compared with it."""

    base: Contestant
    others: tuple[Contestant, ...]

    def run(self) -> tuple[Series, ...]:
        return tuple(interleave((self.base, *self.others), ROUNDS))


def requests_with(get: Callable[[str], httpx.Response | httpx2.Response], url: str) -> Callable[[], float]:
    def measure() -> float:
        taken = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            get(url).raise_for_status()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    return measure


def awaited_requests_with(
    runner: asyncio.Runner, get: Callable[[str], Awaitable[httpx2.Response]], url: str
) -> Callable[[], float]:
    async def all_of_them() -> float:
        taken = []
        for _ in range(REQUESTS):
            began = time.perf_counter()
            (await get(url)).raise_for_status()
            taken.append(time.perf_counter() - began)
        return statistics.median(taken)

    return lambda: runner.run(all_of_them())


def main() -> None:
    table = Table("A whole request over loopback", "", "us", "x constant header", "goal", "")
    memory = roomkey.MemoryStore()
    with Server() as server, roomkey.TokenManager(memory) as manager, asyncio.Runner() as runner:
        constant = f"Bearer {server.token()}"
        orders = manager.credential(ours.source(server.token_endpoint))
        authlib = peers.authlib_client(server)
        authlib.fetch_token()
        authlib_async = AsyncOAuth2Client(
            ours.CLIENT_ID, ours.CLIENT_SECRET, token_endpoint=server.token_endpoint, grant_type="client_credentials"
        )
        runner.run(authlib_async.fetch_token())

        def sync(name: str, client: httpx.Client | httpx2.Client) -> Contestant:
            return Contestant(name, requests_with(client.get, server.api))

        def awaited(name: str, client: httpx2.AsyncClient) -> Contestant:
            return Contestant(name, awaited_requests_with(runner, client.get, server.api))

        races = (
            Race(
                sync("httpx2.Client, constant header", httpx2.Client(auth=ConstantHeader(constant))),
                (
                    sync("  roomkey BearerAuth", httpx2.Client(auth=BearerAuth(orders))),
                    sync("  Authlib OAuth2Client", authlib),
                ),
            ),
            Race(
                awaited("httpx2.AsyncClient, constant header", httpx2.AsyncClient(auth=ConstantHeader(constant))),
                (
                    awaited("  roomkey BearerAuth", httpx2.AsyncClient(auth=BearerAuth(orders))),
                    awaited("  Authlib AsyncOAuth2Client", authlib_async),
                ),
            ),
            Race(
                sync("httpx.Client, constant header", httpx.Client(auth=ConstantHeaderOfHttpx(constant))),
                (sync("  httpx-auth OAuth2ClientCredentials", httpx.Client(auth=peers.httpx_auth_flow(server))),),
            ),
        )
        for race in races:
            base, *others = race.run()
            table.row(base.name, f"{base.median * 1e6:.0f}", "1.000", "", "")
            for series in others:
                ratio = series.ratio_to(base)
                goal = ("<= 1.03 x", verdict(ratio, GOAL)) if "roomkey" in series.name else ("", "")
                table.row(series.name, f"{series.median * 1e6:.0f}", f"{ratio:.3f}", *goal)
    table.note(f"{ROUNDS} interleaved rounds of {REQUESTS} requests; the ratio is the median of the rounds' ratios.")
    table.show()


if __name__ == "__main__":
    main()
