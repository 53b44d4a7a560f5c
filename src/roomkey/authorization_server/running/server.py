"""The server itself: uvicorn with bounds, on our socket; a signal lets it finish, a second one ends it at once."""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from types import FrameType
from typing import Any, Final

import uvicorn
from starlette.types import ASGIApp

from roomkey.authorization_server.running.bounded_http import BoundedHttp, Bounds
from roomkey.authorization_server.service import Service

DRAIN: Final = 20  # seconds that requests in flight may take once the service is told to end
KEEP_ALIVE: Final = 75  # seconds that an idle connection is kept: longer than proxies keep theirs
_LOG: Final = logging.getLogger("roomkey.server.error")
Task = Callable[[Service], Coroutine[Any, Any, None]]


def run(
    service: Service,
    app: ASGIApp,
    listener: socket.socket,
    *,
    tasks: Sequence[Task] = (),
    ready: Callable[[], None] = lambda: None,
    bounds: Bounds | None = None,
) -> None:
    """Serve ``app`` on ``listener`` until SIGTERM or SIGINT; then answer what has begun, at most DRAIN seconds long.

    Blocks, and wants the main thread. ``tasks`` run beside the server from its start to its end; ``ready`` is called
    when it serves. The service is left open.
    """
    settings = service.settings
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
        runner.run(_serve(service, _Server(config, ready), listener, tasks))


async def _serve(service: Service, server: "_Server", listener: socket.socket, tasks: Sequence[Task]) -> None:
    running = [asyncio.create_task(_kept(service, task)) for task in tasks]
    try:
        await server.serve(sockets=[listener])
    finally:
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _kept(service: Service, task: Task) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        try:
            await task(service)
        except Exception:  # noqa: BLE001 - whatever it is, requests are served on
            _LOG.exception("a task beside the server has ended", extra={"fields": {"task": task.__name__}})


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own signature
        # uvicorn would raise the signal once more at the end, and the exit code would tell of a failure.
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.should_exit = True
