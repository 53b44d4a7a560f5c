"""HTTP server of the auth service: uvicorn with limits, on our socket, with a graceful shutdown."""

import asyncio
import dataclasses
import errno
import gc
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from types import FrameType
from typing import Final

import uvicorn
from starlette.types import ASGIApp

from roomkey.authorization_server.server.background_jobs import BackgroundJob, repeat, run_once
from roomkey.authorization_server.server.http_limits import BoundedHttp, Bounds
from roomkey.authorization_server.settings import Settings
from roomkey.errors import ConfigurationError

SHUTDOWN_SECONDS: Final = 20  # that requests in flight may take once the service is asked to end
KEEP_ALIVE_SECONDS: Final = 75  # that an idle connection is kept: longer than proxies keep theirs
_GC_THRESHOLD: Final = 10_000  # objects between two runs of the collector: some hundred requests


def bind_socket(settings: Settings) -> socket.socket:
    """Return a socket bound to the address of ``settings``, before anything else is done: a taken port changes nothing.

    Raises ConfigurationError where the address is not available. May ask the resolver for a name.
    """
    host, port = settings.host, settings.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError):
        raise ConfigurationError(f"--listen names {host}, which is no address of this machine.") from None
    listener = socket.socket(family, kind, protocol)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(0)  # of two processes that have bound an address, one fails here
    except OSError as error:
        listener.close()
        raise ConfigurationError(_bind_problem(host, port, error)) from None
    return listener


def _bind_problem(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"Port {port} of {host} is taken: another program listens there; end it, or choose another --listen."
    if error.errno == errno.EACCES:
        return f"Port {port} needs rights that this user lacks; choose one above 1023 with --listen."
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--listen names {host}, which is no address of this machine."
    return f"--listen {host}:{port} cannot be used: {error.strerror}."


def with_bound_port(settings: Settings, listener: socket.socket) -> Settings:
    """Return ``settings`` with the port of ``listener``, where they ask for any (port 0)."""
    if settings.port:
        return settings
    port = listener.getsockname()[1]
    default = Settings.at(settings.data, host=settings.host, port=0).issuer
    issuer = f"{default.removesuffix(':0')}:{port}" if settings.issuer == default else settings.issuer
    return dataclasses.replace(settings, port=port, issuer=issuer)


def run(
    settings: Settings,
    app: ASGIApp,
    listener: socket.socket,
    *,
    jobs: Sequence[BackgroundJob] = (),
    ready: Callable[[], None] = lambda: None,
    ending: Callable[[], bool] = lambda: False,
    bounds: Bounds | None = None,
) -> None:
    """Serve ``app`` on ``listener`` until SIGTERM or SIGINT, then finish requests in flight within SHUTDOWN_SECONDS.

    A second signal ends the process at once. Blocks. ``jobs`` run beside the server; ``ready`` is called when it
    serves. Outside of the main thread no signal arrives: there it serves until ``ending()``, called ten times a second.
    """
    limits = bounds or Bounds(proxies=settings.trusted_proxies)
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http=BoundedHttp.within(limits),
        ws="none",
        lifespan="off",
        interface="asgi3",
        log_config=None,
        access_log=False,
        proxy_headers=bool(settings.trusted_proxies),
        forwarded_allow_ips=list(settings.trusted_proxies),
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        workers=1,
    )
    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        runner.run(_serve(_Server(config, ready, ending), listener, jobs))


async def _serve(server: "_Server", listener: socket.socket, jobs: Sequence[BackgroundJob]) -> None:
    tasks = [asyncio.create_task(repeat(job), name=job.name) for job in jobs]
    try:
        await server.serve(sockets=[listener])
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for job in jobs:
            if job.at_end:
                await run_once(job)


def _tune_garbage_collector() -> None:
    """Exempt the objects of the start from collection, and collect less often: requests leave hardly any cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_GC_THRESHOLD)


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
            _tune_garbage_collector()
        self._ready()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 - uvicorn's own signature
        # uvicorn would raise the signal once more at the end, and the exit code would report a failure.
        if self.should_exit:
            signal.signal(sig, signal.SIG_DFL)
            signal.raise_signal(sig)
        self.should_exit = True
