"""The server itself: uvicorn with bounds, on our socket; a signal lets it finish, a second one ends it at once."""

import asyncio
import gc
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from roomkey.authorization_server.server.background_jobs import BackgroundJob, keep_up, once
from roomkey.authorization_server.server.http_limits import BoundedHttp, Bounds
from roomkey.authorization_server.settings import Settings

DRAIN: Final = 20  # seconds that requests in flight may take once the service is told to end
_YOUNG: Final = 10_000  # objects between two rounds of the collector: some hundred requests
KEEP_ALIVE: Final = 75  # seconds that an idle connection is kept: longer than proxies keep theirs


def run(
    settings: Settings,
    app: ASGIApp,
    listener: socket.socket,
    *,
    chores: Sequence[BackgroundJob] = (),
    ready: Callable[[], None] = lambda: None,
    ending: Callable[[], bool] = lambda: False,
    bounds: Bounds | None = None,
) -> None:
    """Serve ``app`` on ``listener`` until SIGTERM or SIGINT; then answer what has begun, at most DRAIN seconds long.

    Blocks. ``chores`` are done beside the server; ``ready`` is called when it serves. Outside of the main thread no
    signal arrives: there it serves until ``ending()``, which is asked ten times a second.
    """
    within = bounds or Bounds(proxies=settings.trusted_proxies)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp.within(within),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        limit_concurrency=within.connections,
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=DRAIN,
        workers=1,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(_Server(config, ready, ending), listener, chores))


async def _serve(server: "_Server", listener: socket.socket, chores: Sequence[BackgroundJob]) -> None:
    running = [asyncio.create_task(keep_up(chore), name=chore.name) for chore in chores]
    try:
        await server.serve(sockets=[listener])
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)
        for chore in chores:
            if chore.at_end:
                await once(chore)


def _settle() -> None:
    """Spare the collector of garbage what stays for good, and most of its rounds through what requests make."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], ending: Callable[[], bool]) -> None:
        super().__init__(config)
        self._ready = ready
        self._ending = ending

    async def on_tick(self, counter: int) -> bool:
        return self._ending() or await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if threading.current_thread() is threading.main_thread():  # else the process is another program's
            _settle()
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own signature
        # uvicorn would raise the signal once more at the end, and the exit code would tell of a failure.
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.should_exit = True
