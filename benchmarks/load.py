"""A steady load from one event loop, in a process of its own: CONTESTANT ORIGIN RATE SECONDS TOKEN; prints JSON.

Requests start on a schedule, whatever became of the earlier ones, and each latency counts from its place in the
schedule: a client that stalls cannot hide the requests that it kept waiting.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx2

AUTHLIB_LEEWAY = 1  # seconds; its default of 60 would renew a 5-second token before every request


@contextlib.asynccontextmanager
async def constant(origin: str, token: str) -> AsyncIterator[httpx2.AsyncClient]:
    import httpx2

    async with httpx2.AsyncClient(base_url=origin, headers={"Authorization": f"Bearer {token}"}) as client:
        yield client


@contextlib.asynccontextmanager
async def roomkey(origin: str, _: str) -> AsyncIterator[httpx2.AsyncClient]:
    import httpx2

    import ours
    from roomkey import Keyring, SQLiteStore, TokenManager
    from roomkey.integrations.httpx2 import BearerAuth

    with tempfile.TemporaryDirectory() as folder:
        store = SQLiteStore(Path(folder) / "tokens.db", keyring=Keyring.generate())
        async with TokenManager(store) as manager:
            orders = manager.credential(ours.source(f"{origin}/token"))
            async with httpx2.AsyncClient(base_url=origin, auth=BearerAuth(orders)) as client:
                yield client


@contextlib.asynccontextmanager
async def authlib(origin: str, _: str) -> AsyncIterator[httpx2.AsyncClient]:
    from authlib.integrations.httpx_client import AsyncOAuth2Client

    import ours

    async with AsyncOAuth2Client(
        ours.CLIENT_ID,
        ours.CLIENT_SECRET,
        token_endpoint=f"{origin}/token",
        grant_type="client_credentials",
        leeway=AUTHLIB_LEEWAY,
        base_url=origin,
    ) as client:
        await client.fetch_token()
        yield client


CONTESTANTS: dict[str, Callable[[str, str], contextlib.AbstractAsyncContextManager[httpx2.AsyncClient]]] = {
    "constant": constant,
    "roomkey": roomkey,
    "Authlib": authlib,
}


async def run(client: httpx2.AsyncClient, rate: float, seconds: float) -> tuple[list[float], list[str]]:
    """The latencies in seconds of the requests that succeeded, and a word for each that did not."""
    latencies: list[float] = []
    failures: list[str] = []

    async def one(due: float) -> None:
        try:
            response = await client.get("/api")
        except Exception as error:
            failures.append(type(error).__name__)
            return
        if response.status_code == 200:
            latencies.append(time.perf_counter() - due)
        else:
            failures.append(str(response.status_code))

    await one(time.perf_counter())  # connects, and gets the first token
    latencies.clear()
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number in range(int(rate * seconds)):
            due = start + number / rate
            await asyncio.sleep(due - time.perf_counter())
            tasks.create_task(one(due))
    return latencies, failures


async def main() -> None:
    contestant, origin, rate, seconds, token = sys.argv[1:]
    async with CONTESTANTS[contestant](origin, token) as client:
        print(json.dumps(await run(client, float(rate), float(seconds))))


if __name__ == "__main__":
    asyncio.run(main())
